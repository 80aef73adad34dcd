"""Check that whoever shows a bound token holds its key, now and for this request (RFC 9449 §7, §11.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from keyfob.errors import InvalidToken, Misuse, Unreachable
from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.resource.certificates import is_same
from keyfob.resource.challenges import Terms, closed
from keyfob.resource.published import Published
from keyfob.resource.replays import Replays, ReplaysInMemory
from keyfob.resource.require import Denial

_SHORTEST_KEY: Final = 32
_NO_MEMORY: Final = "Proofs of possession cannot be checked for replay."


@dataclass(frozen=True, slots=True)
class Proofs:
    """How tokens that are bound to a key are taken (RFC 9449).

    Attributes:
        algorithms: Of the proofs.
        are_needed: Refuse tokens that are not bound.
        nonce_key: 32 secret bytes or more, the same in all processes that serve this API: every proof must then hold
            a nonce made with them, which shows that it is fresh. None asks for no nonce.
        replays: Where used proofs are remembered; in this process by default.
    """

    algorithms: tuple[Algorithm, ...] = ("ES256", "Ed25519", "PS256", "RS256")
    are_needed: bool = False
    nonce_key: bytes | None = field(default=None, repr=False)
    replays: Replays = field(default_factory=ReplaysInMemory)

    def __post_init__(self) -> None:
        """Refuse what could never be safe.

        Raises:
            Misuse: No algorithm is allowed, or the key can be guessed.
        """
        if not self.algorithms:
            raise Misuse("proofs of possession need at least one algorithm")
        if self.nonce_key is not None and len(self.nonce_key) < _SHORTEST_KEY:
            raise Misuse("a nonce_key has 32 bytes or more")


class Possession:
    """Joins the settings, the API's address and the memory of used proofs."""

    def __init__(self, proofs: Proofs, published: Published) -> None:
        """Know them."""
        from keyfob.jose.proofs import Nonces

        self._proofs = proofs
        self._published = published
        self._nonces = None if proofs.nonce_key is None else Nonces(proofs.nonce_key, are_needed=True)

    def check(
        self, proof: Secret, token: Secret, key_thumbprint: str, request: Request, terms: Terms, now: datetime
    ) -> Denial | None:
        """None when the proof is by the token's key, for the token, this request and this moment, and new."""
        from keyfob.jose.proofs import NonceNeeded, judge_proof

        try:
            found = judge_proof(
                proof,
                method=request.method,
                address=self._published.address_of(request),
                now=now,
                nonces=self._nonces,
                access_token=token,
                algorithms=self._proofs.algorithms,
            )
        except InvalidToken as problem:
            return terms.refuse_proof(problem.message)
        if isinstance(found, NonceNeeded):
            return self._ask_for_nonce(terms, now)
        if not is_same(found.key_thumbprint, key_thumbprint):
            return terms.refuse("the token is bound to another key", "DPoP")
        try:
            is_first = self._proofs.replays.use_once(found.mark, found.until, now)
        except Unreachable:
            return closed(_NO_MEMORY)
        return None if is_first else terms.refuse_proof("the proof was used before")

    def _ask_for_nonce(self, terms: Terms, now: datetime) -> Denial | None:
        from keyfob.jose.proofs import nonce_at

        return None if self._nonces is None else terms.ask_for_nonce(nonce_at(self._nonces.key, now))
