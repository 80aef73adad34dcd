"""What a reserved slot promises, for every vault."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from keyfob.client.io.aio import VaultInThreads
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.ports import Vault
from keyfob.errors import VaultUnavailable
from keyfob.testing.fake_key_storage import FakeKeyStorage, FakeKeyStorages
from keyfob.testing.memory_vault import MemoryVault
from tests.client.scripts import stored

KEY = b"k" * 32


def sealed(home: Path) -> FileVault:
    seals = Seals(home, places=FakeKeyStorages(kernel=FakeKeyStorage(KEY)))
    vault = FileVault(home, seals)
    seals.move("kernel", vault.rewrite)
    return vault


VAULTS: dict[str, Callable[[Path], Vault]] = {
    "files": FileVault,
    "sealed files": sealed,
    "memory": lambda _: MemoryVault(),
    "files, in threads": lambda home: VaultInThreads(FileVault(home)),
    "memory, in threads": lambda _: VaultInThreads(MemoryVault()),
}
EVERY = pytest.mark.parametrize("make", VAULTS.values(), ids=VAULTS)


def finish(act: Coroutine[object, None, None]) -> None:
    asyncio.run(act)


@EVERY
def test_what_is_saved_in_a_slot_is_stored(make: Callable[[Path], Vault], tmp_path: Path) -> None:
    async def act() -> None:
        vault = make(tmp_path)
        await vault.save("default", stored())
        async with vault.lock("default"), vault.reserve("default") as slot:
            assert await vault.load("default") == stored()
            await slot.save(stored(token="at-2"))
            assert await vault.load("default") == stored(token="at-2")
        assert await vault.load("default") == stored(token="at-2")

    finish(act())


@EVERY
def test_a_slot_that_is_not_used_leaves_nothing(make: Callable[[Path], Vault], tmp_path: Path) -> None:
    async def act() -> None:
        vault = make(tmp_path)
        await vault.save("default", stored())
        with pytest.raises(ZeroDivisionError):
            async with vault.reserve("default"):
                raise ZeroDivisionError
        assert await vault.load("default") == stored()

    finish(act())
    assert [path.name for path in tmp_path.rglob(".*")] == []


@EVERY
def test_a_first_login_can_be_saved_in_a_slot(make: Callable[[Path], Vault], tmp_path: Path) -> None:
    async def act() -> None:
        vault = make(tmp_path)
        async with vault.reserve("default") as slot:
            await slot.save(stored())
        assert await vault.load("default") == stored()

    finish(act())


def test_a_slot_needs_the_keys_place_no_more(tmp_path: Path) -> None:
    """[FC-01]: a keyring that is locked during the exchange loses nothing."""
    sealed(tmp_path)
    kernel = FakeKeyStorage(KEY)
    vault = FileVault(tmp_path, Seals(tmp_path, places=FakeKeyStorages(kernel=kernel)))

    async def act() -> None:
        async with vault.reserve("default") as slot:
            kernel.trouble = "key-locked"
            await slot.save(stored())

    finish(act())
    kernel.trouble = None
    asyncio.run(act_load(vault))


async def act_load(vault: Vault) -> None:
    assert await vault.load("default") == stored()


def test_a_slot_is_on_the_disk_before_it_is_used_and_private(tmp_path: Path) -> None:
    vault = FileVault(tmp_path)

    async def act() -> None:
        async with vault.reserve("default"):
            [reserved] = vault.folder.iterdir()
            assert reserved.stat().st_size >= 64 * 1024
            assert reserved.stat().st_mode & 0o077 == 0

    finish(act())


def test_a_folder_in_the_way_is_noticed_before(tmp_path: Path) -> None:
    """[FC-01]"""
    vault = FileVault(tmp_path)
    (vault.folder / "default.json").mkdir(parents=True)

    async def act() -> None:
        async with vault.reserve("default"):
            pytest.fail("reserved")

    with pytest.raises(VaultUnavailable):
        finish(act())
