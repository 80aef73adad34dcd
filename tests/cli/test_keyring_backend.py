"""What programs get that ask the library `keyring` for a password, where keyfob is one of its backends."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import keyring
import pytest
from keyring.backends.chainer import ChainerBackend
from keyring.errors import PasswordDeleteError, PasswordSetError

from keyfob.cli.keyring_backend import KeyfobKeyring
from keyfob.client.io.origin_files import OriginFiles, ToolFile
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import Profile
from keyfob.errors import LoginRequired, Refused
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer

INDEX = "https://pypi.example.com/simple/"
API = "https://api.example.com/v1"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def log_in(home: Path, name: str = "default", *, left: timedelta = timedelta(hours=1), **changed: object) -> Profile:
    issuer = StrictIssuer()
    given = {key: changed.pop(key) for key in ("audience", "is_resource") if key in changed}
    profile = Profile(name, issuer.issuer, "cli", **given)
    ProfileFiles(home).save(profile)
    run(FileVault(home).save(name, replace(issuer.log_in(profile, expires_in=left), **changed)))
    return profile


def test_the_token_is_the_password_of_a_service_that_it_was_sent_to(home: Path) -> None:
    OriginFiles(home).add(log_in(home), "https://pypi.example.com:443")

    assert KeyfobKeyring().get_password(INDEX, "anybody") == "at-1-1"
    for name, expected in ((None, "__token__"), ("pat", "pat")):
        found = KeyfobKeyring().get_credential(INDEX, name)
        assert (found.username, found.password) == (expected, "at-1-1")


def test_the_token_is_the_password_of_an_index_that_pip_was_set_up_for(home: Path) -> None:
    profile = log_in(home, "work")
    ToolFile(home).add("keyring", "https://pypi.example.com:443", profile)
    (home / ".keyfob.toml").write_text('profile = "elsewhere"\n')

    assert KeyfobKeyring().get_password(INDEX, "__token__") == "at-1-1"


def test_the_token_is_the_password_of_the_api_that_it_is_for(home: Path) -> None:
    log_in(home, "api.example.com", audience="https://api.example.com", is_resource=True)

    assert KeyfobKeyring().get_password(API, "") == "at-1-1"
    assert KeyfobKeyring().get_password(INDEX, "") is None


@pytest.mark.parametrize(
    "service",
    [
        "https://pypi.org/simple/", "https://pypi.example.com.evil.example/simple/", "https://pypi.example.com:444/simple/",
        "http://pypi.example.com/simple/", "https://user@pypi.example.com/simple/", "pypi.example.com", "keyfob", "",
        "ftp://pypi.example.com/", "https://", "https://pypi.example.com\\@evil.example/", "\0",
    ],
)  # fmt: skip
def test_any_other_service_gets_no_answer(home: Path, service: str) -> None:
    OriginFiles(home).add(log_in(home), "https://pypi.example.com:443")

    assert KeyfobKeyring().get_password(service, "__token__") is None
    assert KeyfobKeyring().get_credential(service, None) is None


def test_a_service_that_the_token_was_never_sent_to_gets_no_answer_and_is_not_remembered(home: Path) -> None:
    profile = log_in(home)

    assert KeyfobKeyring().get_password(INDEX, "__token__") is None
    assert OriginFiles(home).load(profile).known == ()


def test_without_a_login_and_with_damaged_settings_there_is_no_answer(home: Path) -> None:
    assert KeyfobKeyring().get_password(INDEX, "__token__") is None

    OriginFiles(home).add(log_in(home), "https://pypi.example.com:443")
    (home / "profiles" / "default.json").write_text("{")
    assert KeyfobKeyring().get_password(INDEX, "__token__") is None


def test_a_login_that_has_ended_is_an_error_that_names_the_command(home: Path) -> None:
    OriginFiles(home).add(log_in(home, left=timedelta(hours=-1), refresh_token=None), "https://pypi.example.com:443")

    with pytest.raises(LoginRequired) as raised:
        KeyfobKeyring().get_password(INDEX, "__token__")
    assert raised.value.hint == "Run: keyfob login"


def test_a_token_that_is_bound_to_a_key_is_no_password(home: Path) -> None:
    OriginFiles(home).add(log_in(home, token_type="DPoP"), "https://pypi.example.com:443")

    with pytest.raises(Refused) as raised:
        KeyfobKeyring().get_password(INDEX, "__token__")
    assert raised.value.code == "token-bound"


def test_nothing_is_stored_or_deleted_and_a_chain_of_keyrings_goes_on() -> None:
    for kind, act in (
        (PasswordSetError, lambda: KeyfobKeyring().set_password(INDEX, "pat", "secret")),
        (PasswordDeleteError, lambda: KeyfobKeyring().delete_password(INDEX, "pat")),
    ):
        with pytest.raises(kind) as raised:
            act()
        assert isinstance(raised.value, NotImplementedError)
        assert "secret" not in str(raised.value)


def test_it_is_one_of_the_viable_backends_below_those_of_the_system() -> None:
    assert KeyfobKeyring.viable
    assert 0 < KeyfobKeyring.priority < 4
    assert any(isinstance(one, KeyfobKeyring) for one in keyring.backend.get_all_keyring())
    assert not isinstance(KeyfobKeyring(), ChainerBackend)
