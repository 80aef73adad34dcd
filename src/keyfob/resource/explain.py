"""Explain a token check by check: what holds, what does not, and what could not be told (RFC 9068 §4, RFC 8725 §3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keyfob.errors import InvalidToken
from keyfob.jose.algorithms import ALGORITHMS
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, check_signature, peek, read_payload, take_apart
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import Policy
from keyfob.resource.verify import BOUND, failures, read_claims

# In the order in which `verify` makes them: the first that does not hold is what it would refuse the token for.
CHECKS: Final[dict[str, str]] = {
    "form": "it is a signed JWT of three strict base64url parts",
    "crit": "it has no critical extension that we do not know",
    "algorithm": "its algorithm is on this API's list",
    "typ": "it says that it is an access token",
    "key": "it names one key of its issuer that fits its algorithm",
    "signature": "its signature holds",
    "claims": "its claims are there and of the right types",
    "issuer": "it is from the issuer that this API trusts",
    "audience": "it is for this API",
    "exp": "it has not expired",
    "nbf": "it is valid already",
    "iat": "it was not issued in the future",
    "profile": "it has what its profile asks for",
    "required": "it has the claims that this API asks for",
    "bound": "it may be used as a plain bearer token",
}
_UNREAD: Final = "cannot be told: the token cannot be read so far"
_NO_KEYS: Final = "cannot be told: the issuer's keys are not at hand"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: Stable, for programs.
        holds: None where it could not be told.
        why: A sentence for people. Never holds anything of the token.
    """

    name: str
    holds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What there is to say about a token.

    Attributes:
        checks: All of them, in order.
        header: As the token has it, believed or not; None where it cannot be read. Not printed.
        claims: The same of its claims.
    """

    checks: tuple[Check, ...]
    header: Mapping[str, object] | None = field(repr=False)
    claims: Mapping[str, object] | None = field(repr=False)

    @property
    def holds(self) -> bool:
        """Whether `verify` would accept the token."""
        return all(check.holds for check in self.checks)

    @property
    def first_failure(self) -> Check | None:
        """What `verify` would refuse the token for."""
        return next((check for check in self.checks if not check.holds), None)


def explain(token: Secret, keys: KeySet | None, policy: Policy, now: datetime) -> Explanation:
    """Judge a token as `verify` does, and say it of each check, also of those behind the first that fails.

    What stands behind a signature that does not hold is what the token *says*, and no more.

    Args:
        token: As it came, without its scheme.
        keys: The issuer's, as far as they are known; None where nobody could ask, so that nothing is held against
            the token for want of its key.
        policy: What the API accepts.
        now: Aware, UTC.
    """
    header, payload = peek(token)
    told = {check.name: check for check in _checks(token, keys, policy, now, payload)}
    every = tuple(told.get(name, Check(name, None, _UNREAD)) for name in CHECKS)
    return Explanation(every, None if header is None else header.values, None if payload is None else payload.values)


def _checks(
    token: Secret, keys: KeySet | None, policy: Policy, now: datetime, payload: Fields | None
) -> Iterator[Check]:
    """Those that can be told."""
    unverified = None
    try:
        unverified = take_apart(token, ALGORITHMS)
    except InvalidToken as problem:
        yield from _until(problem, ("form", "crit", "algorithm"))
    else:
        yield from (_holds("form"), _holds("crit"))
        yield from _signed(unverified, keys, policy)
    if payload is None:
        return
    try:
        claims = read_claims(payload, policy)
    except InvalidToken as problem:
        yield Check("claims", holds=False, why=problem.message)
        return
    yield _holds("claims")
    yield from _said(claims, payload, unverified, policy, now)


def _signed(unverified: Unverified, keys: KeySet | None, policy: Policy) -> Iterator[Check]:
    listed = unverified.algorithm in policy.algorithms
    yield _told("algorithm", holds=listed, otherwise="the token's algorithm is not on the list")
    yield _told("typ", holds=policy.takes_type(unverified.type), otherwise="the token is not an access token")
    if keys is None:
        yield from (Check(name, None, _NO_KEYS) for name in ("key", "signature"))
        return
    try:
        key = keys.choose(unverified.algorithm, unverified.key_id)
        if key is None:
            raise InvalidToken("the issuer's keys at hand have none for this token", check="key")
        check_signature(unverified, key)
        read_payload(unverified)
    except InvalidToken as problem:
        yield from _until(problem, ("key", "signature", "claims"))
    else:
        yield from (_holds("key"), _holds("signature"))


def _said(
    claims: AccessClaims, payload: Fields, unverified: Unverified | None, policy: Policy, now: datetime
) -> Iterator[Check]:
    token_type = "" if unverified is None else unverified.type
    failed = dict(failures(claims, payload, token_type, policy, now))
    for name in ("issuer", "audience", "exp", "nbf", "iat", "profile", "required"):
        yield _told(name, holds=name not in failed, otherwise=failed.get(name, ""))
    is_bound = claims.key_thumbprint is not None or claims.certificate_thumbprint is not None
    yield _told("bound", holds=not is_bound, otherwise=BOUND)


def _until(problem: InvalidToken, names: tuple[str, ...]) -> Iterator[Check]:
    """Those before the failed one hold; of those behind it nothing can be told."""
    for name in names:
        if name == problem.check:
            yield Check(name, holds=False, why=problem.message)
            return
        yield _holds(name)


def _holds(name: str) -> Check:
    return Check(name, holds=True, why=CHECKS[name])


def _told(name: str, *, holds: bool, otherwise: str) -> Check:
    return _holds(name) if holds else Check(name, holds=False, why=otherwise)
