"""The vault in files: one stored login and one settings file for each profile."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import home, make_folder, read_private, remove, set_aside, sweep, write_private
from keyfob.client.io.vault.lock import Lock
from keyfob.client.io.vault.quick_file import drop_quick, lay_quick, state_of
from keyfob.client.io.vault.seals import Seals
from keyfob.client.model.envelope import Envelope
from keyfob.client.model.profile import DEFAULT, Profile, command
from keyfob.client.model.storage_choice import Note, Place
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, VaultUnavailable
from keyfob.io import quick
from keyfob.run import run

# The places that `io/kept.py` can read. It supports no keyring but D-Bus's, and a passphrase is slow by intent.
_READ_QUICKLY: Final = frozenset[Place | None]({"kernel", "file", "systemd"}) | (
    frozenset[Place | None]({"keyring"} if sys.platform == "linux" else ())
)


class FileVault:
    """Stored logins in files that only their owner may read, encrypted if there is a place for a key.

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
        """Decide how logins are stored, try it out, and return a message on that for the user, or "".

        Raises:
            VaultUnavailable: They cannot be stored, or not as requested.
        """
        if self.seals is None:
            with self.lock("default"):
                return ""
        return self.seals.prepare(self.rewrite)

    async def load(self, entry: str) -> StoredLogin | None:
        """Return the stored login, or None.

        Raises:
            VaultUnavailable: It cannot be read. With the code `vault-damaged` the entry was renamed out of the way.
        """
        path = self._path(entry)
        raw = read_private(path)
        if raw is None:
            return None
        try:
            return StoredLogin.read(self._open(entry, raw))
        except Malformed as problem:
            if problem.field == "version":
                raise VaultUnavailable(f"{path} was written by another version of keyfob") from None
            aside = set_aside(path, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
            raise VaultUnavailable(
                f"the vault of this profile was damaged; it lies in {aside} now",
                code="vault-damaged",
                hint="Run: keyfob login",
            ) from None

    async def save(self, entry: str, stored: StoredLogin) -> None:
        """Replace the vault entry atomically."""
        content = stored.write()
        if self.seals is not None:
            content = self.seals.close(entry, content)
        await self.remove_quick(entry)
        sweep(self._path(entry))
        write_private(self._path(entry), content)

    async def remove_quick(self, entry: str) -> None:
        """Remove the quick file."""
        drop_quick(self._home, entry)

    async def delete(self, entry: str) -> None:
        """Remove the vault entry, even if the quick file cannot be removed."""
        try:
            await self.remove_quick(entry)
        finally:
            sweep(self._path(entry))
            remove(self._path(entry))

    def lock(self, entry: str) -> Lock:
        """Lock the vault entry against other processes and threads."""
        make_folder(self.folder)
        return Lock(self.folder / f"{entry}.lock")

    def make_quick(self, entry: str) -> None:
        """Write the quick file unless the entry changes meanwhile. Whether it holds the token is the user's choice."""
        with contextlib.suppress(VaultUnavailable):  # the quick file is an optimization only
            state = state_of(self._home, entry)
            note = Note() if self.seals is None else self.seals.note()
            if state is None or not (note.is_quick or note.place in _READ_QUICKLY):
                return
            stored = run(self.load(entry))
            if stored is not None and state_of(self._home, entry) == state:
                lay_quick(self._home, entry, state, stored, holds_token=note.is_quick)

    def entries(self) -> list[str]:
        """Return the profiles that have a vault entry."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def is_sealed(self, entry: str) -> bool:
        """Whether the vault entry is encrypted."""
        try:
            return Envelope.find(read_private(self._path(entry)) or b"") is not None
        except Malformed:
            return False

    def rewrite(self) -> None:
        """Store every login again with the present settings. Entries lost for good are skipped (`passed`).

        Raises:
            VaultUnavailable: An entry cannot be read or written at the moment.
        """
        self.passed = []
        for entry in self.entries():
            with self.lock(entry):
                try:
                    stored = run(self.load(entry))
                except VaultUnavailable as problem:
                    if problem.code not in {"vault-damaged", "key-empty"}:
                        raise
                    self.passed.append(problem)
                    continue
                if stored is not None:
                    run(self.save(entry, stored))

    def _open(self, entry: str, raw: bytes) -> bytes:
        """Decrypt a file's content."""
        if self.seals is not None:
            return self.seals.open(entry, raw)
        if Envelope.find(raw) is not None:
            raise VaultUnavailable(f"{self._path(entry)} is sealed", code="key-absent")
        return raw

    def _path(self, entry: str) -> Path:
        return self.folder / f"{entry}.json"


class ProfileFiles:
    """The settings of each profile, so that a login's flags need not be given again.

    Every method may raise `VaultUnavailable`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "profiles"
        self.choice = self.folder.parent / quick.CHOICE

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def chosen(self) -> str:
        """Return the profile that `keyfob profile use` set; "" if none."""
        raw = read_private(self.choice)
        return "" if raw is None else raw.decode(errors="replace").strip()

    def choose(self, name: str) -> None:
        """Make it the profile for commands that name none."""
        if name == DEFAULT:
            remove(self.choice)
        else:
            write_private(self.choice, f"{name}\n".encode())

    def remove(self, name: str) -> None:
        """Remove its settings, and the choice of this profile if it was chosen."""
        if self.chosen() == name:
            remove(self.choice)
        remove(self.folder / f"{name}.json")

    def load(self, name: str) -> Profile | None:
        path = self.folder / f"{name}.json"
        raw = read_private(path)
        if raw is None:
            return None
        try:
            return Profile.read(name, raw)
        except Malformed:
            raise VaultUnavailable(
                f"{path} is damaged", code="vault-damaged", hint=f"Run: {command('login URL CLIENT_ID', name)}"
            ) from None

    def save(self, profile: Profile) -> None:
        write_private(self.folder / f"{profile.name}.json", profile.write())
