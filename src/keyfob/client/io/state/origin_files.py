"""The origins that have accepted a login's token: a small file for each login. Errors are ignored."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from keyfob.client.io.vault.files import home, read_private, write_private
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

    def add(self, profile: Profile, origin: str) -> None:
        before = self.load(profile)
        after = before.with_origin(origin)
        if after != before:
            with contextlib.suppress(VaultUnavailable):
                write_private(self._path(profile), after.write())

    def _path(self, profile: Profile) -> Path:
        members = (profile.name, profile.issuer, profile.client_id, profile.audience or "")
        return self.folder / f"{hashlib.sha256(chr(10).join(members).encode()).hexdigest()[:32]}.json"
