"""Which setting wins, what a project's file may not say, and whose account is pinned."""

import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.cli.commands.login import _account_switch
from keyfob.cli.profiles import choose
from keyfob.cli.settings import Setting, Settings, _Layer
from keyfob.client.io.state_files import LoginLockFiles
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.credential import CertificateFiles
from keyfob.client.model.login_state import LockHolder
from keyfob.io import quick
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from tests.cli.desk import PAT, Desk, desk
from tests.cli.issuer import granted, issuer

__all__ = ["desk"]
AT_X, AT_Y = "https://x.example/", "https://y.example/"
KINDS = ("flag", "environment", "project", "config", "login")

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
posix = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX")


@pytest.mark.parametrize("silent", range(len(KINDS)))
def test_the_first_that_says_something_wins(desk: Desk, monkeypatch: pytest.MonkeyPatch, silent: int) -> None:
    desk.save(AT_X)
    speaking = KINDS[silent:]
    flags = Namespace(scope=["of:flag"] if "flag" in speaking else None)
    if "environment" in speaking:
        monkeypatch.setenv("KEYFOB_SCOPE", "of:environment")
    if "project" in speaking:
        desk.says('scope = ["of:project"]\n')
    if "config" in speaking:
        desk.config('[profiles.default]\nscope = "of:config"\n')

    chosen = choose(flags)

    assert chosen.profile is not None
    assert chosen.settings["scope"].kind == speaking[0]
    expected = "read:orders" if speaking[0] == "login" else f"of:{speaking[0]}"
    assert expected in chosen.profile.scope.names


@given(st.lists(st.sampled_from([None, "a", "b"]), min_size=1, max_size=5), st.sampled_from(["a", "b"]))
def test_what_is_said_of_one_issuer_is_never_told_to_another(issuers: list[str | None], settled: str) -> None:
    layers = tuple(
        _Layer("config", str(place), {"audience": f"of {issuer}"}, issuer or "") for place, issuer in enumerate(issuers)
    )
    found = Settings(Setting("default", "usual"), Namespace(), layers).find("audience", settled)

    allowed = [place for place, issuer in enumerate(issuers) if issuer in {None, settled}]
    assert (found is None) == (not allowed)
    assert found is None or found.where == str(allowed[0])


def test_the_nearest_project_file_counts_from_any_folder_below(desk: Desk) -> None:
    desk.says(f'issuer = "{AT_X}"\nclient_id = "cli"\nprofile = "work"\n')

    chosen = choose(Namespace())

    assert chosen.name == "work"
    assert chosen.profile is not None
    assert chosen.profile.issuer == AT_X
    (desk.project / "src" / ".keyfob.toml").write_text('profile = "nearer"\n', encoding="utf-8")
    assert choose(Namespace()).name == "nearer"


@pytest.mark.parametrize(
    "line",
    [
        'secret = "hunter2"',
        'secret_file = "/etc/hunter2"',
        'key_env = "hunter2"',
        'identity = "hunter2"',
        'ca = "hunter2.pem"',
        'certificate = "hunter2.pem"',
        'certificate_key = "hunter2.pem"',
        'browser = "hunter2"',
        "allow_password = true",
        'realm = "hunter2"',
        'dpop = "off"',
        '[endpoints]\ntoken_endpoint = "https://hunter2.example/"',
        'flow = "password"',
        'flow = "machine"',
        "scope = 7",
        'issuer = "hunter2',
        'issuer = "hunter2"\nissuer = "hunter2"',
    ],
)
def test_a_project_file_sets_nothing_secret_and_runs_nothing(desk: Desk, line: str) -> None:
    desk.says(f"{line}\n")

    ran = desk.type("token", "--json")

    assert ran.code == 2
    assert ran.error() == "setting-wrong"
    assert "hunter2" not in ran.out + ran.err


@posix
@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_a_project_file_that_everybody_may_change_is_refused(desk: Desk, mode: int) -> None:
    desk.says('profile = "theirs"\n').chmod(mode)

    assert desk.type("token", "--json").error() == "setting-unsafe"


@posix
def test_a_project_file_of_another_user_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.says('profile = "theirs"\n')
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)

    ran = desk.type("explain", "--json")

    assert ran.error() in {"setting-unsafe", "vault-unavailable"}
    assert "belongs to another user" in ran.out


def test_what_a_mistake_repeats_is_never_the_value(desk: Desk) -> None:
    desk.config('flow = "hunter2"\n')
    assert "hunter2" not in desk.type("explain").err
    desk.config('[profiles]\ndefault = "hunter2"\n')
    ran = desk.type("explain")
    assert (ran.code, "hunter2" in ran.err) == (2, False)


def test_a_hostile_project_gets_neither_the_token_nor_the_secret_of_another_issuer(desk: Desk) -> None:
    desk.save(AT_X)
    desk.says(f'issuer = "{AT_Y}"\nclient_id = "theirs"\n')

    chosen = choose(Namespace())

    assert chosen.profile is not None
    assert chosen.profile.credential is None
    assert desk.type("token").code == 4


def test_another_account_than_the_pinned_one_is_refused_with_what_to_do(desk: Desk) -> None:
    with issuer() as server:
        desk.save(f"{server.url}/")
        desk.says('subject = "auth0|chris"\n')

        refused = [desk.type(*words) for words in (("token",), ("whoami",), ("status",), ("call", server.url))]

        assert [ran.code for ran in refused] == [3, 3, 3, 3]
        assert all("--switch-account" in ran.err and "at-1" not in ran.out for ran in refused)
        assert desk.type("logout").code == 0
        desk.save(f"{server.url}/")
        desk.says(f'subject = "{PAT}"\n')
        assert desk.type("token").out == "at-1\n"


def test_a_login_of_another_than_the_pinned_account_is_ended_at_once(desk: Desk) -> None:
    with issuer(granted()) as server:
        desk.save(f"{server.url}/", "known")
        desk.says(f'issuer = "{server.url}/"\nclient_id = "cli"\nsubject = "{PAT}"\nflow = "device"\n')

        ran = desk.type("login", "--json")

    assert ran.code == 3
    assert ran.events()[-1]["error"]
    assert "granted" not in [event.get("event") for event in ran.events()]
    assert run(FileVault(desk.home).load("default")) is None
    assert any(path == "/revoke" for _, path, _, _ in server.came)


def test_what_the_login_before_was_stays_when_the_wrong_person_logs_in_where_one_is_pinned(desk: Desk) -> None:
    with issuer(granted()) as server:
        kept = desk.save(f"{server.url}/", subject=None)
        desk.says(f'subject = "{PAT}"\nflow = "device"\n')

        assert desk.type("login", "--json").code == 3

    after = run(FileVault(desk.home).load("default"))
    assert after is not None
    assert after.generation > kept.generation


@pytest.mark.usefixtures("plain_environment")
def test_the_quick_path_steps_aside_where_a_setting_could_change_the_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.save(AT_X)
    assert desk.type("token").out == "at-1\n"
    assert quick.look_up(["token"]) == "at-1"

    desk.config(f'[profiles.default]\nissuer = "{AT_Y}"\nclient_id = "other"\n')
    assert _quick() is None
    assert desk.type("token").code == 4

    desk.config('flow = "device"\n')
    assert _quick() is None
    assert desk.type("token").out == "at-1\n"
    assert _quick() == "at-1"  # laid again, for these very settings

    (desk.home / "config.toml").unlink()
    assert _quick() is None
    assert desk.type("token").out == "at-1\n"
    monkeypatch.setenv("KEYFOB_FLOW", "device")
    assert _quick() is None


@pytest.mark.usefixtures("plain_environment")
def test_the_quick_path_takes_the_profile_in_use(desk: Desk) -> None:
    from keyfob.protocol.secret import Secret

    desk.save(AT_X)
    desk.save(AT_X, "work", access_token=Secret("at-work"))
    assert [desk.type("token", *words).out for words in ((), ("--profile", "work"))] == ["at-1\n", "at-work\n"]
    assert _quick() == "at-1"

    assert desk.type("profile", "use", "work").code == 0

    assert (_quick(), desk.type("token").out) == ("at-work", "at-work\n")
    ProfileFiles(desk.home).choice.write_text("../evil\n", encoding="utf-8")
    assert _quick() is None
    assert desk.type("token").code == 2


def _quick() -> str | None:
    try:
        return quick.look_up(["token"])
    except OSError:
        return None


def test_a_file_of_authorities_lies_beside_the_settings_that_name_it(desk: Desk, tmp_path: Path) -> None:
    desk.save(AT_X)
    desk.config('ca = "own.pem"\n')

    chosen = choose(Namespace())

    assert chosen.profile is not None
    assert chosen.profile.ca == str(desk.home / "own.pem")


def test_nobody_switches_to_another_account_than_the_pinned_one(desk: Desk) -> None:
    flags = Namespace(switch_account=True, json=True)
    before = desk.save(AT_X)
    other = replace(before, subject="auth0|chris")

    assert _account_switch(flags)(before, other) is True
    assert _account_switch(flags, PAT)(before, other) is False
    assert _account_switch(flags, PAT)(other, before) is True


def test_what_is_no_file_of_settings_is_refused(desk: Desk) -> None:
    desk.says("# " + "long" * 20_000)
    assert desk.type("token", "--json").error() == "setting-wrong"
    (desk.project / ".keyfob.toml").unlink()
    (desk.project / ".keyfob.toml").mkdir()
    assert desk.type("token", "--json").error() == "setting-wrong"


def test_the_last_logins_address_is_offered_to_a_program_that_asks_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with issuer(granted()) as server:
        desk.save(f"{server.url}/", person="pat@example.com", scope=Scope())
        monkeypatch.setattr("sys.stdin", io.StringIO("\nhunter2\n"))
        ran = desk.type("login", "--flow", "password", "--allow-password", "--json")

    [asked] = [event for event in ran.events() if event.get("kind") == "username"]
    assert asked["default"] == "pat@example.com"
    assert [body for _, path, _, body in server.came if path == "/token" and b"username=pat%40example.com" in body]


@pytest.mark.parametrize(
    ("pinned", "words", "is_taken"),
    [(PAT, (), True), ("auth0|sam", (), False), (PAT, ("--switch-account",), False)],
    ids=["the account", "another", "whoever it will be"],
)
def test_a_pinned_account_takes_over_no_other_that_logged_in_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, pinned: str, words: tuple[str, ...], is_taken: bool
) -> None:
    """[C-OIDC-06]"""
    take, seen = LoginLockFiles.take, list[LockHolder]()

    def while_another_logs_in(
        files: LoginLockFiles, name: str, turn: LockHolder
    ) -> tuple[Callable[[], None] | None, LockHolder | None]:
        if not seen:
            seen.append(turn)
            stored = desk.save(url, access_token=Secret("theirs"), generation=1)
            files.note(name, replace(turn, kept=stored.generation))
            return None, replace(turn, pid=4711)
        return take(files, name, turn)

    monkeypatch.setattr(LoginLockFiles, "take", while_another_logs_in)
    with issuer(granted(access_token="ours")) as server:
        url = f"{server.url}/"
        desk.save(url, "known")
        desk.says(f'issuer = "{url}"\nclient_id = "cli"\nscope = "read:orders"\nsubject = "{pinned}"\n')
        ran = desk.type("login", "--flow", "device", "--json", *words)

    assert ran.events()[0] == {"event": "login_elsewhere", "pid": 4711}
    assert ("device_code" in [event.get("event") for event in ran.events()]) is not is_taken
    assert (ran.code == 0) is is_taken


def certificate_of(**flags: str) -> tuple[str, str | None] | None:
    profile = choose(Namespace(**flags)).profile
    files = None if profile is None else profile.certificate
    return None if files is None else (files.certificate, files.key)


def test_a_certificate_is_named_beside_the_file_that_names_it_and_for_its_issuer_alone(desk: Desk) -> None:
    desk.save(AT_X)
    desk.config(f'[profiles.default]\nissuer = "{AT_X}"\ncertificate = "robot.pem"\ncertificate_key = "robot.key"\n')
    assert certificate_of() == (str(desk.home / "robot.pem"), str(desk.home / "robot.key"))
    assert certificate_of(issuer=AT_Y, client_id="cli") is None


def test_the_key_of_the_certificate_before_is_not_that_of_a_new_one(desk: Desk) -> None:
    desk.save(AT_X)
    kept = ProfileFiles().load("default")
    assert kept is not None
    ProfileFiles().save(replace(kept, certificate=CertificateFiles("/x/robot.pem", "/x/robot.key")))
    assert certificate_of() == ("/x/robot.pem", "/x/robot.key")
    assert certificate_of(certificate="./other.pem") == (str(Path("other.pem").absolute()), None)
    assert certificate_of(certificate_key="./new.key") == ("/x/robot.pem", str(Path("new.key").absolute()))


@pytest.mark.parametrize(
    "words",
    [
        ("--certificate-key", "./robot.key"),
        ("--certificate", "-----BEGIN CERTIFICATE-----"),
        ("--certificate", "./robot.pem", "--certificate-key", "-----BEGIN PRIVATE KEY-----\nhunter2"),
    ],
)
def test_a_key_without_a_certificate_or_the_thing_itself_is_refused_and_not_repeated(
    desk: Desk, words: tuple[str, ...]
) -> None:
    ran = desk.type("login", "--flow", "machine", "--issuer", AT_X, "--client-id", "cli", *words)
    assert ran.code == 2
    assert "hunter2" not in ran.out + ran.err
