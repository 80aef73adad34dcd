"""Each place for the vault's key: the real one where this system has it, and a fake in its place where it has not."""

import base64
import ctypes
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.client.io.vault.key_headless import KernelKeyring, SystemdCredential
from keyfob.client.io.vault.key_keyring import OsKeyring, SecretService, os_backend, within
from keyfob.client.io.vault.key_passphrase import Passphrase
from keyfob.client.io.vault.key_places import KeyPlace, open_place
from keyfob.errors import VaultUnavailable
from keyfob.io import systemd_creds
from keyfob.io.kernel_keyring import KeyringSyscalls
from tests.client.io.systemd import play_systemd

KEY = bytes(range(32))
UNLINK = 9
posix = pytest.mark.skipif(sys.platform == "win32", reason="a program with a #! is POSIX")


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(VaultUnavailable) as caught:
        work()
    return caught.value.code


def check_a_place(place: KeyPlace) -> None:
    assert place.read(may_ask=False) is None
    place.write(KEY, may_ask=False)
    assert place.read(may_ask=False) == KEY
    place.write(bytes(32), may_ask=False)
    assert place.read(may_ask=False) == bytes(32)
    place.remove()
    place.remove()
    assert place.read(may_ask=False) is None


# A passphrase


@pytest.fixture
def phrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "phrase"
    file.write_text("correct horse battery staple\n", encoding="utf-8")
    monkeypatch.setenv("KEYFOB_PASSPHRASE_FILE", str(file))
    return file


def test_a_passphrase_opens_what_it_has_sealed(tmp_path: Path, phrase: Path) -> None:
    check_a_place(Passphrase(tmp_path / "key.passphrase"))


def test_another_passphrase_opens_nothing_and_is_no_damage(tmp_path: Path, phrase: Path) -> None:
    place = Passphrase(tmp_path / "key.passphrase")
    place.write(KEY, may_ask=False)
    phrase.write_text("another", encoding="utf-8")

    assert refusal(lambda: place.read(may_ask=False)) == "passphrase-wrong"


def test_without_a_passphrase_the_vault_is_locked_and_not_absent(
    tmp_path: Path, phrase: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Passphrase(tmp_path / "key.passphrase")
    place.write(KEY, may_ask=False)
    phrase.unlink()
    assert refusal(lambda: place.read(may_ask=False)) == "key-locked"
    monkeypatch.delenv("KEYFOB_PASSPHRASE_FILE")
    assert refusal(lambda: place.read(may_ask=False)) == "key-locked"


def test_an_empty_passphrase_is_none(tmp_path: Path, phrase: Path) -> None:
    phrase.write_text("\n", encoding="utf-8")

    assert refusal(lambda: Passphrase(tmp_path / "k").write(KEY, may_ask=False)) == "passphrase-wrong"


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"salt": "%", "box": "", "cost": 17}', b'{"cost": 40}'], ids=repr)
def test_a_damaged_key_file_is_said_to_be_damaged(tmp_path: Path, phrase: Path, damage: bytes) -> None:
    file = tmp_path / "key.passphrase"
    file.write_bytes(damage)

    assert refusal(lambda: Passphrase(file).read(may_ask=False)) == "vault-damaged"


# The kernel


def kernel() -> KernelKeyring:
    try:
        place = KernelKeyring(b"keyfob:test-%d" % os.getpid())
        place.read(may_ask=False)
    except VaultUnavailable as problem:
        pytest.skip(problem.message)
    return place


def test_the_kernel_keeps_a_key() -> None:
    place = kernel()
    try:
        check_a_place(place)
    finally:
        place.remove()


AS_ANOTHER = """
import os, sys
from keyfob.client.io.vault.key_headless import KernelKeyring
os.setuid(int(sys.argv[1]))  # who may not be allowed to read what was imported
place = KernelKeyring()
if sys.argv[2] == "write":
    place.write(bytes(range(32)), may_ask=False)
print(place.read(may_ask=False) == bytes(range(32)))
if sys.argv[2] == "remove":
    place.remove()
    print(place.read(may_ask=False))
"""


def test_a_key_in_the_kernel_outlives_the_last_process_of_its_user() -> None:
    kernel()
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    if len(KeyringSyscalls().keyrings()) == 1:
        pytest.skip("this kernel has no persistent keyrings")
    nobody = 61_000 + os.getpid() % 4000  # who has no process, and whose keyring of that kind ends with each of these
    python = [sys.executable, "-c", AS_ANOTHER, str(nobody)]
    said = [
        subprocess.run([*python, word], capture_output=True, text=True, check=True).stdout.split()
        for word in ("write", "read", "remove")
    ]

    assert said == [["True"], ["True"], ["True", "None"]]


def test_a_key_that_lies_in_one_keyring_of_the_kernel_is_found_and_put_into_the_other() -> None:
    place = kernel()
    calls = KeyringSyscalls()
    name = b"keyfob:test-%d" % os.getpid()
    place.write(KEY, may_ask=False)
    try:
        number = calls.find(name)
        for keyring in calls.keyrings():
            calls.call(calls.keyctl, UNLINK, ctypes.c_long(number), ctypes.c_long(keyring))
            found = place.read(may_ask=False)
            assert found == (KEY if len(calls.keyrings()) > 1 else None)
    finally:
        place.remove()
    assert calls.find(name) < 0


# systemd, played by a program


@posix
def test_systemd_seals_a_key_and_no_secret_is_in_the_arguments(tmp_path: Path) -> None:
    place = SystemdCredential(tmp_path / "key.systemd", play_systemd(tmp_path))
    check_a_place(place)
    place.write(KEY, may_ask=False)

    assert KEY not in (tmp_path / "key.systemd").read_bytes()


@posix
def test_a_systemd_that_seals_nothing_for_this_user_is_passed_over(tmp_path: Path) -> None:
    place = SystemdCredential(tmp_path / "key.systemd", play_systemd(tmp_path, code=1))

    assert refusal(lambda: place.write(KEY, may_ask=False)) == "key-absent"
    gone = SystemdCredential(tmp_path / "x", str(tmp_path / "gone"))
    assert refusal(lambda: gone.write(KEY, may_ask=False)) == "key-absent"


@posix
@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60", "exec yes", "printf half; kill -9 $$"])
def test_a_systemd_that_fails_hangs_or_babbles_is_left_to_the_ordinary_path(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "systemd-creds").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (tmp_path / "systemd-creds").chmod(0o700)
    (tmp_path / "key.systemd").write_bytes(b"x")
    monkeypatch.setattr(systemd_creds, "RUNS", str(tmp_path))
    monkeypatch.setattr(systemd_creds, "LIMIT_SECONDS", 0.2)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    with pytest.raises(OSError, match="not opened"):
        systemd_creds.read(str(tmp_path / "key.systemd"))


@posix
def test_without_systemd_or_a_credential_there_is_nothing_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd_creds, "RUNS", str(tmp_path / "none"))
    with pytest.raises(OSError, match="no systemd"):
        systemd_creds.read(str(tmp_path / "key.systemd"))
    monkeypatch.setattr(systemd_creds, "RUNS", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        systemd_creds.read(str(tmp_path / "key.systemd"))


# macOS and Windows: the library `keyring`, over a backend of the test's own


class FakeBackend:
    """The operating system's keyring: raises `trouble` if there is some, and waits for `delay`."""

    viable = True

    def __init__(self, trouble: Exception | None = None, delay: threading.Event | None = None) -> None:
        self.passwords: dict[tuple[str, str], str] = {}
        self.trouble = trouble
        self.delay = delay

    def _answer(self) -> None:
        if self.delay is not None:
            self.delay.wait()
        if self.trouble is not None:
            raise self.trouble

    def get_password(self, service: str, username: str) -> str | None:
        self._answer()
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._answer()
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._answer()
        del self.passwords[service, username]


class KeyringError(Exception):
    """As `keyring.errors` has it."""


class KeyringLocked(KeyringError):
    """As `keyring.errors` has it."""


def caused(problem: Exception, cause: Exception) -> Exception:
    problem.__cause__ = cause
    return problem


def test_the_os_keyring_keeps_one_password_that_is_the_key_in_base64() -> None:
    backend = FakeBackend()
    check_a_place(OsKeyring(backend))
    assert backend.passwords == {}

    OsKeyring(backend).write(KEY, may_ask=False)
    assert backend.passwords == {("keyfob", "vault key"): base64.b64encode(KEY).decode("ascii")}


@pytest.mark.parametrize("text", ["", "not Base64!", "AAAA", "\N{SNOWMAN}"])
def test_a_password_that_is_no_key_is_replaced(text: str) -> None:
    backend = FakeBackend()
    backend.passwords["keyfob", "vault key"] = text

    check_a_place(OsKeyring(backend))


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (KeyringLocked("Can't get password from keychain: (-128, 'Keychain Access Denied')"), "key-locked"),
        (caused(KeyringLocked("denied"), Exception(-128, "Keychain Access Denied")), "key-locked"),
        (caused(KeyringError("not allowed"), Exception(-25308, "Unknown Error")), "key-locked"),
        (caused(KeyringError("failed"), Exception(-25293, "Security Auth Failure")), "key-locked"),
        (caused(KeyringError("no default"), Exception(-25307, "Unknown Error")), "key-absent"),
        (Exception(1312, "CredRead", "A specified logon session does not exist."), "key-locked"),
        (Exception(50, "CredRead", "The request is not supported."), "key-absent"),
        (KeyringError("no more than that"), "key-absent"),
        (KeyringError(), "key-absent"),
    ],
    ids=str,
)
def test_an_os_keyring_that_is_locked_is_not_one_that_is_absent(trouble: Exception, code: str) -> None:
    place = OsKeyring(FakeBackend(trouble))

    assert refusal(lambda: place.read(may_ask=False)) == code
    assert refusal(lambda: place.write(KEY, may_ask=False)) == code
    assert refusal(place.remove) == code


def test_an_os_keyring_that_hangs_is_given_its_time_and_no_more() -> None:
    delay = threading.Event()
    place = OsKeyring(FakeBackend(delay=delay), limit=0.05)
    try:
        assert refusal(lambda: place.read(may_ask=False)) == "key-hung"
        assert refusal(lambda: place.write(KEY, may_ask=False)) == "key-hung"
        assert refusal(place.remove) == "key-hung"
    finally:
        delay.set()


@pytest.mark.parametrize(
    ("platform", "module", "name"),
    [("darwin", "keyring.backends.macOS", "Keyring"), ("win32", "keyring.backends.Windows", "WinVaultKeyring")],
)
def test_the_os_keyring_is_the_systems_own_whatever_else_is_installed(
    monkeypatch: pytest.MonkeyPatch, platform: str, module: str, name: str
) -> None:
    played = types.ModuleType(module)
    setattr(played, name, FakeBackend)
    monkeypatch.setitem(sys.modules, "keyring", types.ModuleType("keyring"))
    monkeypatch.setitem(sys.modules, "keyring.backends", types.ModuleType("keyring.backends"))
    monkeypatch.setitem(sys.modules, module, played)
    assert isinstance(os_backend(platform), FakeBackend)

    monkeypatch.setattr(FakeBackend, "viable", False)
    assert refusal(lambda: os_backend(platform)) == "key-absent"


def test_a_system_whose_keyring_cannot_be_used_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(lambda: os_backend("plan9")) == "key-absent"
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert refusal(lambda: os_backend("darwin")) == "key-absent"


# What they share


def test_work_that_hangs_is_left_behind() -> None:
    door = threading.Event()
    try:
        assert refusal(lambda: within(0.05, "the keyring", door.wait)) == "key-hung"
    finally:
        door.set()


def test_what_the_work_gives_and_raises_comes_through() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    assert within(5, "the keyring", lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5, "the keyring", fail)


def test_a_session_without_a_bus_has_no_keyring() -> None:
    assert refusal(lambda: SecretService({})) == "key-absent"
    nobody = SecretService({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere/at/all"})
    assert refusal(lambda: nobody.read(may_ask=False)) == "key-absent"
    strange = SecretService({"DBUS_SESSION_BUS_ADDRESS": "carrier-pigeon:loft=3"})
    assert refusal(lambda: strange.read(may_ask=False)) == "key-absent"


def test_a_plain_file_has_no_key(tmp_path: Path) -> None:
    assert refusal(lambda: open_place("file", tmp_path)) == "key-absent"
