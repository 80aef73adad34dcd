"""The tokens that an API accepts from one issuer (RFC 9068 §4, RFC 8725 §3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.address import is_safe
from keyfob.protocol.claims import AT_JWT, Profile

DEFAULT_LEEWAY: Final = timedelta(seconds=30)
LONGEST_LEEWAY: Final = timedelta(minutes=5)

# Auth0's own profile has `JWT`; an Auth0 tenant may switch an API to RFC 9068 at any time, so both are accepted.
TOKEN_TYPES: Final[dict[Profile, frozenset[str]]] = {
    "auth0": frozenset({"jwt", AT_JWT, f"application/{AT_JWT}"}),
    "rfc9068": frozenset({AT_JWT, f"application/{AT_JWT}"}),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The tokens that an API accepts from one issuer.

    Attributes:
        issuer: The issuer, compared with `iss` character by character. A trailing slash matters.
        audience: This API's identifier, which must equal one of the token's audiences.
        algorithms: The accepted algorithms. A token with another `alg` is refused.
        profile: "rfc9068" requires `at+jwt`, `client_id` and `jti`; "auth0" also accepts tokens without these, as Auth0
            issues them.
        leeway: The accepted difference between clocks, at most five minutes.
        required: Claims that a token must have, with any value, in addition to the claims of the profile.
        token_types: The accepted values of `typ`, in lower case, in place of the profile's values. "" accepts tokens
            without `typ`.
        scope_claim: The claim with the scopes; some issuers use `scp`.
        jwks_uri: The URL of the issuer's keys; None means the `jwks_uri` in the issuer's metadata.
        accepted_types: The accepted values of `typ`, derived from `token_types` and `profile`.
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
    accepted_types: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse unsafe settings.

        Raises:
            Misuse: Issuer or audience is empty, the address of the issuer or of its keys is not safe, no algorithm is
                accepted, a `typ` is not in lower case, or the leeway is out of range.
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
        types = frozenset(self.token_types) or TOKEN_TYPES[self.profile]
        object.__setattr__(self, "accepted_types", types)  # computed once: every call to an API needs it
