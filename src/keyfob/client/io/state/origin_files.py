"""Which origins have taken a login's token, a small file for each login. Best effort: only caution depends on it."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keyfob.client.io.vault.files import home, read_private, write_private
from keyfob.client.model.profile import Profile
from keyfob.client.session.destination import Origins
from keyfob.errors import VaultUnavailable


class OriginFiles:
    """Keeps them. Another issuer, program or API under the same name is another login."""

    def __init__(self, folder: Path | None = None) -> None:
        """Know where; make nothing yet."""
        self.folder = (folder or home()) / "origins"

    def load(self, profile: Profile) -> Origins:
        """What is known, which may be nothing."""
        with contextlib.suppress(VaultUnavailable):
            raw = read_private(self._path(profile))
            return Origins() if raw is None else Origins.read(raw)
        return Origins()

    def add(self, profile: Profile, origin: str) -> None:
        """Write one more down, if that can be done."""
        before = self.load(profile)
        after = before.with_origin(origin)
        if after != before:
            with contextlib.suppress(VaultUnavailable):
                write_private(self._path(profile), after.write())

    def _path(self, profile: Profile) -> Path:
        members = (profile.name, profile.issuer, profile.client_id, profile.audience or "")
        return self.folder / f"{hashlib.sha256(chr(10).join(members).encode()).hexdigest()[:32]}.json"
