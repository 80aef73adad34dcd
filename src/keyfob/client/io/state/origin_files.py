"""The origins that a login's token has been sent to: a small file for each login."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keyfob.client.io.vault.files import home, make_folder, read_private, write_private
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.profile import Profile
from keyfob.client.session.destination import Origins
from keyfob.errors import VaultUnavailable


class OriginFiles:
    """The files. The same profile name with another issuer, client or API is another login. No method raises."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "origins"

    def load(self, profile: Profile) -> Origins:
        with contextlib.suppress(VaultUnavailable):
            raw = read_private(self._path(profile))
            return Origins() if raw is None else Origins.read(raw)
        return Origins()

    def add(self, profile: Profile, origin: str, *, only_first: bool = False) -> bool:
        """Remember an origin, before the token is sent there.

        Args:
            only_first: Add it only if no other origin is known; of several processes, one succeeds.

        Returns:
            Whether it is remembered.
        """
        with contextlib.suppress(VaultUnavailable):
            path = self._path(profile)
            make_folder(self.folder)
            with locked(path.with_suffix(".lock")):
                before = self.load(profile)
                after = before.with_origin(origin)
                if after != before and before.known and only_first:
                    return False
                if after != before:
                    write_private(path, after.write())
                return True
        return False

    def _path(self, profile: Profile) -> Path:
        return self.folder / f"{login_key(profile)}.json"


def login_key(profile: Profile) -> str:
    """Return the name of a login for files: another issuer, client or API under the same profile name is another."""
    members = (profile.name, profile.issuer, profile.client_id, profile.audience or "")
    return hashlib.sha256("\n".join(members).encode()).hexdigest()[:32]
