"""The master key is in a file, a variable, a credential of systemd or a command, and not beside the database."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest

from keyfob.errors import Misuse
from keyfob.server.io import master_key as places
from keyfob.server.io.master_key import CREDENTIAL, NAME_FILE, VARIABLE, default_source, find_master_key, read_source
from keyfob.server.io.registry import Registry

KEY = bytes(range(32))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYFOB_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path / "data"


def private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_new_key_is_outside_the_folder_and_is_found_again(data: Path) -> None:
    made = find_master_key(data)

    assert not made.is_beside
    assert [one.name for one in data.iterdir()] == [NAME_FILE]
    [file] = (data.parent / "keys").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert find_master_key(data, creates=False).key == made.key
    assert find_master_key(data.parent / "other").key != made.key
    data.rename(data.parent / "moved")
    assert find_master_key(data.parent / "moved", creates=False).key == made.key


def test_for_development_it_is_in_the_folder(data: Path) -> None:
    made = find_master_key(data, is_dev=True)
    assert made.is_beside
    assert (data / "master.key").read_bytes() == made.key
    assert find_master_key(data).key == made.key


def test_the_key_of_an_older_tenant_is_used_where_it_is(data: Path) -> None:
    data.mkdir(mode=0o700)
    private(data / "master.key", KEY)
    found = find_master_key(data)
    assert (found.key, found.is_beside) == (KEY, True)


@pytest.mark.parametrize(
    "written", [KEY, KEY.hex().encode() + b"\n", base64.b64encode(KEY), base64.urlsafe_b64encode(KEY)]
)
def test_a_file_has_it_raw_in_hex_or_in_base64(data: Path, written: bytes) -> None:
    file = private(data.parent / "key", written)
    assert find_master_key(data, f"file:{file}").key == KEY


def test_a_variable_names_the_place_of_all_commands(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY.hex())
    monkeypatch.setenv(VARIABLE, "env:THE_KEY")
    assert find_master_key(data).key == KEY


def test_a_credential_of_systemd_is_found_by_its_name(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(data.parent / "credentials"))
    private(data.parent / "credentials" / CREDENTIAL, KEY)
    private(data.parent / "credentials" / "other", KEY[::-1])
    assert find_master_key(data).key == KEY
    assert find_master_key(data, "credential:other").key == KEY[::-1]
    with pytest.raises(Misuse, match="no credential"):
        find_master_key(data, "credential:../credentials/other")


def test_a_command_prints_it_and_no_shell_reads_the_command(data: Path) -> None:
    script = f"import sys; assert sys.argv[1:] == ['$(id)', ';']; print('{KEY.hex()}')"
    assert find_master_key(data, f"command:{sys.executable} -c \"{script}\" '$(id)' ';'").key == KEY


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import sys; print('hunter2'); sys.exit(3)", "exit code is 3"),
        ("print('hunter2')", "is not a master key"),
        ("import time; print('hunter2', flush=True); time.sleep(60)", "longer than"),
    ],
)
def test_a_command_that_fails_is_reported_without_its_output(
    data: Path, script: str, why: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(places, "COMMAND_SECONDS", 1)
    with pytest.raises(Misuse, match=why) as raised:
        read_source(f'command:{sys.executable} -c "{script}"')
    assert "hunter2" not in f"{raised.value.message} {raised.value.hint}{''.join(capfd.readouterr())}"


@pytest.mark.parametrize(
    "source", ["", "file:", "keyring:x", "/etc/key", "command:/does/not/exist", "env:NOT_SET_HERE"]
)
def test_what_is_no_place_is_refused_with_what_to_write(source: str) -> None:
    with pytest.raises(Misuse) as raised:
        read_source(source)
    assert raised.value.hint


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_file_that_others_can_read_or_change_is_refused(data: Path, mode: int) -> None:
    with pytest.raises(Misuse, match="other users of this computer"):
        find_master_key(data, f"file:{private(data.parent / 'key', KEY, mode)}")


def test_a_tenant_whose_key_is_gone_says_so_and_makes_no_other(data: Path) -> None:
    with Registry.open(data, creates=True):
        pass
    [file] = (data.parent / "keys").iterdir()
    file.unlink()
    with pytest.raises(Misuse, match="was not found"):
        Registry.open(data)
    with pytest.raises(Misuse, match="was not found"):
        find_master_key(data)


def test_a_folder_for_keys_within_the_tenants_is_no_place(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_KEYS", str(data / ".config"))
    assert default_source(data) is None
    with pytest.raises(Misuse, match="no place for a master key"):
        find_master_key(data)
