"""Somebody who has tokens, without a login behind."""

from datetime import UTC, datetime

from keyfob.client.auth.dpop import DpopKey
from keyfob.client.model.step_up import StepUp
from keyfob.client.session.calls import TokenHeaders
from keyfob.errors import LoginRequired
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret


class Tokens:
    """Gives at-1, and at-2 after a renewal or a new login; says how often it was asked for what."""

    def __init__(
        self, problem: LoginRequired | None = None, dpop_key: DpopKey | None = None, *, steps_up: bool = False
    ) -> None:
        self.renewals = 0
        self.wanted: list[StepUp] = []
        self._problem, self._prover, self._steps_up = problem, dpop_key, steps_up
        self._credentials = 0

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        if renew and self._problem is not None:
            raise self._problem
        self.renewals += renew
        token = Secret(f"at-{1 + self.renewals + len(self.wanted)}")
        if self._prover is None:
            return TokenHeaders(token, (("authorization", f"Bearer {token.reveal()}"),))
        self._credentials += 1
        proof = self._prover.prove(request, datetime.now(UTC), self._credentials.to_bytes(16), token)
        return TokenHeaders(token, (("authorization", f"DPoP {token.reveal()}"), *proof))

    def store_nonce(self, request: Request, response: Response) -> bool:
        return self._prover is not None and self._prover.store_nonce(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        assert refused.reveal().startswith("at-")
        if self._steps_up:
            self.wanted.append(wanted)
        return self._steps_up
