"""`keyfob serve tenant.toml`, and the file to begin with: its person, removals, and missing switches."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.cli.serving import _apply, _introduction, remarks
from keyfob.cli.tenant.file import password_gaps
from keyfob.errors import Misuse
from keyfob.protocol.grants import PASSWORD
from keyfob.serve import Registry, Tenant, ready_config
from keyfob.server.settings.registered import Connection

ISSUER = "http://127.0.0.1:8790/"
FILE = Path("tenant.toml")
DATA = Path("data")


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file that `keyfob tenant init` writes, applied."""
    folder = tmp_path_factory.mktemp("applied")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.stdin", io.StringIO())
        assert main(["tenant", "init"]) == 0
        _apply(FILE, DATA, ISSUER)
    return folder


@pytest.fixture(autouse=True)
def begun(applied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of that folder."""
    shutil.copytree(applied, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEYFOB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("sys.stdin", io.StringIO())


def clients() -> list[str]:
    with Registry.open(DATA) as registry:
        return [one.client_id for one in registry.config().applications]


def test_the_file_to_begin_with_has_a_person_who_can_log_in() -> None:
    """[FC-24]: it had none."""
    with Registry.open(DATA) as registry:
        assert [user.email for user in registry.users()] == ["sam@example.com"]
    password = Path("sam.password")
    assert password.stat().st_mode & 0o777 == 0o600
    assert len(password.read_text().strip()) >= 15


def test_a_second_init_elsewhere_keeps_the_password() -> None:
    before = Path("sam.password").read_text()
    assert main(["tenant", "init", "other.toml"]) == 0
    assert Path("sam.password").read_text() == before


def test_a_tenant_from_a_file_prints_a_login() -> None:
    """[FC-24]."""
    with closing(Tenant.follow(DATA, ready_config(ISSUER))) as tenant:
        assert f"  keyfob login {ISSUER} my-cli\n" in _introduction(tenant, DATA)


def test_who_lost_the_password_of_the_first_start_is_told_how_to_make_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATA", str(tmp_path / "usual"))
    for folder, where in ((tmp_path / "usual", ""), (tmp_path / "an other", f" --data '{tmp_path}/an other'")):
        with closing(Tenant.open(folder, ready_config(ISSUER), with_first_user=True)) as first:
            assert "(shown this once)" in _introduction(first, folder)
        with closing(Tenant.open(folder, ready_config(ISSUER), with_first_user=True)) as second:
            said = re.search("keyfob (tenant users password .* --generate.*)\\)", _introduction(second, folder))
        assert said is not None
        assert said[1] == f"tenant users password person@example.com --generate{where}"
        assert main(shlex.split(said[1])) == 0


def test_without_a_terminal_serving_a_file_says_what_it_removes(capsys: pytest.CaptureFixture[str]) -> None:
    """[FC-24]."""
    assert main(["tenant", "apps", "add", "Other"]) == 0
    assert len(clients()) == 2
    _apply(FILE, DATA, ISSUER)
    assert clients() == ["my-cli"]
    assert "the lines with a minus are not in tenant.toml, and were removed" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_serving_a_file_asks_before_it_removes(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """[FC-24]: what `tenant apps add` made was removed without a question."""
    assert main(["tenant", "apps", "add", "Other"]) == 0
    typed = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(typed, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", typed)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    if answer == "n":
        with pytest.raises(Misuse):
            _apply(FILE, DATA, ISSUER)
    else:
        _apply(FILE, DATA, ISSUER)
    assert len(clients()) == (2 if answer == "n" else 1)


def test_a_check_names_the_next_missing_switch_of_a_password_grant() -> None:
    """[FI-05]: three switches and a default directory, and nobody said which was missing."""
    config = ready_config(ISSUER)
    assert list(password_gaps(config)) == []
    config = replace(config, applications=(replace(config.applications[0], grants=(PASSWORD,)),))
    said = []
    switches: list[dict[str, object]] = [
        {},
        {"allows_password": True},
        {"connections": (replace(Connection(), allows_password=True),)},
        {"default_directory": Connection().name},
    ]
    for switch in switches:
        config = replace(config, **switch)  # type: ignore[arg-type]
        said.append([line.partition("next: ")[2][:34] for line in password_gaps(config)])
    assert said == [
        ["allows_password = true in [tenant]"],
        ["allows_password = true in the [[co"],
        ["default_directory in [tenant], or "],
        [],
    ]


def test_the_tenants_switch_alone_is_told_of_too() -> None:
    """[FI-05]."""
    [line] = password_gaps(replace(ready_config(ISSUER), allows_password=True))
    assert "grants" in line


def test_a_check_counts_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    """[FC-29]: it said "1 applications"."""
    assert main(["tenant", "check"]) == 0
    assert "1 application, 1 api, 0 grants, 1 role, 1 connection, 1 user" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("issuer", "has_tls", "proxies", "is_told"),
    [
        ("https://login.example/", False, (), True),
        ("https://login.example/", False, ("127.0.0.1/32",), False),
        ("https://127.0.0.1:8790/", True, (), False),
        (ISSUER, False, (), False),
    ],
    ids=["behind an unnamed proxy", "behind a named one", "our own TLS", "plain http"],
)
def test_a_proxy_that_is_not_named_is_remarked_on(
    issuer: str, proxies: tuple[str, ...], *, has_tls: bool, is_told: bool
) -> None:
    """[FS-05]: an https issuer at a port without TLS has a proxy, whose address every caller would have."""
    config = replace(ready_config(issuer), trusted_proxies=proxies)
    told = [one for one in remarks(config, has_tls=has_tls, has_mtls_port=False) if "trusted_proxies" in one]
    assert len(told) == is_told
