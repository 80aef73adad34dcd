"""What an API accepts: whose tokens, for whom, signed how, how fresh (RFC 9068 §4, RFC 8725 §3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.address import is_safe
from keyfob.protocol.claims import AT_JWT, Profile

DEFAULT_LEEWAY: Final = timedelta(seconds=30)
LONGEST_LEEWAY: Final = timedelta(minutes=5)

# Auth0's own profile says JWT; a tenant may switch an API to RFC 9068 at any time, so both pass there.
TOKEN_TYPES: Final[dict[Profile, frozenset[str]]] = {
    "auth0": frozenset({"jwt", AT_JWT, f"application/{AT_JWT}"}),
    "rfc9068": frozenset({AT_JWT, f"application/{AT_JWT}"}),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One issuer, one API.

    Attributes:
        issuer: Compared letter for letter with `iss`; a trailing slash counts.
        audience: This API's identifier; must be among the token's audiences, letter for letter.
        algorithms: The only ones accepted; the token never chooses.
        profile: "auth0" takes tokens of either profile; "rfc9068" insists on `at+jwt`, `client_id` and `jti`.
        leeway: How far clocks may differ; at most five minutes.
        required: Claims that must be there beside those of the profile, whatever they say.
        token_types: Values of `typ`, in lower case, instead of the profile's; "" allows tokens that have none.
        scope_claim: Where the scopes stand; some issuers write `scp`.
        jwks_uri: Where the issuer's keys lie; None means that its metadata says so.
    """

    issuer: str
    audience: str
    algorithms: tuple[Algorithm, ...] = ("RS256",)
    profile: Profile = "auth0"
    leeway: timedelta = DEFAULT_LEEWAY
    required: tuple[str, ...] = ()
    token_types: tuple[str, ...] = ()
    scope_claim: str = "scope"
    jwks_uri: str | None = None

    def __post_init__(self) -> None:
        """Refuse what could never be safe.

        Raises:
            Misuse: Issuer or audience is empty, the issuer or its keys are not safe to ask for, no algorithm is
                allowed, a `typ` is not in lower case, or the leeway is out of range.
        """
        if not self.issuer or not self.audience:
            raise Misuse("a guard needs an issuer and an audience")
        if not is_safe(self.issuer):
            raise Misuse("a guard's issuer is an https address, or plain http on this machine")
        if self.jwks_uri is not None and not is_safe(self.jwks_uri):
            raise Misuse("an issuer's keys lie at an https address, or at plain http on this machine")
        if any(name != name.lower() for name in self.token_types):
            raise Misuse("a guard's token_types are in lower case")
        if not self.algorithms:
            raise Misuse("a guard needs at least one algorithm")
        if not timedelta() <= self.leeway <= LONGEST_LEEWAY:
            raise Misuse("a guard's leeway lies between 0 and 5 minutes")

    def takes_type(self, token_type: str) -> bool:
        """Whether a `typ` will do; media types know no case (RFC 9068 §4)."""
        return token_type.lower() in (self.token_types or TOKEN_TYPES[self.profile])
