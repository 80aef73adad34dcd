"""Of many that log one profile in at once, one has its turn; the others wait, and take over what it got."""

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
    """Whose turn it is, or was last. Holds no secret.

    Attributes:
        what: Which login is wanted: issuer, program, API, scopes, and how tokens are bound.
        how: How sure it must be.
        pid: The process's number; None where nobody knows.
        kept: The generation of the login that came of it; None before that, or where none did.
    """

    what: str
    how: str = "{}"
    pid: int | None = None
    kept: int | None = None

    @classmethod
    def of(cls, profile: Profile, assurance: Assurance) -> Self:
        """What somebody is about to do."""
        what = {
            "issuer": profile.issuer,
            "client_id": profile.client_id,
            "audience": profile.audience,
            "is_resource": profile.is_resource,
            "scope": sorted(profile.scope.names),
            "endpoints": dict(sorted(profile.endpoints.items())),
            "dpop": profile.dpop,
        }
        how = {**assurance.write(), "prompt": list(assurance.prompt)} if assurance else {}
        return cls(json.dumps(what), json.dumps(how))

    def brought(self, stored: StoredLogin, wanted: LockHolder, *, however: bool) -> bool:
        """Whether a login came of this turn, is still the one that is held, and is just what somebody else wants.

        Args:
            held: What is held now; it may have been refreshed since.
            wanted: What they want.
            however: Whether it does not matter how sure it is.
        """
        is_wanted = self.what == wanted.what and (however or self.how == wanted.how)
        return is_wanted and self.kept is not None and stored.generation >= self.kept

    def write(self) -> bytes:
        """For a small file."""
        return json.dumps({"what": self.what, "how": self.how, "pid": self.pid, "kept": self.kept}).encode()

    @classmethod
    def read(cls, raw: bytes) -> Self | None:
        """From that file; None where it is damaged, since nothing depends on it."""
        try:
            fields = read_json(raw, "turn")
            what, how = fields.text("what"), fields.text("how")
        except Malformed:
            return None
        return cls(what, how, _count(fields.values.get("pid")), _count(fields.values.get("kept")))


def _count(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < _LARGEST else None
