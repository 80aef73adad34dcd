"""Verify the token of a request. The result is a Principal, or the Denial to send.

Threads and event loops use the same code. `Verifier._begin` usually returns the result. The coroutine
`Verifier._finish` runs only if a request to the issuer is needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from keyfob.errors import InvalidToken, Unreachable
from keyfob.jose.algorithms import ALGORITHMS
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import Unverified, looks_signed, read_payload, take_apart
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.certificates import CertificateHeader, is_same
from keyfob.resource.challenges import ChallengeSettings, Scheme, unavailable
from keyfob.resource.expiring_cache import ExpiringCache
from keyfob.resource.policy import Policy
from keyfob.resource.ports import Clock, Introspector, KeySource, Pending, Wait
from keyfob.resource.require import Denial, Requirement, missing_requirement
from keyfob.resource.verify import BOUND, KeyNeeded, Principal, issuers_policy, verify_parsed
from keyfob.run import run

if TYPE_CHECKING:  # loads the DPoP modules, which a guard without an address does not need
    from keyfob.resource.proof_validation import ProofValidator

T = TypeVar("T")

_NO_KEYS: Final = "The issuer's keys cannot be fetched."
_NO_ANSWER: Final = "The issuer cannot be asked about this token."
_TOKEN68: Final = re.compile(r" *([A-Za-z0-9\-._~+/]+=*) *\Z")
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
# The usual spelling and lower case: the scheme is case-insensitive (RFC 9110 §11.1).
_SCHEMES: Final[dict[str, Scheme]] = {"Bearer": "Bearer", "DPoP": "DPoP", "bearer": "Bearer", "dpop": "DPoP"}


@dataclass(slots=True)  # not frozen, since one is made for every call
class PresentedToken:
    """The token of a request. `proof` is present only with the DPoP scheme."""

    token: Secret
    scheme: Scheme = "Bearer"
    proof: Secret | None = None


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer's policy and keys. The keys verify only this issuer's tokens."""

    policy: Policy
    keys: KeySource


class _Verified(NamedTuple):
    """The cached result of a verification. It is used only while `keys` are still the current keys of `source`."""

    principal: Principal
    keys: KeySet
    source: KeySource


class _SignedToken(NamedTuple):
    """A token that cannot be verified yet: its key is not in `keys`, or `keys` is None before the first fetch."""

    unverified: Unverified
    fields: Fields | None
    issuer: TrustedIssuer
    keys: KeySet | None


class _Begun(NamedTuple):
    """A request whose verification needs a call to the issuer, for the issuer's keys or to introspect the token."""

    request: Request
    needs: tuple[Requirement, ...]
    certificate: bytes | None
    presented: PresentedToken
    digest: bytes | None
    open: _SignedToken | Introspector


class Verifier:
    """Verifies the tokens of one API's trusted issuers. For one request, it calls the issuer at most once."""

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        challenges: ChallengeSettings | None = None,
        *,
        proofs: ProofValidator | None = None,
        certificates: CertificateHeader | None = None,
        introspector: Introspector | None = None,
        remember: int = 0,
        clock: Clock,
    ) -> None:
        """Configure the verifier; nothing is fetched yet.

        Args:
            issuers: The trusted issuers, at least one.
            challenges: The settings of the challenges in denials.
            proofs: The validator of DPoP proofs. If None, tokens that are bound to a key are refused.
            certificates: The header in which a trusted proxy sends client certificates.
            introspector: The introspector of opaque tokens. If None, opaque tokens are refused.
            remember: The number of verified tokens to cache. If 0, each token is verified at every request.
            clock: The function that returns the current time, aware, UTC.
        """
        self._issuers = {issuer.policy.issuer: issuer for issuer in issuers}
        self._policies = tuple(issuer.policy for issuer in issuers)
        self._only = issuers[0] if len(issuers) == 1 else None
        self._algorithms = self._policies[0].algorithms if self._only else ALGORITHMS
        self._leeway = max(policy.leeway for policy in self._policies)
        self._challenges = challenges or ChallengeSettings()
        self._proofs = proofs
        self._certificates = certificates
        self._introspector = introspector
        self._clock = clock
        self._verified: ExpiringCache[_Verified] | None = ExpiringCache(remember) if remember else None

    def check(
        self, request: Request, needs: tuple[Requirement, ...], certificate: bytes | None = None
    ) -> Principal | Denial:
        """Check the token of a request. The call blocks while it waits for the issuer.

        Args:
            request: The request. Only its method, path, headers and peer are read.
            needs: The requirements, which must all be met.
            certificate: The caller's TLS certificate in DER, if the server terminated TLS itself; else None.
        """
        begun = self._begin(request, needs, certificate)
        return run(self._finish(begun, _block)) if isinstance(begun, _Begun) else begun

    async def check_async(
        self, request: Request, needs: tuple[Requirement, ...], certificate: bytes | None = None
    ) -> Principal | Denial:
        """Check the token of a request without blocking the event loop."""
        begun = self._begin(request, needs, certificate)
        return await self._finish(begun, _suspend) if isinstance(begun, _Begun) else begun

    def allow(self, request: Request, principal: Principal, needs: tuple[Requirement, ...]) -> Principal | Denial:
        """Check additional requirements for a request whose token this verifier has already accepted."""
        missing = missing_requirement(principal, needs, self._clock(), self._leeway)
        if missing is None:
            return principal
        presented = read_token(request, self._challenges)
        scheme = presented.scheme if isinstance(presented, PresentedToken) else "Bearer"
        return self._challenges.forbid(missing, scheme)

    def _begin(
        self, request: Request, needs: tuple[Requirement, ...], certificate: bytes | None
    ) -> Principal | Denial | _Begun:
        """Return the caller or the denial, or a `_Begun` if a request to the issuer is needed."""
        presented = read_token(request, self._challenges)
        if not isinstance(presented, PresentedToken):
            return presented or self._challenges.missing(_scopes(needs))
        try:
            now, token, digest = self._clock(), presented.token, None
            if self._verified is not None:
                digest = token.digest()
                known = self._verified.get(digest, now)
                if known is not None and known.source.current() is known.keys:
                    return self._answer(known.principal, presented, request, needs, certificate, now)
            introspector = self._introspector
            if introspector is not None and (introspector.settings.every or not looks_signed(token)):
                return _Begun(request, needs, certificate, presented, digest, introspector)
            unverified, issuer, fields = take_apart(token, self._algorithms), self._only, None
            if issuer is None:
                fields = read_payload(unverified)
                issuer = self._issuers[issuers_policy(fields, self._policies).issuer]
            keys: KeySet | None = issuer.keys.current()
            found = None if keys is None else verify_parsed(unverified, keys, issuer.policy, now, fields)
            if keys is None or not isinstance(found, Principal):
                signed = _SignedToken(unverified, fields, issuer, keys)
                return _Begun(request, needs, certificate, presented, digest, signed)
            self._remember(digest, found, keys, issuer.keys)
        except InvalidToken as problem:
            return self._challenges.refuse(problem.message, presented.scheme)
        return self._answer(found, presented, request, needs, certificate, now)

    async def _finish(self, begun: _Begun, wait: Wait) -> Principal | Denial:
        """Call the issuer, and return the caller or the denial to send.

        Args:
            begun: The result of `_begin`.
            wait: `Pending.wait` to block, or `Pending.wait_async` to suspend.
        """
        presented, signed = begun.presented, begun.open
        try:
            if isinstance(signed, _SignedToken):
                found, keys = await self._verify_with_new_keys(signed, wait)
                self._remember(begun.digest, found, keys, signed.issuer.keys)
            else:
                found = await self._introspect(signed, presented.token, wait)
        except InvalidToken as problem:
            return self._challenges.refuse(problem.message, presented.scheme)
        except Unreachable:
            return unavailable(_NO_KEYS if isinstance(signed, _SignedToken) else _NO_ANSWER)
        return self._answer(found, presented, begun.request, begun.needs, begun.certificate, self._clock())

    def _answer(
        self,
        found: Principal,
        presented: PresentedToken,
        request: Request,
        needs: tuple[Requirement, ...],
        certificate: bytes | None,
        now: datetime,
    ) -> Principal | Denial:
        """Check a verified token's binding and the requirements. Return the caller or the denial."""
        if found.key_thumbprint is not None or found.certificate_thumbprint is not None or presented.proof is not None:
            denial = self._check_binding(found, presented, request, certificate, now)
            if denial is not None:
                return denial
        missing = missing_requirement(found, needs, now, self._leeway)
        return found if missing is None else self._challenges.forbid(missing, presented.scheme)

    def _remember(self, digest: bytes | None, found: Principal, keys: KeySet, source: KeySource) -> None:
        if self._verified is not None and digest is not None:
            self._verified.put(digest, _Verified(found, keys, source), found.expires_at)

    async def _verify_with_new_keys(self, signed: _SignedToken, wait: Wait) -> tuple[Principal, KeySet]:
        """Fetch the issuer's keys, and verify the token.

        Raises:
            InvalidToken: The issuer does not have the token's key, or a check failed.
            Unreachable: The issuer does not answer.
        """
        unverified, fields, issuer, keys = signed
        source, policy = issuer.keys, issuer.policy
        if keys is None:
            fetch = source.refresh()
            if fetch is not None:
                await wait(fetch)
            keys = source.usable()
        found = verify_parsed(unverified, keys, policy, self._clock(), fields)
        if isinstance(found, KeyNeeded):
            fetch = source.seek(found.key_id, keys)
            if fetch is not None:
                await wait(fetch)
            keys = source.usable()
            found = verify_parsed(unverified, keys, policy, self._clock(), fields)
        if isinstance(found, Principal):
            return found, keys
        if not source.has_answered():
            raise Unreachable("the issuer's keys cannot be fetched")
        raise InvalidToken("the token's key is not one of its issuer's")

    async def _introspect(self, introspector: Introspector, token: Secret, wait: Wait) -> Principal:
        """Introspect a token at the issuer, unless the response is cached.

        Raises:
            InvalidToken: The token is not active, or a check of the response failed.
            Unreachable: The issuer sent no usable response.
        """
        digest = token.digest()
        found = introspector.known(digest, self._clock())
        if found is None:
            found = await wait(introspector.ask(token, digest))
        if isinstance(found, InvalidToken):  # cached, and shared: each caller raises its own
            raise InvalidToken(found.message)
        if found is None:
            raise Unreachable("the issuer cannot be asked about this token")
        return found

    def _check_binding(
        self,
        principal: Principal,
        presented: PresentedToken,
        request: Request,
        certificate: bytes | None,
        now: datetime,
    ) -> Denial | None:
        """Check that the caller holds the key or certificate of a bound token (RFC 9449 §7.1-7.2, RFC 8705 §3).

        Return the denial if the caller does not hold it, or if a DPoP proof comes with a token that is not bound.
        """
        challenges = self._challenges
        if principal.certificate_thumbprint is not None:
            shown = None if certificate is None else thumbprint_of(certificate)
            if shown is None and self._certificates is not None:
                shown = self._certificates.read(request)
            if not is_same(shown, principal.certificate_thumbprint):
                return challenges.refuse(
                    "the token is bound to a certificate that did not come with it", presented.scheme
                )
        proof, key = presented.proof, principal.key_thumbprint
        if proof is None or self._proofs is None:
            return None if key is None else challenges.refuse(BOUND, presented.scheme)
        if key is None:
            return challenges.refuse("the token is not bound to a key, and is a plain bearer token", presented.scheme)
        return self._proofs.check(proof, presented.token, key, request, now)


def read_token(request: Request, challenges: ChallengeSettings) -> PresentedToken | Denial | None:
    """Return the presented token, a Denial if it is malformed, or None if there is none.

    A token in the query or in the body is ignored, since RFC 9700 §4.3.2 forbids clients to send tokens there.
    """
    headers = [value for name, value in request.headers if name == "authorization"]
    if len(headers) > 1:
        return challenges.malformed("DPoP" if challenges.proof_required else "Bearer")
    header = headers[0] if headers else ""
    word, space, rest = header.partition(" ")
    scheme = _SCHEMES.get(word) or _SCHEMES.get(word.lower())
    if scheme is None and word.lower().startswith("bearer"):
        return challenges.malformed("Bearer")  # a tab or nothing where a space belongs
    if scheme is None or scheme not in challenges.schemes:
        return None
    token = _token_in(rest) if space else None
    if token is None:
        return challenges.malformed(scheme)
    if scheme == "Bearer":
        return PresentedToken(Secret(token))
    proofs = request.header_values("dpop")
    if len(proofs) != 1:
        return challenges.refuse_proof("exactly one proof has to come with the token")
    return PresentedToken(Secret(token), "DPoP", Secret(proofs[0]))


def _token_in(rest: str) -> str | None:
    """Return the token after the scheme and a space; None if the text is not exactly one token (RFC 9110 §11.2)."""
    token = rest.strip(" ")
    # Usually nothing is left. The pattern accepts the same tokens, and takes three times as long.
    if token and not token.encode("ascii", "replace").translate(None, _LETTERS):
        return token
    found = _TOKEN68.match(rest)
    return None if found is None else found[1]


def _scopes(needs: Sequence[Requirement]) -> str:
    return Scope.of(name for need in needs for name in need.named().names).write()


async def _block(pending: Pending[T]) -> T:
    return pending.wait()


async def _suspend(pending: Pending[T]) -> T:
    return await pending.wait_async()
