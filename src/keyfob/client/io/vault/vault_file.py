"""A vault of files: one for each profile, and its settings beside it."""

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
from keyfob.client.model.profile import DEFAULT, Profile
from keyfob.client.model.storage_choice import Note, Place
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, VaultUnavailable
from keyfob.io import quick
from keyfob.run import run

# As `io/kept.py` can; of keyrings it knows the one on D-Bus, and a passphrase takes its time by intent.
_READ_QUICKLY: Final = frozenset[Place | None]({"kernel", "file", "systemd"}) | (
    frozenset[Place | None]({"keyring"} if sys.platform == "linux" else ())
)


class FileVault:
    """Keeps tokens in files that only their owner may read, sealed where there is a place for a key.

    Attributes:
        folder: Where they lie.
        seals: What seals them; None for files that are plain whatever the person has chosen.
        passed: What the last `rewrite` could not open.
    """

    def __init__(self, folder: Path | None = None, seals: Seals | None = None) -> None:
        """Know where; make nothing yet."""
        self._home = folder or home()
        self.folder = self._home / "vault"
        self.seals = seals
        self.passed: list[VaultUnavailable] = []

    async def prepare(self) -> str:
        """Decide where and how tokens are kept, and try it out; what to say aloud about it, or "".

        Raises:
            VaultUnavailable: They cannot be kept, or not as was asked.
        """
        if self.seals is None:
            with self.lock("default"):
                return ""
        return self.seals.prepare(self.rewrite)

    async def load(self, entry: str) -> StoredLogin | None:
        """What lies there, or None.

        Raises:
            VaultUnavailable: It cannot be read; with code `vault-damaged` it was unreadable and has been set aside.
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
        """Replace what lies there, all or nothing."""
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
        """Empty the drawer, also where what is laid out for quick use cannot be taken back."""
        try:
            await self.remove_quick(entry)
        finally:
            sweep(self._path(entry))
            remove(self._path(entry))

    def lock(self, entry: str) -> Lock:
        """Hold off other processes and threads."""
        make_folder(self.folder)
        return Lock(self.folder / f"{entry}.lock")

    def make_quick(self, entry: str) -> None:
        """Lay the quick file, if nothing changes meanwhile; where no token may lie there, all but the token."""
        with contextlib.suppress(VaultUnavailable):  # the quick file is a comfort, and nothing depends on it
            state = state_of(self._home, entry)
            note = Note() if self.seals is None else self.seals.note()
            if state is None or not (note.is_quick or note.place in _READ_QUICKLY):
                return
            stored = run(self.load(entry))
            if stored is not None and state_of(self._home, entry) == state:
                lay_quick(self._home, entry, state, stored, holds_token=note.is_quick)

    def entries(self) -> list[str]:
        """The names of those that are not empty."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def is_sealed(self, entry: str) -> bool:
        """Whether what lies there is sealed."""
        try:
            return Envelope.find(read_private(self._path(entry)) or b"") is not None
        except Malformed:
            return False

    def rewrite(self) -> None:
        """Keep everything again, as it is to be kept now. What is damaged or past opening is passed over (`passed`).

        Raises:
            VaultUnavailable: Something cannot be read or kept at the moment.
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
        """A file's content, unsealed.

        Raises:
            VaultUnavailable: It is sealed, and the key cannot be had.
        """
        if self.seals is not None:
            return self.seals.open(entry, raw)
        if Envelope.find(raw) is not None:
            raise VaultUnavailable(f"{self._path(entry)} is sealed", code="key-absent")
        return raw

    def _path(self, entry: str) -> Path:
        return self.folder / f"{entry}.json"


class ProfileFiles:
    """Settings of each profile, so that a login's flags need not be said again."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "profiles"
        self.choice = self.folder.parent / quick.CHOICE

    def names(self) -> list[str]:
        """Every profile there is."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def chosen(self) -> str:
        """The profile to take if nobody says which; "" for the default. Raises `VaultUnavailable`."""
        raw = read_private(self.choice)
        return "" if raw is None else raw.decode(errors="replace").strip()

    def choose(self, name: str) -> None:
        """Take that one from now on, if nobody says which. Raises `VaultUnavailable`."""
        if name == DEFAULT:
            remove(self.choice)
        else:
            write_private(self.choice, f"{name}\n".encode())

    def remove(self, name: str) -> None:
        """Forget its settings; no more is chosen what is not there. Raises `VaultUnavailable`."""
        if self.chosen() == name:
            remove(self.choice)
        remove(self.folder / f"{name}.json")

    def load(self, name: str) -> Profile | None:
        """The profile of that name, or None.

        Raises:
            VaultUnavailable: Its file is damaged.
        """
        path = self.folder / f"{name}.json"
        raw = read_private(path)
        if raw is None:
            return None
        try:
            return Profile.read(name, raw)
        except Malformed:
            raise VaultUnavailable(
                f"{path} is damaged", code="vault-damaged", hint="Run keyfob login with --issuer and --client-id."
            ) from None

    def save(self, profile: Profile) -> None:
        """Write it down."""
        write_private(self.folder / f"{profile.name}.json", profile.write())
