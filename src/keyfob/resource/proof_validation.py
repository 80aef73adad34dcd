"""Validate the DPoP proof that comes with a bound token (RFC 9449 §7, §11.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyfob.errors import InvalidToken, Unreachable
from keyfob.jose.proofs import NonceNeeded, Nonces, judge_proof, nonce_at
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.resource.certificates import is_same
from keyfob.resource.challenges import ChallengeSettings, unavailable
from keyfob.resource.dpop_settings import DpopSettings
from keyfob.resource.published import Published
from keyfob.resource.require import Denial

_NO_MEMORY: Final = "Proofs of possession cannot be checked for replay."


class ProofValidator:
    """Validates the DPoP proofs of requests to one API, whose published address gives the expected `htu`."""

    def __init__(self, settings: DpopSettings, published: Published, challenges: ChallengeSettings) -> None:
        self._settings = settings
        self._published = published
        self._challenges = challenges
        self._nonces = None if settings.nonce_key is None else Nonces(settings.nonce_key, are_needed=True)

    def check(
        self, proof: Secret, token: Secret, key_thumbprint: str, request: Request, now: datetime
    ) -> Denial | None:
        """Validate the proof of a request. Return None if it is valid, else the denial.

        A valid proof is recent and unused, is for this token and this request, and was signed with the token's key.
        """
        try:
            found = judge_proof(
                proof,
                method=request.method,
                address=self._published.address_of(request),
                now=now,
                nonces=self._nonces,
                access_token=token,
                algorithms=self._settings.algorithms,
            )
        except InvalidToken as problem:
            return self._challenges.refuse_proof(problem.message)
        if isinstance(found, NonceNeeded):
            return None if self._nonces is None else self._challenges.ask_for_nonce(nonce_at(self._nonces.key, now))
        if not is_same(found.key_thumbprint, key_thumbprint):
            return self._challenges.refuse("the token is bound to another key", "DPoP")
        try:
            is_first = self._settings.replays.use_once(found.mark, found.until, now)
        except Unreachable:
            return unavailable(_NO_MEMORY)
        return None if is_first else self._challenges.refuse_proof("the proof was used before")
