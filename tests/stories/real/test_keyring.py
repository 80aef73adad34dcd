"""The vault's key in a real keyring, and in keyrings that are locked or hang: real services on a real bus."""

import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyfob.client.io.vault.key_keyring import SecretService
from keyfob.client.io.vault.key_places import KeyPlace
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import Note, Place
from keyfob.errors import VaultUnavailable
from keyfob.io import secret_service
from keyfob.run import run
from keyfob.testing.fake_key_storage import FakeKeyStorage
from tests.client.scripts import stored
from tests.stories.real.bus import gnome_keyring, keeper, lock_keyring, session_bus

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="D-Bus is Linux's")

KEY = bytes(range(32))


@pytest.fixture
def bus() -> Generator[str]:
    with session_bus() as address:
        yield address


def service(address: str, limit: float = 3.0) -> SecretService:
    return SecretService({"DBUS_SESSION_BUS_ADDRESS": address}, limit=limit)


def refusal(place: KeyPlace, *, may_ask: bool = False) -> str:
    with pytest.raises(VaultUnavailable) as caught:
        place.read(may_ask=may_ask)
    return caught.value.code


def seals(folder: Path, address: str) -> Seals:
    """The keyring on that bus, and no other place."""

    def places(place: Place, _: Path) -> KeyPlace:
        return service(address) if place == "keyring" else FakeKeyStorage(trouble="key-absent")

    return Seals(folder, "prefer", places)


def test_gnome_keyring_keeps_one_key_and_says_when_it_is_locked(bus: str, tmp_path: Path) -> None:
    with gnome_keyring(bus, tmp_path):
        place = service(bus)
        assert place.read(may_ask=False) is None
        place.write(bytes(32), may_ask=False)
        place.write(KEY, may_ask=False)
        assert place.read(may_ask=False) == KEY

        lock_keyring(bus)
        assert refusal(place) == "key-locked"
        with pytest.raises(VaultUnavailable):
            place.write(bytes(32), may_ask=False)


def test_a_key_is_removed_from_gnome_keyring(bus: str, tmp_path: Path) -> None:
    with gnome_keyring(bus, tmp_path):
        place = service(bus)
        place.write(KEY, may_ask=False)
        place.remove()
        place.remove()
        assert place.read(may_ask=False) is None


def test_a_login_is_sealed_to_a_key_in_gnome_keyring_and_moved_out_of_it(bus: str, tmp_path: Path) -> None:
    (tmp_path / "keyring").mkdir()
    home = tmp_path / "home"
    with gnome_keyring(bus, tmp_path / "keyring"):
        vault = FileVault(home, seals(home, bus))
        assert run(vault.prepare()) == ""
        run(vault.save("default", stored()))
        assert vault.is_sealed("default")

        again = FileVault(home, seals(home, bus))
        assert run(again.load("default")) == stored()
        assert again.seals is not None
        again.seals.move("file", again.rewrite)

    assert run(FileVault(home).load("default")) == stored()


@pytest.mark.parametrize("may_ask", [False, True])
def test_a_keyring_that_hangs_is_given_its_time_and_no_more(bus: str, may_ask: bool) -> None:
    with keeper(bus, "hung"):
        before = time.monotonic()
        assert refusal(service(bus, limit=0.3), may_ask=may_ask) == "key-hung"
        assert time.monotonic() - before < 10


def test_a_keyring_that_hangs_is_passed_over_and_said_so(bus: str, tmp_path: Path) -> None:
    with keeper(bus, "hung"):
        vault = FileVault(tmp_path, seals(tmp_path, bus))
        said = run(vault.prepare())

    assert "does not respond" in said
    assert vault.seals is not None
    assert vault.seals.note() == Note("file")


def test_a_locked_keyring_asks_nobody_unless_it_may(bus: str) -> None:
    with keeper(bus, "locked") as locked:
        assert refusal(service(bus)) == "key-locked"
        assert "Prompt" not in locked.heard


def test_a_person_who_says_no_leaves_it_locked(bus: str) -> None:
    with keeper(bus, "dismissed") as locked:
        assert refusal(service(bus), may_ask=True) == "key-locked"
        assert "Prompt" in locked.heard


def test_a_person_who_unlocks_it_has_a_keyring(bus: str, tmp_path: Path) -> None:
    with keeper(bus, "yielding"):
        vault = FileVault(tmp_path, seals(tmp_path, bus))
        assert run(vault.prepare()) == ""
        run(vault.save("default", stored()))
        assert vault.is_sealed("default")
        assert run(vault.load("default")) == stored()


def test_a_bus_with_no_keyring_on_it_has_none() -> None:
    with session_bus() as address:
        place = service(address)
        # Where GNOME's is installed the bus starts it; it has no collection yet, so there is no place for a key either.
        assert refusal(place) == "key-absent"


# The short way of `keyfob token`: reads what is open, and leaves the rest to the ordinary path


def test_the_short_way_reads_the_key_from_gnome_keyring_while_it_is_open(bus: str, tmp_path: Path) -> None:
    with gnome_keyring(bus, tmp_path):
        with pytest.raises(OSError, match="no unlocked item"):
            secret_service.read(bus)
        service(bus).write(KEY, may_ask=False)
        assert secret_service.read(bus) == KEY
        lock_keyring(bus)
        with pytest.raises(OSError, match="no unlocked item"):
            secret_service.read(bus)


def test_the_short_way_waits_a_second_for_a_keyring_that_hangs(bus: str) -> None:
    with keeper(bus, "hung"):
        before = time.monotonic()
        with pytest.raises(TimeoutError):
            secret_service.read(bus)
        assert time.monotonic() - before < 10


def test_the_short_way_starts_no_keyring(bus: str) -> None:
    with pytest.raises(OSError, match="refused"):
        secret_service.read(bus)


@pytest.mark.parametrize(
    "address",
    ["", "carrier-pigeon:loft=3", "tcp:host=127.0.0.1,port=1", "unix:", "unix:path=", "unix:path=%2f", "unix:path=a;b"],
)
def test_addresses_that_are_not_plain_are_left_to_the_ordinary_path(address: str) -> None:
    with pytest.raises(ValueError, match="not plain"):
        secret_service.read(address)


def test_a_bus_that_is_not_there_is_left_to_the_ordinary_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        secret_service.read(f"unix:path={tmp_path}/bus")
    with pytest.raises(ConnectionRefusedError):
        secret_service.read(f"unix:abstract={tmp_path}/bus,guid=00")


@given(st.binary(max_size=200))
@example(b"")
@example(b"REJECTED EXTERNAL\r\n")
@example(b"l\x02\x00\x01" + b"\xff" * 12)
@example(b"l\x02\x00\x01\0\0\0\0\1\0\0\0\x08\0\0\0" + b"\x08\x01g\0\xff\0\0\0")
def test_a_bus_that_talks_nonsense_gives_no_key_and_nothing_worse(said: bytes) -> None:
    name = f"keyfob-test-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said if said.startswith(b"REJ") else b"OK 00\r\n" + said)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass

        bus = threading.Thread(target=talk)
        bus.start()
        with pytest.raises((OSError, ValueError)):
            secret_service.read(f"unix:abstract={name}")
        bus.join()
