"""The vault's key in a real keyring, and in keyrings that are locked or hang: real services on a real bus."""

import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from keyfob.client.io.key_place import KeyPlace
from keyfob.client.io.key_secret_service import SecretService
from keyfob.client.io.seals import Seals
from keyfob.client.io.vault_file import FileVault
from keyfob.client.keeping import Note, Place
from keyfob.errors import VaultUnavailable
from keyfob.testing.key_drawer import KeyDrawer
from tests.client.scripts import held
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
        return service(address) if place == "keyring" else KeyDrawer(trouble="key-absent")

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
        assert vault.make_ready() == ""
        vault.keep("default", held())
        assert vault.is_sealed("default")

        again = FileVault(home, seals(home, bus))
        assert again.load("default") == held()
        assert again.seals is not None
        again.seals.move("file", again.rewrite)

    assert FileVault(home).load("default") == held()


@pytest.mark.parametrize("may_ask", [False, True])
def test_a_keyring_that_hangs_is_given_its_time_and_no_more(bus: str, may_ask: bool) -> None:
    with keeper(bus, "hung"):
        before = time.monotonic()
        assert refusal(service(bus, limit=0.3), may_ask=may_ask) == "key-hung"
        assert time.monotonic() - before < 10


def test_a_keyring_that_hangs_is_passed_over_and_said_so(bus: str, tmp_path: Path) -> None:
    with keeper(bus, "hung"):
        vault = FileVault(tmp_path, seals(tmp_path, bus))
        said = vault.make_ready()

    assert "does not answer" in said
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
        assert vault.make_ready() == ""
        vault.keep("default", held())
        assert vault.is_sealed("default")
        assert vault.load("default") == held()


def test_a_bus_with_no_keyring_on_it_has_none() -> None:
    with session_bus() as address:
        place = service(address)
        # Where GNOME's is installed the bus starts it; it has no collection yet, so there is no place for a key either.
        assert refusal(place) == "key-absent"
