"""The vault in files: a stored login, a settings file and a quick file (token cache) for each profile."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import (
    LATER_HINT,
    home,
    make_folder,
    read_private,
    remove,
    reserved,
    set_aside,
    stamp,
    stored_name,
    sweep,
    write_private,
)
from keyfob.client.io.vault.lock import Lock
from keyfob.client.io.vault.seals import Seals
from keyfob.client.model.profile import DEFAULT, Profile, command
from keyfob.client.model.storage_choice import Envelope, Note, Place
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, VaultUnavailable
from keyfob.io import quick
from keyfob.run import run

# The places from which `io/kept.py` can read the key. Of the keyrings, that is only the Secret Service. A passphrase is
# left out because it is slow by intent.
_READ_QUICKLY: Final = frozenset[Place | None]({"kernel", "file", "systemd"}) | (
    frozenset[Place | None]({"keyring"} if sys.platform == "linux" else ())
)
# More than twice what the largest tokens in use take: 16 KiB, in JSON and Base64.
_RESERVE_BYTES: Final = 64 * 1024
_NEWLINES = ("\n", "\r")


class FileSlot:
    """A reserved file for one login. Storing the login in it cannot fail for lack of disk space or of a key."""

    def __init__(self, write: Callable[[bytes], None], close: Callable[[bytes], bytes]) -> None:
        self._write = write
        self._close = close

    async def save(self, stored: StoredLogin) -> None:
        self._write(self._close(stored.write()))


class FileVault:
    """Stored logins in files that only their owner may read, encrypted if a key can be stored.

    Attributes:
        folder: The folder of the vault entries.
        seals: Encrypts the entries; None for plain files.
        passed: The errors of the entries that the last `rewrite` skipped.
    """

    def __init__(self, folder: Path | None = None, seals: Seals | None = None) -> None:
        self._home = folder or home()
        self.folder = self._home / "vault"
        self.seals = seals
        self.passed: list[VaultUnavailable] = []

    async def prepare(self) -> str:
        """Decide how logins are stored, and test that storage.

        Return a message for the user about the storage; "" if there is nothing to report.

        Raises:
            VaultUnavailable: Logins cannot be stored, or not as requested.
        """
        if self.seals is None:
            with self.lock("default"):
                return ""
        return self.seals.prepare(self.rewrite)

    async def load(self, entry: str, *, is_ending: bool = False) -> StoredLogin | None:
        """Return the stored login; None if there is none.

        Args:
            entry: The profile's name.
            is_ending: Whether the login will be deleted. If so, a plain file is read even if the policy forbids it.

        Raises:
            VaultUnavailable: The entry cannot be read, or it is a plain file and the policy forbids plain files. If the
                entry is damaged (code `vault-damaged`), its file has been renamed, so that its content is not lost.
        """
        return self._load(entry, allows_plain=is_ending)

    def _load(self, entry: str, *, allows_plain: bool) -> StoredLogin | None:
        """Return the stored login; None if there is none. Raises the errors of `load`.

        Args:
            entry: The profile's name.
            allows_plain: Whether to read a plain file even if the policy forbids plain files. A logout needs this, and
                so does the encryption of a login that was stored in a plain file.
        """
        entry = self._name(entry)
        path = self._path(entry)
        raw = read_private(path)
        if raw is None:
            return None
        try:
            if self.seals is not None and not allows_plain and Envelope.find(raw) is None:
                self.seals.allow_plain()
            return StoredLogin.read(self._open(entry, raw))
        except Malformed as problem:
            if problem.field == "version":
                raise VaultUnavailable(
                    f"{path} was written by another version of this program", hint=LATER_HINT
                ) from None
            aside = set_aside(path, stamp())
            raise VaultUnavailable(
                f"the vault of this profile was damaged; it lies in {aside} now",
                code="vault-damaged",
                hint="Log in again.",
                flags="keyfob login",
            ) from None

    async def save(self, entry: str, stored: StoredLogin) -> None:
        """Replace the vault entry atomically."""
        entry = self._name(entry)
        content = self._sealer(entry)(stored.write())
        await self.remove_quick(entry)
        sweep(self._path(entry))
        write_private(self._path(entry), content)

    @contextlib.asynccontextmanager
    async def reserve(self, entry: str) -> AsyncGenerator[FileSlot]:
        """Reserve a file that can replace the vault entry. The caller must hold the entry's lock.

        Raises:
            VaultUnavailable: The login cannot be stored: the policy forbids it, the key is not available, the quick
                file cannot be removed, or the disk has no space.
        """
        entry = self._name(entry)
        close = self._sealer(entry)
        await self.remove_quick(entry)
        path = self._path(entry)
        sweep(path)
        present = read_private(path) or b""
        with reserved(path, max(_RESERVE_BYTES, 2 * len(present))) as write:
            yield FileSlot(write, close)

    async def remove_quick(self, entry: str) -> None:
        """Remove the quick file (token cache)."""
        drop_quick(self._home, self._name(entry))

    async def delete(self, entry: str) -> None:
        """Remove the vault entry, even if the quick file (token cache) cannot be removed."""
        entry = self._name(entry)
        try:
            await self.remove_quick(entry)
        finally:
            sweep(self._path(entry))
            remove(self._path(entry))

    def lock(self, entry: str, on_wait: Callable[[int | None], object] | None = None) -> Lock:
        """Lock the vault entry against other processes and threads."""
        make_folder(self.folder)
        return Lock(self.folder / f"{self._name(entry)}.lock", on_wait)

    def make_quick(self, entry: str) -> None:
        """Write the quick file (token cache), unless the vault entry changes meanwhile.

        A setting decides whether the quick file contains the token.
        """
        with contextlib.suppress(VaultUnavailable):  # the quick file is an optimization only
            state = state_of(self._home, entry)
            note = Note() if self.seals is None else self.seals.note()
            if state is None or not (note.is_quick or note.place in _READ_QUICKLY):
                return
            stored = run(self.load(entry))
            if stored is not None and state_of(self._home, entry) == state:
                holds_token = note.is_quick and not (self.seals is not None and self.seals.is_required)
                lay_quick(self._home, entry, state, stored, holds_token=holds_token)

    def entries(self) -> list[str]:
        """Return the profiles that have a vault entry."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def is_sealed(self, entry: str) -> bool:
        """Return whether the vault entry is encrypted."""
        try:
            return Envelope.find(read_private(self._path(self._name(entry))) or b"") is not None
        except Malformed:
            return False

    def rewrite(self) -> None:
        """Store every login again with the present settings.

        An entry that can never be read is skipped, and its error is added to `passed`.

        Raises:
            VaultUnavailable: An entry cannot be read or written at the moment.
        """
        self.passed = []
        for entry in self.entries():
            with self.lock(entry):
                try:
                    stored = self._load(entry, allows_plain=True)
                except VaultUnavailable as problem:
                    if problem.code not in {"vault-damaged", "key-empty"}:
                        raise
                    self.passed.append(problem)
                    continue
                if stored is not None:
                    run(self.save(entry, stored))

    def _sealer(self, entry: str) -> Callable[[bytes], bytes]:
        """Read the key, and return the function that encrypts the entry's content. Raises `VaultUnavailable`."""
        return bytes if self.seals is None else self.seals.sealer(entry)

    def _open(self, entry: str, raw: bytes) -> bytes:
        """Return the decrypted content of an entry's file. Raises `VaultUnavailable` or `Malformed`."""
        if self.seals is not None:
            return self.seals.open(entry, raw)
        if Envelope.find(raw) is not None:
            raise VaultUnavailable(f"{self._path(entry)} is encrypted", code="key-absent")
        return raw

    def _name(self, entry: str) -> str:
        """Return the entry's name as it is spelled in the file's name. The encryption is bound to that spelling."""
        return stored_name(self.folder, entry)

    def _path(self, entry: str) -> Path:
        return self.folder / f"{entry}.json"


class ProfileFiles:
    """The stored settings of each profile, so that users need not repeat the flags of a login.

    Every method may raise `VaultUnavailable`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "profiles"
        self.choice = self.folder.parent / quick.CHOICE

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def chosen(self) -> str:
        """Return the profile that `keyfob profile use` selected; "" if none is selected."""
        raw = read_private(self.choice)
        return "" if raw is None else raw.decode(errors="replace").strip()

    def choose(self, name: str) -> None:
        """Select the profile that commands use if they name no profile."""
        if name == DEFAULT:
            remove(self.choice)
        else:
            write_private(self.choice, f"{name}\n".encode())

    def remove(self, name: str) -> None:
        """Remove the profile's settings and, if it was selected, the selection."""
        if self.chosen() == name:
            remove(self.choice)
        remove(self._path(name))

    def load(self, name: str) -> Profile | None:
        path = self._path(name)
        raw = read_private(path)
        if raw is None:
            return None
        try:
            return Profile.read(name, raw)
        except Malformed:
            raise VaultUnavailable(
                f"{path} is damaged",
                code="vault-damaged",
                flags=command("login URL CLIENT_ID", name),
            ) from None

    def saved_at(self, name: str) -> float:
        """Return the modification time of the settings file; 0 if there is no file."""
        try:
            return self._path(name).stat().st_mtime
        except OSError:
            return 0

    def save(self, profile: Profile) -> None:
        write_private(self._path(profile.name), profile.write())

    def _path(self, name: str) -> Path:
        return self.folder / f"{stored_name(self.folder, name)}.json"


def lay_quick(home: Path, profile: str, state: str, stored: StoredLogin, *, holds_token: bool = True) -> bool:
    """Write the quick file, a token cache that `io/quick.py` reads.

    Return whether the file was written. It is not written, for example, for a token that is bound to a key or a
    certificate, because the file contains neither.

    Args:
        home: keyfob's state folder, which contains the vault.
        profile: The profile's name.
        state: The value of `state_of` when `stored` was read from the vault.
        stored: The stored login; only its access token is written.
        holds_token: Whether the file may contain the access token, or only its expiry.
    """
    path, its_home = quick.place(profile)
    token = stored.access_token.reveal()
    if not path or Path(its_home) != home or not quick.changes_nothing():
        return False
    if stored.is_bound:
        return False  # a bound token is of no use without its key or certificate
    if not token.isascii() or any(sign in token for sign in _NEWLINES):
        return False
    until = None if stored.expires_at is None else int((stored.expires_at - stored.skew).timestamp())
    usual = int(stored.renewal_window.total_seconds())
    try:
        write_private(Path(path), quick.write(state, int(time.time()), until, usual, token if holds_token else ""))
    except VaultUnavailable:
        return False  # the file is an optimization only
    return True


def drop_quick(home: Path, profile: str) -> None:
    """Remove a profile's quick file from every folder that may hold one.

    Raises:
        VaultUnavailable: The quick file exists and cannot be removed.
    """
    folders = [home / "quick"]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        folders.append(Path(runtime) / "keyfob")
    if hasattr(os, "geteuid"):
        folders.append(Path(f"/run/user/{os.geteuid()}") / "keyfob")
    for folder in folders:
        try:
            remove(folder / profile)
        except VaultUnavailable as problem:
            if problem.code != "vault-readonly":  # no quick file could have been written to that folder either
                raise


def state_of(home: Path, profile: str) -> str | None:
    """Return a value that changes with the profile's login and settings; None if either of their files is missing."""
    try:
        return quick.state_of(str(home), profile)
    except OSError:
        return None
