"""Report for each check of a token whether it passed, failed or is unknown (RFC 9068 §4, RFC 8725 §3)."""

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
from keyfob.resource.verify import BOUND, failures, read_claims, type_problem

# In the order of `verify`, which stops at the first failed check.
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
        name: The check's name for programs, which stays the same in all versions.
        holds: Whether the check passed; None if unknown.
        why: A sentence for people, which never contains data of the token.
    """

    name: str
    holds: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of all checks of a token.

    Attributes:
        checks: All checks, in order.
        header: The token's header, verified or not; None if it cannot be read. `repr` omits it.
        claims: The token's claims, verified or not; None if they cannot be read. `repr` omits them.
    """

    checks: tuple[Check, ...]
    header: Mapping[str, object] | None = field(repr=False)
    claims: Mapping[str, object] | None = field(repr=False)

    @property
    def holds(self) -> bool:
        """Whether `verify` accepts the token."""
        return all(check.holds for check in self.checks)


def explain(token: Secret, keys: KeySet | None, policy: Policy, now: datetime) -> Explanation:
    """Run the checks of `verify` on a token, and return all results, including those after the first failure.

    If the signature is wrong, the later checks apply to unverified claims.

    Args:
        token: The token, without its authentication scheme.
        keys: The issuer's keys; None if they could not be fetched. The result of the key check is then unknown.
        policy: The policy of the API for the token's issuer.
        now: The current time, aware, UTC.
    """
    header, payload = peek(token)
    known = {check.name: check for check in _checks(token, keys, policy, now, payload)}
    every = tuple(known.get(name, Check(name, None, _UNREAD)) for name in CHECKS)
    return Explanation(every, None if header is None else header.values, None if payload is None else payload.values)


def _checks(
    token: Secret, keys: KeySet | None, policy: Policy, now: datetime, payload: Fields | None
) -> Iterator[Check]:
    """Yield the checks whose result is known."""
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
    yield from _claims(claims, payload, unverified, policy, now)


def _signed(unverified: Unverified, keys: KeySet | None, policy: Policy) -> Iterator[Check]:
    listed = unverified.algorithm in policy.algorithms
    yield _check("algorithm", holds=listed, otherwise="the token's algorithm is not on the list")
    yield _check("typ", holds=unverified.type.lower() in policy.accepted_types, otherwise=type_problem(unverified.type))
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


def _claims(
    claims: AccessClaims, payload: Fields, unverified: Unverified | None, policy: Policy, now: datetime
) -> Iterator[Check]:
    token_type = "" if unverified is None else unverified.type.lower()
    failed = dict(failures(claims, payload, token_type, policy, now))
    for name in ("issuer", "audience", "exp", "nbf", "iat", "profile", "required"):
        yield _check(name, holds=name not in failed, otherwise=failed.get(name, ""))
    is_bound = claims.key_thumbprint is not None or claims.certificate_thumbprint is not None
    yield _check("bound", holds=not is_bound, otherwise=BOUND)


def _until(problem: InvalidToken, names: tuple[str, ...]) -> Iterator[Check]:
    """Yield the passed checks and then the failed check. The results of later checks are unknown."""
    for name in names:
        if name == problem.check:
            yield Check(name, holds=False, why=problem.message)
            return
        yield _holds(name)


def _holds(name: str) -> Check:
    return Check(name, holds=True, why=CHECKS[name])


def _check(name: str, *, holds: bool, otherwise: str) -> Check:
    return _holds(name) if holds else Check(name, holds=False, why=otherwise)
