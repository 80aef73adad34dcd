"""One API's guard: a request in, a Principal or a Denial out; blocking and async."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from keyfob.errors import InvalidToken, Unreachable
from keyfob.jose.keys import KeySet
from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.io.keys import IssuerKeys
from keyfob.resource.policy import Policy
from keyfob.resource.require import Denial, check_scope, closed, read_bearer, refuse
from keyfob.resource.verify import KeyNeeded, Principal, verify

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Now, UTC."""
    return datetime.now(UTC)


class Judge:
    """Joins policy, keys and clock. Keys are asked for at most once for a token."""

    def __init__(self, policy: Policy, keys: IssuerKeys, *, realm: str = "api", clock: Clock = wall_clock) -> None:
        """Know the policy; touch nothing yet."""
        self.policy = policy
        self._keys = keys
        self._realm = realm
        self._clock = clock

    def check(self, request: Request, needed: Scope) -> Principal | Denial:
        """Judge a request; may block on the network when keys are due."""
        token = read_bearer(request, self._realm)
        return token if isinstance(token, Denial) else self._judge(token, needed, self._keys.current())

    async def check_async(self, request: Request, needed: Scope) -> Principal | Denial:
        """Judge a request; the network is only ever waited for in a thread."""
        token = read_bearer(request, self._realm)
        if isinstance(token, Denial):
            return token
        keys = self._keys.current()
        found = None if keys is None else self._verify(token, keys)
        if found is None or isinstance(found, KeyNeeded):
            import asyncio  # an API that is not async need not wait 38 ms for it

            return await asyncio.to_thread(self._judge, token, needed, keys)
        return self._finish(found, needed)

    def _judge(self, token: Secret, needed: Scope, keys: KeySet | None) -> Principal | Denial:
        try:
            found = self._verify(token, self._keys.ask() if keys is None else keys)
            if isinstance(found, KeyNeeded):
                found = self._verify(token, self._keys.ask(key_missing=True))
        except Unreachable:
            return closed()
        if isinstance(found, KeyNeeded):
            return refuse("the token's key is not one of its issuer's", self._realm)
        return self._finish(found, needed)

    def _verify(self, token: Secret, keys: KeySet) -> Principal | KeyNeeded | Denial:
        try:
            return verify(token, keys, self.policy, self._clock())
        except InvalidToken as problem:
            return refuse(problem.message, self._realm)

    def _finish(self, found: Principal | Denial, needed: Scope) -> Principal | Denial:
        if isinstance(found, Denial):
            return found
        return check_scope(found, needed, self._realm) or found
