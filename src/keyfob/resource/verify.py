"""Verify an access token. The result is a Principal, or KeyNeeded if its key is unknown (RFC 9068 §4, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, check_signature, read_payload, take_apart
from keyfob.protocol.claims import AccessClaims, is_like_id_token
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import TOKEN_TYPES, Policy

BOUND: Final = "the token is bound to a key and cannot be used as a plain bearer token"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of an API. Identify a user by `issuer` and `subject` together, never by e-mail.

    Attributes:
        client_id: The calling client; "" if the token does not name a client.
        permissions: Auth0's `permissions`; () if the token has none.
        claims: All claims of the token, unchanged. `repr` omits them.
        acr: The strength of the user's authentication, in the issuer's terms (OpenID Connect Core §2); None if the
            token does not contain it.
        auth_time: The time of the user's authentication; None if the token does not contain it.
        key_thumbprint: The thumbprint of the DPoP key that the token is bound to (RFC 9449 §6.1). A guard has validated
            the proof. None if the token is not bound to a key.
        certificate_thumbprint: The thumbprint of the client certificate that the token is bound to (RFC 8705 §3.1). A
            guard has compared the caller's certificate. None if the token is not bound to a certificate.
    """

    issuer: str
    subject: str
    client_id: str
    scope: Scope
    permissions: tuple[str, ...]
    expires_at: datetime
    claims: Mapping[str, object] = field(repr=False)
    acr: str | None = None
    auth_time: datetime | None = None
    key_thumbprint: str | None = None
    certificate_thumbprint: str | None = None

    @property
    def is_machine(self) -> bool:
        """Whether the caller is a client without a user (RFC 9068 §2.2, Auth0's `gty` and Entra's `idtyp`)."""
        return (
            self.subject == self.client_id
            or self.subject.endswith("@clients")
            or self.claims.get("gty") == "client-credentials"
            or self.claims.get("idtyp") == "app"
        )

    @property
    def is_bound(self) -> bool:
        """Whether the token needs a DPoP proof or a client certificate."""
        return self.key_thumbprint is not None or self.certificate_thumbprint is not None


@dataclass(frozen=True, slots=True)
class KeyNeeded:
    """The key set has no key for this token. Fetch the issuer's keys and verify again."""

    key_id: str | None


ClaimCheck = Literal["issuer", "audience", "exp", "nbf", "iat", "profile", "required"]


def verify(token: Secret, keys: KeySet, policy: Policy, now: datetime) -> Principal | KeyNeeded:
    """Verify a token without using the network or the clock.

    This function does not check scopes, and does not detect revocation: a JWT is valid until it expires. It refuses
    tokens that are bound to a key or a certificate, since only a guard can check the binding.

    Args:
        token: The token, without its authentication scheme.
        keys: The issuer's keys. With several issuers, use the keys of the issuer whose policy `choose_policy` returns.
        policy: The policy of this API for the token's issuer.
        now: The current time, aware, UTC.

    Raises:
        InvalidToken: A check failed; the message names it.
    """
    found = verify_parsed(take_apart(token, policy.algorithms), keys, policy, now)
    if isinstance(found, Principal) and found.is_bound:
        raise InvalidToken(BOUND, check="bound")
    return found


def choose_policy(token: Secret, policies: Sequence[Policy]) -> Policy:
    """Return the policy of the issuer that the token names. The token is not verified.

    Raises:
        InvalidToken: The token is not a JWT, or names an issuer without a policy.
    """
    return issuers_policy(read_payload(take_apart(token)), policies)


def issuers_policy(fields: Fields, policies: Sequence[Policy]) -> Policy:
    """Return the policy of the issuer that the payload names.

    Raises:
        InvalidToken: The payload names an issuer without a policy.
    """
    issuer = fields.values.get("iss")
    for policy in policies:
        if policy.issuer == issuer:
            return policy
    raise InvalidToken("the token is from another issuer", check="issuer")


def verify_parsed(
    unverified: Unverified, keys: KeySet, policy: Policy, now: datetime, fields: Fields | None = None
) -> Principal | KeyNeeded:
    """Verify a parsed token, bound or not. The caller has to check `key_thumbprint` and `certificate_thumbprint`.

    Args:
        unverified: The token.
        keys: The issuer's keys.
        policy: The policy of this API for the token's issuer.
        now: The current time, aware, UTC.
        fields: The token's payload, if the caller has parsed it.

    Raises:
        InvalidToken: A check failed; the message names it.
    """
    if unverified.algorithm not in policy.algorithms:
        raise InvalidToken("the token's algorithm is not on the list", check="algorithm")
    token_type = unverified.type.lower()  # media types are case-insensitive (RFC 9068 §4)
    if token_type not in policy.accepted_types:
        raise InvalidToken(type_problem(token_type), check="typ")
    key = keys.choose(unverified.algorithm, unverified.key_id)
    if key is None:
        return KeyNeeded(unverified.key_id)
    check_signature(unverified, key)
    payload = fields or read_payload(unverified)
    claims = read_claims(payload, policy)
    failed = failures(claims, payload, token_type, policy, now)
    if failed:
        name, problem = failed[0]
        raise InvalidToken(problem, check=name)
    return Principal(
        claims.issuer,
        claims.subject,
        claims.client_id,
        claims.scope,
        claims.permissions or (),
        claims.expires_at,
        payload.values,
        claims.acr,
        claims.auth_time,
        claims.key_thumbprint,
        claims.certificate_thumbprint,
    )


def type_problem(token_type: str) -> str:
    """Return the message for a `typ` that is not accepted.

    `token_type` is "" if the token has no `typ`, as at Okta and Cognito.
    """
    return "the token is not an access token" if token_type else "the token has no typ, and this API requires one"


def read_claims(fields: Fields, policy: Policy) -> AccessClaims:
    """Parse the claims and check their types.

    Raises:
        InvalidToken: A claim is missing or has the wrong type.
    """
    try:
        claims = AccessClaims.read(fields)
        if policy.scope_claim == "scope":
            return claims
        scope = Scope.optional(Fields({"scope": fields.values.get(policy.scope_claim)}, fields.what))
    except Malformed as problem:
        raise InvalidToken(problem.message, check="claims") from None
    return replace(claims, scope=scope or Scope())


def failures(
    claims: AccessClaims, fields: Fields, token_type: str, policy: Policy, now: datetime
) -> list[tuple[ClaimCheck, str]]:
    """Return each failed check of the claims, in order, with its message. `token_type` is in lower case."""
    failed: list[tuple[ClaimCheck, str]] = []
    names, early, late = fields.values.keys(), now + policy.leeway, now - policy.leeway
    if claims.issuer != policy.issuer:
        failed.append(("issuer", "the token is from another issuer"))
    if policy.audience not in claims.audience:
        failed.append(("audience", "the token is for another audience"))
    if late >= claims.expires_at:
        failed.append(("exp", "the token has expired"))
    if claims.not_before is not None and early < claims.not_before:
        failed.append(("nbf", "the token is not valid yet"))
    if early < claims.issued_at:
        failed.append(("iat", "the token was issued in the future"))
    strict = policy.profile == "rfc9068" or token_type in TOKEN_TYPES["rfc9068"]
    if strict and not (claims.client_id and claims.token_id):
        failed.append(("profile", "the token lacks client_id or jti"))
    if is_like_id_token(names):
        failed.append(("profile", "the token looks like an ID token, which is for the client and not for an API"))
    if policy.required and not names >= set(policy.required):
        failed.append(("required", "the token lacks a claim that this API asks for"))
    return failed
