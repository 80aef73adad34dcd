"""One API's guard: a request in, a Principal or a Denial out; blocking and async.

As a rule nothing has to be waited for. Where something has, the way from there is a generator that yields it; whoever
drives it waits in a thread or in an event loop.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from keyfob.errors import InvalidToken, Unreachable
from keyfob.jose.algorithms import ALGORITHMS
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, looks_signed, read_payload, take_apart
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.challenges import Shown, Terms, closed
from keyfob.resource.expiring_cache import Remembered
from keyfob.resource.io.clock import Clock, wall_clock
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.io.shared_call import Flight
from keyfob.resource.policy import Policy
from keyfob.resource.require import Denial, Requirement, lack
from keyfob.resource.verify import BOUND, KeyNeeded, Principal, issuers_policy, judge

if TYPE_CHECKING:  # a guard that has no use for them loads none of it
    from keyfob.resource.certificates import CertificateHeader
    from keyfob.resource.io.introspect import Introspector
    from keyfob.resource.proof_validation import Possession

Waits = Generator[Flight, None, "Principal | Denial"]

_NO_KEYS: Final = "The issuer's keys cannot be fetched."
_NO_ANSWER: Final = "The issuer cannot be asked about this token."


@dataclass(frozen=True, slots=True)
class Trust:
    """One issuer: what is accepted of it, and its keys. They are never used for another's tokens."""

    policy: Policy
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class Ways:
    """What a judge does beside verifying signatures.

    Attributes:
        terms: How the API presents itself.
        possession: Who checks proofs of possession; None refuses tokens that are bound to a key.
        certificates: Where a trusted proxy puts client certificates.
        introspector: Who asks about opaque tokens.
        remember: How many verified tokens are remembered; 0 verifies each token anew.
    """

    terms: Terms = field(default_factory=Terms)
    possession: Possession | None = None
    certificates: CertificateHeader | None = None
    introspector: Introspector | None = None
    remember: int = 0


class Judge:
    """Joins issuers, keys and clock. For one token, the issuer is asked at most once."""

    def __init__(self, trusted: Sequence[Trust], ways: Ways | None = None, *, clock: Clock = wall_clock) -> None:
        """Know whom to trust; touch nothing yet."""
        self._trusted = {trust.policy.issuer: trust for trust in trusted}
        self._policies = tuple(trust.policy for trust in trusted)
        self._only = trusted[0] if len(trusted) == 1 else None
        self._algorithms = self._policies[0].algorithms if self._only else ALGORITHMS
        self._leeway = max(policy.leeway for policy in self._policies)
        self._ways = ways or Ways()
        self._terms = self._ways.terms
        self._clock = clock
        self._verified: Remembered[tuple[Principal, KeySet, IssuerKeys]] | None = (
            Remembered(self._ways.remember) if self._ways.remember else None
        )

    def check(
        self, request: Request, needs: tuple[Requirement, ...], certificate: bytes | None = None
    ) -> Principal | Denial:
        """Judge a request; may block on the network when keys are due."""
        shown = self._terms.read(request)
        if not isinstance(shown, Shown):
            return shown or self._terms.missing(_named(needs))
        try:
            now = self._clock()
            taken = self._take(shown.token, now)
            found: Principal | Denial
            if isinstance(taken, Principal):
                found = taken
            else:
                found, now = _wait(taken), self._clock()
        except InvalidToken as problem:
            return self._terms.refuse(problem.message, shown.scheme)
        return self._allow(found, shown, request, needs, certificate, now)

    async def check_async(
        self, request: Request, needs: tuple[Requirement, ...], certificate: bytes | None = None
    ) -> Principal | Denial:
        """Judge a request; the network is only ever waited for in a thread."""
        shown = self._terms.read(request)
        if not isinstance(shown, Shown):
            return shown or self._terms.missing(_named(needs))
        try:
            now = self._clock()
            taken = self._take(shown.token, now)
            found: Principal | Denial
            if isinstance(taken, Principal):
                found = taken
            else:
                found, now = await _wait_async(taken), self._clock()
        except InvalidToken as problem:
            return self._terms.refuse(problem.message, shown.scheme)
        return self._allow(found, shown, request, needs, certificate, now)

    def allow(self, request: Request, principal: Principal, needs: tuple[Requirement, ...]) -> Principal | Denial:
        """Whether somebody whose token this judge has taken already, with this request, may do this, too."""
        missing = lack(principal, needs, self._clock(), self._leeway)
        if missing is None:
            return principal
        shown = self._terms.read(request)
        return self._terms.forbid(missing, shown.scheme if isinstance(shown, Shown) else "Bearer")

    def _allow(
        self,
        found: Principal | Denial,
        shown: Shown,
        request: Request,
        needs: tuple[Requirement, ...],
        certificate: bytes | None,
        now: datetime,
    ) -> Principal | Denial:
        if isinstance(found, Denial):
            return found
        if found.key_thumbprint is not None or found.certificate_thumbprint is not None or shown.proof is not None:
            denial = self._check_binding(found, shown, request, certificate, now)
            if denial is not None:
                return denial
        missing = lack(found, needs, now, self._leeway)
        return found if missing is None else self._terms.forbid(missing, shown.scheme)

    def _take(self, token: Secret, now: datetime) -> Principal | Waits:
        """Whose token it is; a way to go where something may have to be waited for. As a rule that is not so."""
        introspector = self._ways.introspector
        if introspector is not None and (introspector.settings.every or not looks_signed(token)):
            return self._introspected(introspector, token)
        if self._verified is None:
            return self._signed(token, now, None)
        digest = token.digest()
        known = self._verified.get(digest, now)
        if known is not None and known[2].current() is known[1]:
            return known[0]
        return self._signed(token, now, digest)

    def _introspected(self, introspector: Introspector, token: Secret) -> Waits:
        digest = token.digest()
        found = introspector.known(digest, self._clock())
        if found is None:
            inquiry = introspector.ask(token, digest)
            yield inquiry.flight
            found = inquiry.outcome
        if isinstance(found, InvalidToken):
            raise InvalidToken(found.message, check=found.check)
        return closed(_NO_ANSWER) if found is None else found

    def _signed(self, token: Secret, now: datetime, digest: bytes | None) -> Principal | Waits:
        unverified = take_apart(token, self._algorithms)
        trust, fields = self._only, None
        if trust is None:
            fields = read_payload(unverified)
            trust = self._trusted[issuers_policy(fields, self._policies).issuer]
        keys = trust.keys.current()
        found = None if keys is None else judge(unverified, keys, trust.policy, now, fields)
        if keys is None or not isinstance(found, Principal):
            return self._with_other_keys(unverified, fields, trust, keys, digest)
        self._remember(digest, found, keys, trust.keys)
        return found

    def _with_other_keys(
        self, unverified: Unverified, fields: Fields | None, trust: Trust, keys: KeySet | None, digest: bytes | None
    ) -> Waits:
        """The token's key is not among those at hand, or there are none.

        Raises:
            InvalidToken: The issuer has no such key, or a check failed.
        """
        source, policy = trust.keys, trust.policy
        try:
            if keys is None:
                flight = source.refresh()
                if flight is not None:
                    yield flight
                keys = source.usable()
            found = judge(unverified, keys, policy, self._clock(), fields)
            if isinstance(found, KeyNeeded):
                flight = source.seek(found.key_id, keys)
                if flight is not None:
                    yield flight
                keys = source.usable()
                found = judge(unverified, keys, policy, self._clock(), fields)
        except Unreachable:
            return closed(_NO_KEYS)
        if not isinstance(found, KeyNeeded):
            self._remember(digest, found, keys, source)
            return found
        if not source.has_answered():
            return closed(_NO_KEYS)
        raise InvalidToken("the token's key is not one of its issuer's", check="key")

    def _remember(self, digest: bytes | None, found: Principal, keys: KeySet, source: IssuerKeys) -> None:
        if self._verified is not None and digest is not None:
            self._verified.put(digest, (found, keys, source), found.expires_at)

    def _check_binding(
        self, principal: Principal, shown: Shown, request: Request, certificate: bytes | None, now: datetime
    ) -> Denial | None:
        """Whoever shows a bound token must hold what it is bound to (RFC 9449 §7.1-7.2, RFC 8705 §3)."""
        terms = self._terms
        if principal.certificate_thumbprint is not None:
            from keyfob.protocol.certificate import thumbprint_of
            from keyfob.resource.certificates import is_same

            held = None if certificate is None else thumbprint_of(certificate)
            if held is None and self._ways.certificates is not None:
                held = self._ways.certificates.read(request)
            if not is_same(held, principal.certificate_thumbprint):
                return terms.refuse("the token is bound to a certificate that did not come with it", shown.scheme)
        proof, possession, key = shown.proof, self._ways.possession, principal.key_thumbprint
        if proof is None or possession is None:
            return None if key is None else terms.refuse(BOUND, shown.scheme)
        if key is None:
            return terms.refuse("the token is not bound to a key, and is a plain bearer token", shown.scheme)
        return possession.check(proof, shown.token, key, request, terms, now)


def _wait(way: Waits) -> Principal | Denial:
    try:
        while True:
            next(way).land()
    except StopIteration as end:
        found: Principal | Denial = end.value
        return found


async def _wait_async(way: Waits) -> Principal | Denial:
    while True:
        try:
            flight = next(way)
        except StopIteration as end:
            found: Principal | Denial = end.value
            return found
        await flight.land_async()


def _named(needs: Sequence[Requirement]) -> str:
    return Scope.of(name for need in needs for name in need.named().names).write()
