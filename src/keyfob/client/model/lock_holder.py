"""The note of the login lock: of several concurrent logins of a profile, one runs, and the others use its result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Self

from keyfob.client.model.assurance import Assurance
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json

_LARGEST: Final = 10**9


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The present or last holder of a login lock. Contains no secret.

    Attributes:
        what: The requested login: issuer, client, API, scopes, and token binding.
        how: Its requirements on authentication.
        pid: The holder's process id; None if unknown.
        kept: The generation of the resulting login; None while there is none.
    """

    what: str
    how: str = "{}"
    pid: int | None = None
    kept: int | None = None

    @classmethod
    def of(cls, profile: Profile, assurance: Assurance) -> Self:
        """Describe a login that is about to start."""
        what = {
            "issuer": profile.issuer,
            "client_id": profile.client_id,
            "audience": profile.audience,
            "is_resource": profile.is_resource,
            "scope": sorted((profile.scope | profile.added_scope).names),
            "endpoints": dict(sorted(profile.endpoints.items())),
            "dpop": profile.dpop,
        }
        how = {**assurance.write(), "prompt": list(assurance.prompt)} if assurance else {}
        return cls(json.dumps(what), json.dumps(how))

    def produced(self, stored: StoredLogin, wanted: LockHolder, *, ignores_assurance: bool) -> bool:
        """Return whether this holder's login is still the stored one, and is what another login requests.

        Args:
            stored: The stored login, which may have been refreshed since.
            wanted: The other request.
            ignores_assurance: Whether to ignore the requirements on authentication.
        """
        is_wanted = self.what == wanted.what and (ignores_assurance or self.how == wanted.how)
        return is_wanted and self.kept is not None and stored.generation >= self.kept

    def write(self) -> bytes:
        return json.dumps({"what": self.what, "how": self.how, "pid": self.pid, "kept": self.kept}).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """Parse the note; return None if it is damaged, since it is informational only."""
        try:
            fields = read_json(raw, "turn")
            what, how = fields.text("what"), fields.text("how")
        except Malformed:
            return None
        return cls(what, how, _count(fields.values.get("pid")), _count(fields.values.get("kept")))


def _count(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < _LARGEST else None
