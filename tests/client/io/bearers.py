"""Somebody who has tokens, without a login behind."""

from datetime import UTC, datetime

from keyfob.client.auth.dpop import Prover
from keyfob.client.model.step_up import StepUp
from keyfob.client.session.calls import Brought
from keyfob.errors import LoginRequired
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret


class Tokens:
    """Gives at-1, and at-2 after a renewal or a new login; says how often it was asked for what."""

    def __init__(
        self, problem: LoginRequired | None = None, prover: Prover | None = None, *, steps_up: bool = False
    ) -> None:
        self.renewals = 0
        self.wanted: list[StepUp] = []
        self._problem, self._prover, self._steps_up = problem, prover, steps_up
        self._proofs = 0

    def bring(self, request: Request, *, renew: bool = False) -> Brought:
        if renew and self._problem is not None:
            raise self._problem
        self.renewals += renew
        token = Secret(f"at-{1 + self.renewals + len(self.wanted)}")
        if self._prover is None:
            return Brought(token, (("authorization", f"Bearer {token.reveal()}"),))
        self._proofs += 1
        proof = self._prover.prove(request, datetime.now(UTC), self._proofs.to_bytes(16), token)
        return Brought(token, (("authorization", f"DPoP {token.reveal()}"), *proof))

    def heed(self, request: Request, response: Response) -> bool:
        return self._prover is not None and self._prover.heed(request, response)

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        assert refused.reveal().startswith("at-")
        if self._steps_up:
            self.wanted.append(wanted)
        return self._steps_up
