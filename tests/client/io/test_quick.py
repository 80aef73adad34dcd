"""The quick file: what it gives is what the ordinary path would give, and what is not plain it does not give."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.io.vault.files import home, write_private
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles, drop_quick, lay_quick, state_of
from keyfob.client.model.stored_login import StoredLogin
from keyfob.io import quick
from keyfob.run import run
from tests.client.scripts import PROFILE, stored

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, owners and runtime folders are POSIX")


def alive(seconds: float = 3600, **changed: object) -> StoredLogin:
    now = datetime.now(UTC)
    return replace(stored(), obtained_at=now, expires_at=now + timedelta(seconds=seconds), **changed)  # type: ignore[arg-type]


pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a login whose token is at hand."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path / "home"))
    lay(alive())
    return tmp_path / "home"


def lay(login: StoredLogin, name: str = "default") -> None:
    vault = FileVault(None, Seals())
    run(vault.save(name, login))
    ProfileFiles().save(replace(PROFILE, name=name))
    vault.make_quick(name)


def printed(*words: str) -> str | None:
    try:
        return quick.look_up(["token", *words])
    except OSError:
        return None


def test_a_token_at_hand_is_printed_and_nothing_else_is_in_the_file(at_home: Path) -> None:
    assert printed() == "at-1"
    content = (at_home / "quick" / "default").read_bytes()
    assert b"at-1" in content
    assert b"rt-1" not in content


@posix
def test_the_quick_file_is_private_from_its_folder_on(at_home: Path) -> None:
    """[C-6749-20]"""
    file = at_home / "quick" / "default"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.chmod(0o640)
    assert printed() is None


@pytest.mark.parametrize(
    ("words", "wants"),
    [
        ([], True),
        (["--min-ttl", "5m"], True),
        (["--min-ttl=3500"], True),
        (["--min-ttl", "2h"], False),
        (["--profile", "default"], True),
        (["--profile=default", "--min-ttl=1s"], True),
        (["--profile", "other"], False),
        (["--profile", "../default"], False),
        (["--json"], False),
        (["--min-ttl"], False),
        (["--min-ttl", "soon"], False),
        (["--min-ttl", "²"], False),
        (["--profile", ""], True),
        (["--help"], False),
        (["extra"], False),
    ],
    ids=str,
)
def test_plain_words_are_answered_and_all_others_left_to_the_ordinary_path(
    at_home: Path, words: list[str], wants: bool
) -> None:
    assert printed(*words) == ("at-1" if wants else None)


def test_the_profile_of_the_environment_is_meant(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(alive(access_token=stored(token="at-work").access_token), "work")
    monkeypatch.setenv("KEYFOB_PROFILE", "work")

    assert printed() == "at-work"
    assert printed("--profile", "default") == "at-1"


@pytest.mark.parametrize("name", ["ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "QUICK", "WHATEVER_COMES"])
def test_a_setting_that_could_ask_for_another_token_leads_past_the_quick_file(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"KEYFOB_{name}", "x")

    assert printed() is None


@pytest.mark.parametrize("where", [".", ".."])
def test_a_project_with_settings_of_its_own_leads_past_the_quick_file(at_home: Path, where: str) -> None:
    assert printed() == "at-1"
    Path(where, ".keyfob.toml").write_text("", encoding="utf-8")

    assert printed() is None


def test_a_setting_that_is_there_when_it_is_laid_lays_nothing(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_SCOPE", "less")
    lay(alive())
    monkeypatch.delenv("KEYFOB_SCOPE")

    assert printed() is None


def change_vault(folder: Path) -> None:
    write_private(folder / "vault" / "default.json", alive().write())


def change_settings(folder: Path) -> None:
    write_private(folder / "profiles" / "default.json", PROFILE.write())


@pytest.mark.parametrize(
    "change",
    [
        change_vault,
        change_settings,
        lambda folder: (folder / "vault" / "default.json").unlink(),
        lambda folder: (folder / "profiles" / "default.json").unlink(),
        lambda folder: run(FileVault(folder).delete("default")),
        lambda folder: run(FileVault(folder).remove_quick("default")),
        lambda folder: run(FileVault(folder).save("default", alive())),
    ],
    ids=["vault", "settings", "vault gone", "settings gone", "logged out", "put away", "refreshed"],
)
def test_whatever_changes_the_vault_or_the_settings_makes_the_quick_file_count_for_nothing(
    at_home: Path, change: Callable[[Path], object]
) -> None:
    assert printed() == "at-1"
    change(at_home)

    assert printed() is None


def test_a_token_is_printed_for_as_long_as_it_lives_and_renewed_before(at_home: Path) -> None:
    lay(alive(30))
    assert printed() == "at-1"  # a short life has a short window
    assert printed("--min-ttl", "1m") is None
    lay(alive(-1))
    assert printed() is None
    lay(replace(alive(50), obtained_at=datetime.now(UTC) - timedelta(hours=1)))
    assert printed() is None
    lay(replace(alive(), expires_at=None))
    assert printed("--min-ttl", "9d") == "at-1"


def test_a_clock_of_the_server_that_is_ahead_is_counted(at_home: Path) -> None:
    """The server's moments are five hours ahead of ours."""
    hours = timedelta(hours=5)
    lay(replace(alive(), expires_at=datetime.now(UTC) + hours + timedelta(minutes=10), skew=hours))

    assert printed("--min-ttl", "9m") == "at-1"
    assert printed("--min-ttl", "11m") is None


def test_a_clock_that_was_set_back_makes_the_quick_file_count_for_nothing(at_home: Path) -> None:
    file = at_home / "quick" / "default"
    lines = file.read_text(encoding="ascii").split("\n")
    lines[2] = str(int(lines[2]) + 3600)
    write_private(file, "\n".join(lines).encode())

    assert printed() is None


@given(st.binary(max_size=60), st.integers(0, 400), st.booleans())
def test_a_damaged_quick_file_gives_the_token_or_nothing(dirt: bytes, context: int, cuts: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("KEYFOB_HOME", folder)
        patch.chdir(folder)
        lay(alive())
        file = Path(folder, "quick", "default")
        whole = file.read_bytes()
        file.write_bytes(whole[:context] + dirt + (b"" if cuts else whole[context:]))
        file.chmod(0o600)
        try:
            found = quick.look_up(["token"])
        except (OSError, ValueError):
            found = None
        # Only what somebody writes into the token's own line can come out, and whoever can write there has the token.
        assert found is None or whole.split(b"\n")[1] in file.read_bytes()


def test_where_it_is_switched_off_no_token_is_laid(at_home: Path) -> None:
    Seals().set_quick(is_quick=False)
    assert printed() is None, "the way to keep tokens has changed, whatever still lies there"
    lay(alive())

    content = (at_home / "quick" / "default").read_bytes()
    assert content.startswith(b"keyfob-kept 1\n")
    assert b"at-1" not in content
    assert b"rt-1" not in content


@posix
def test_on_a_machine_with_a_runtime_folder_the_quick_file_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "darwin":
        pytest.skip("macOS has none")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEYFOB_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    lay(alive())

    assert printed() == "at-1"
    assert (tmp_path / "run" / "keyfob" / "default").is_file()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    lay(alive())
    assert (tmp_path / "state" / "keyfob" / "quick" / "default").is_file()
    drop_quick(home(), "default")
    assert printed() is None


def test_a_program_with_a_home_of_its_own_lays_nothing_for_the_command(at_home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    run(FileVault(elsewhere).save("default", alive()))
    ProfileFiles(elsewhere).save(PROFILE)
    state = state_of(elsewhere, "default")

    assert state is not None
    assert not lay_quick(elsewhere, "default", state, alive())
    assert not lay_quick(at_home, "default", state, alive(access_token=stored(token="a\nb").access_token))


BARE = "import sys; print(*sorted(sys.modules))"
LOADED = """
import sys
from keyfob.__main__ import main
code = main()
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def test_a_token_at_hand_loads_nothing_that_a_bare_python_has_not(at_home: Path) -> None:
    bare = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True)
    ran = subprocess.run([sys.executable, "-c", LOADED, "token"], capture_output=True, text=True, check=True)

    assert ran.stdout == "at-1\n"
    more = set(ran.stderr.split()) - set(bare.stdout.split())
    assert more == {"keyfob", "keyfob.__main__", "keyfob.io", "keyfob.io.quick"}


def test_the_command_that_is_installed_takes_the_quick_way(at_home: Path) -> None:
    file = Path(sys.executable).with_name("keyfob.exe" if os.name == "nt" else "keyfob")
    told = subprocess.run([file, "token"], capture_output=True, text=True, check=True)
    whole = subprocess.run([file, "token", "--json"], capture_output=True, text=True, check=True)

    assert told.stdout == "at-1\n"
    assert '"access_token": "at-1"' in whole.stdout


@posix
def test_a_reader_that_has_gone_is_no_reason_to_complain(at_home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "keyfob", "token"], stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)

    assert (ran.returncode, ran.stderr) == (1, b"")
