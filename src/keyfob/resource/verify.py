"""Judge an access token: a Principal, or the key that is missing (RFC 9068 §4, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, believe, take_apart
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import TOKEN_TYPES, Policy


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. Identify a person by `issuer` and `subject` together, never by e-mail.

    Attributes:
        client_id: The program that calls; "" where the token does not name it.
        permissions: Auth0's `permissions`; () where the token has none.
        claims: All that the token says, as it says it. Not printed.
    """

    issuer: str
    subject: str
    client_id: str
    scope: Scope
    permissions: tuple[str, ...]
    expires_at: datetime
    claims: Mapping[str, object] = field(repr=False)

    @property
    def is_machine(self) -> bool:
        """Whether a program calls for itself, with no person behind it (RFC 9068 §2.2, Auth0's `@clients`)."""
        return self.subject == self.client_id or self.subject.endswith("@clients")


@dataclass(frozen=True, slots=True)
class KeyNeeded:
    """The key set at hand has no key for this token. Fetch the issuer's and ask again, if `refetch` allows."""

    key_id: str | None


def verify(token: Secret, keys: KeySet, policy: Policy, now: datetime) -> Principal | KeyNeeded:
    """Judge a token without touching the world.

    Does not check scopes; `require` does. Does not know revoked tokens: a JWT lives until it expires.

    Args:
        token: As it came, without its scheme.
        keys: The issuer's, as far as they are known.
        policy: What this API accepts.
        now: Aware, UTC.

    Returns:
        The caller, or `KeyNeeded`.

    Raises:
        InvalidToken: A check failed; the message says which.
    """
    unverified = take_apart(token, policy.algorithms)
    if unverified.type.lower() not in TOKEN_TYPES[policy.profile]:
        raise InvalidToken("the token is not an access token")
    key = keys.choose(unverified.algorithm, unverified.key_id)
    if key is None:
        return KeyNeeded(unverified.key_id)
    fields = believe(unverified, key)
    try:
        claims = AccessClaims.read(fields)
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    _judge(claims, unverified, policy, now)
    if "cnf" in fields.values:
        raise InvalidToken("the token is bound to a key and cannot be used as a plain bearer token")
    return Principal(
        issuer=claims.issuer,
        subject=claims.subject,
        client_id=claims.client_id,
        scope=claims.scope,
        permissions=claims.permissions or (),
        expires_at=claims.expires_at,
        claims=fields.values,
    )


def _judge(claims: AccessClaims, unverified: Unverified, policy: Policy, now: datetime) -> None:
    if claims.issuer != policy.issuer:
        raise InvalidToken("the token is from another issuer")
    if policy.audience not in claims.audience:
        raise InvalidToken("the token is for another audience")
    if now >= claims.expires_at + policy.leeway:
        raise InvalidToken("the token has expired")
    if claims.not_before is not None and now < claims.not_before - policy.leeway:
        raise InvalidToken("the token is not valid yet")
    if now < claims.issued_at - policy.leeway:
        raise InvalidToken("the token was issued in the future")
    strict = policy.profile == "rfc9068" or unverified.type.lower() != "jwt"
    if strict and not (claims.client_id and claims.token_id):
        raise InvalidToken("the token lacks client_id or jti")
