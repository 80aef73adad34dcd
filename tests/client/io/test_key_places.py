"""Each place for the vault's key: the real one where this system has it, and its functions played where it has not."""

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.client.io.vault.bounded import within
from keyfob.client.io.vault.key_kernel import KernelKeyring
from keyfob.client.io.vault.key_macos import MacKeychain
from keyfob.client.io.vault.key_passphrase import Passphrase
from keyfob.client.io.vault.key_place import KeyPlace
from keyfob.client.io.vault.key_places import open_place
from keyfob.client.io.vault.key_secret_service import SecretService
from keyfob.client.io.vault.key_systemd import SystemdCredential
from keyfob.client.io.vault.key_windows import Blob, Dpapi
from keyfob.errors import VaultUnavailable
from keyfob.io import systemd_creds
from keyfob.io.kernel_keyring import Calls
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
from keyfob.client.io.vault.key_kernel import KernelKeyring
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
    if len(Calls().keyrings()) == 1:
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
    calls = Calls()
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


# macOS, its functions played: they get what C would get


class FakeSecurity:
    """The Security framework with one keychain; `status` is what it answers instead, if it is not 0."""

    def __init__(self) -> None:
        self.items: dict[tuple[bytes, bytes], bytes] = {}
        self.status = 0
        self.freed = 0
        self._rooms: list[object] = []

    @staticmethod
    def _name(arguments: tuple[object, ...]) -> tuple[bytes, bytes]:
        _, service_length, service, account_length, account, *_ = arguments
        for length, text in ((service_length, service), (account_length, account)):
            assert isinstance(length, ctypes.c_uint32)
            assert isinstance(text, ctypes.c_char_p)
            assert text.value is not None
            assert length.value == len(text.value)
        return service.value, account.value  # type: ignore[union-attr]

    def SecKeychainFindGenericPassword(self, *arguments: object) -> int:  # noqa: N802
        if self.status:
            return self.status
        found = self.items.get(self._name(arguments))
        if found is None:
            return -25300
        length, content, item = (reference._obj for reference in arguments[5:8])  # type: ignore[attr-defined]
        room = ctypes.create_string_buffer(found, len(found))
        self._rooms.append(room)
        length.value, content.value, item.value = len(found), ctypes.addressof(room), 1
        return 0

    def SecKeychainAddGenericPassword(self, *arguments: object) -> int:  # noqa: N802
        name = self._name(arguments)
        if self.status or name in self.items:
            return self.status or -25299
        length, content = arguments[5:7]
        assert isinstance(length, ctypes.c_uint32)
        assert isinstance(content, ctypes.c_char_p)
        self.items[name] = ctypes.string_at(content, length.value)
        return 0

    def SecKeychainItemDelete(self, item: object) -> int:  # noqa: N802
        assert isinstance(item, ctypes.c_void_p)
        self.items.clear()
        return 0

    def SecKeychainItemFreeContent(self, *_: object) -> int:  # noqa: N802
        self.freed += 1
        return 0


def test_the_keychain_keeps_one_item_and_gives_memory_back() -> None:
    library = FakeSecurity()
    check_a_place(MacKeychain(library))
    assert library.freed >= 2

    MacKeychain(library).write(KEY, may_ask=False)
    assert library.items == {(b"keyfob", b"vault key"): KEY}


@pytest.mark.parametrize(
    ("status", "code"), [(-25308, "key-locked"), (-128, "key-locked"), (-25293, "key-locked"), (-25307, "key-absent")]
)
def test_a_keychain_that_is_locked_is_not_one_that_is_absent(status: int, code: str) -> None:
    library = FakeSecurity()
    library.status = status
    place = MacKeychain(library)

    assert refusal(lambda: place.read(may_ask=False)) == code
    assert refusal(lambda: place.write(KEY, may_ask=False)) == code


# Windows, its functions played


class FakeCalls:
    """DPAPI that turns what it is given around."""

    def __init__(self) -> None:
        self.works = True
        self.rooms: list[object] = []
        self.freed = 0

    def _turn(self, *arguments: object) -> int:
        given, _, purpose, _, _, flags, made = arguments
        assert isinstance(flags, ctypes.c_uint32)
        assert flags.value == 1  # no window
        blob, salt, answer = (reference._obj for reference in (given, purpose, made))  # type: ignore[attr-defined]
        assert isinstance(blob, Blob)
        assert ctypes.string_at(salt.content, salt.size) == b"keyfob"
        if not self.works:
            return 0
        turned = ctypes.string_at(blob.content, blob.size)[::-1]
        room = ctypes.create_string_buffer(turned, len(turned))
        self.rooms.append(room)
        answer.size, answer.content = len(turned), ctypes.addressof(room)
        return 1

    CryptProtectData = _turn
    CryptUnprotectData = _turn

    def LocalFree(self, *_: object) -> object:  # noqa: N802
        self.freed += 1
        return None


def test_dpapi_keeps_a_key_in_a_file_and_gives_memory_back(tmp_path: Path) -> None:
    calls = FakeCalls()
    place = Dpapi(tmp_path / "key.dpapi", calls)
    check_a_place(place)
    place.write(KEY, may_ask=False)

    assert (tmp_path / "key.dpapi").read_bytes() == KEY[::-1]
    assert calls.freed == len(calls.rooms)


def test_a_key_of_another_windows_user_is_shut(tmp_path: Path) -> None:
    calls = FakeCalls()
    place = Dpapi(tmp_path / "key.dpapi", calls)
    place.write(KEY, may_ask=False)
    calls.works = False

    assert refusal(lambda: place.read(may_ask=False)) == "key-locked"


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
