"""A vault of files: one for each profile, and its settings beside it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from keyfob.client.held import Held
from keyfob.client.io.files import home, make_folder, read_private, remove, set_aside, write_private
from keyfob.client.io.lock import locked
from keyfob.client.profile import Profile
from keyfob.errors import Malformed, VaultUnavailable


class FileVault:
    """Keeps tokens in files that only their owner may read.

    Attributes:
        folder: Where they lie.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "vault"

    def load(self, drawer: str) -> Held | None:
        """What lies there, or None.

        Raises:
            VaultUnavailable: It cannot be read; with code `vault-damaged` it was unreadable and has been set aside.
        """
        path = self._path(drawer)
        raw = read_private(path)
        if raw is None:
            return None
        try:
            return Held.read(raw)
        except Malformed as problem:
            if problem.field == "version":
                raise VaultUnavailable(f"{path} was written by another version of keyfob") from None
            aside = set_aside(path, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
            raise VaultUnavailable(
                f"the vault of this profile was damaged; it lies in {aside} now",
                code="vault-damaged",
                hint="Run: keyfob login",
            ) from None

    def keep(self, drawer: str, held: Held) -> None:
        """Replace what lies there, all or nothing."""
        write_private(self._path(drawer), held.write())

    def forget(self, drawer: str) -> None:
        """Empty the drawer."""
        remove(self._path(drawer))

    def lock(self, drawer: str) -> AbstractContextManager[None]:
        """Hold off other processes and threads."""
        make_folder(self.folder)
        return locked(self.folder / f"{drawer}.lock")

    def _path(self, drawer: str) -> Path:
        return self.folder / f"{drawer}.json"


class ProfileFiles:
    """Settings of each profile, so that a login's flags need not be said again."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "profiles"

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

    def keep(self, profile: Profile) -> None:
        """Write it down."""
        write_private(self.folder / f"{profile.name}.json", profile.write())
