"""Bring a token to an API: what goes with each attempt, and when there is another (RFC 6750 §3, §5.3, RFC 9449 §7).

One core for every HTTP library. A `Call` says which headers to send; the answer's status and headers are shown to it,
and it says whether to send once more. Each reason for that counts once: a nonce that the API wants, a token that it
refuses, a login that it wants surer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from keyfob.client.model.step_up import INSUFFICIENT_USER_AUTHENTICATION, StepUp, challenge_of
from keyfob.errors import KeyfobError, Misuse
from keyfob.protocol.address import is_safe, origin_of
from keyfob.protocol.http import Headers, Request, Response
from keyfob.protocol.oauth_error import USE_DPOP_NONCE
from keyfob.protocol.secret import Secret

DENIALS: Final = frozenset({401, 403})
_UNAUTHORIZED: Final = 401
_OURS: Final = ("authorization", "dpop")


@dataclass(frozen=True, slots=True)
class TokenHeaders:
    """A token, and the headers that carry it to one request."""

    token: Secret
    headers: Headers


class TokenSource(Protocol):
    """Who has tokens."""

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        """A token and, where it needs one, a fresh proof. Raises as `Session.token`."""
        ...

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Keep the nonce of an answer; whether there was a new one."""
        ...

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again with what is wanted, if nobody has since that token; whether that is done here at all.

        Raises as a login.
        """
        ...


class Calls:
    """Calls to one origin: the one that is named, or the first that is called. Nobody else is shown a token."""

    def __init__(self, bearer: TokenSource, origin: str | None = None) -> None:
        """Know who has tokens, and for whom.

        Raises:
            Misuse: The origin is no web address.
        """
        self._bearer = bearer
        self._origin = "" if origin is None else origin_of(origin)
        self._lock = threading.Lock()
        if origin is not None and not self._origin:
            raise Misuse("the origin is not a web address", hint="It looks like https://api.example.com")

    def begin(self, method: str, url: str) -> Call:
        """The first attempt.

        Raises:
            Misuse: The address is plain http and not on this machine.
            KeyfobError: There is no token.
        """
        request = Request(method, url)
        with self._lock:
            origin = self._origin = self._origin or origin_of(url)
        if origin_of(url) != origin:
            return Call(self._bearer, request, None)
        if not is_safe(url):
            raise Misuse("a token is not sent over plain http beyond this machine", hint="Use the API's https address.")
        return Call(self._bearer, request, self._bearer.authorize(request))

    def send(self, request: Request, carry: Callable[[Request], Response]) -> Response:
        """One call, carried by somebody who follows no redirects. Raises as `begin`, and as whoever carries."""
        call = self.begin(request.method, request.url)
        while True:
            plain = tuple((name, value) for name, value in request.headers if name not in _OURS)
            response = carry(replace(request, headers=plain + call.headers))
            if not call.again(response):
                return response


@dataclass(slots=True)
class Call:
    """One call, attempt by attempt. Without a token it is a stranger's, and made once."""

    _bearer: TokenSource
    _request: Request
    _brought: TokenHeaders | None
    _tried: set[str] = field(default_factory=set[str])

    @property
    def headers(self) -> Headers:
        """What carries the token in this attempt."""
        return () if self._brought is None else self._brought.headers

    def put(self, headers: MutableMapping[str, str]) -> None:
        """Set them, and take away what would carry another's: a header from an attempt before, or set by hand."""
        for name in _OURS:
            headers.pop(name, None)
        headers.update(dict(self.headers))

    def again(self, response: Response, *, can_repeat: bool = True) -> bool:
        """Whether to send once more, with the headers that there are now.

        Args:
            response: The answer; its body is not looked at.
            can_repeat: Whether the request's body is at hand still.

        Raises:
            KeyfobError: A new login was needed, and failed.
        """
        if self._brought is None:
            return False
        has_nonce = self._bearer.store_nonce(self._request, response)
        error = challenge_of(response).get("error", "")
        if response.status not in DENIALS or not can_repeat:
            return False
        if response.status == _UNAUTHORIZED and error == USE_DPOP_NONCE:
            return has_nonce and self._once("nonce") and self._bring()
        wanted = StepUp.read(response)
        if wanted is not None and self._once("step-up") and self._bearer.step_up(wanted, self._brought.token):
            return self._bring()
        # A refresh makes no login younger.
        if response.status != _UNAUTHORIZED or error == INSUFFICIENT_USER_AUTHENTICATION or not self._once("renewal"):
            return False
        return self._renew()

    def _once(self, reason: str) -> bool:
        is_new = reason not in self._tried
        self._tried.add(reason)
        return is_new

    def _bring(self) -> bool:
        self._brought = self._bearer.authorize(self._request)
        return True

    def _renew(self) -> bool:
        """Another token, if there is one: what the API said is worth more than why it could not be mended."""
        before = self._brought
        try:
            self._brought = self._bearer.authorize(self._request, renew=True)
        except KeyfobError:
            return False
        return before is None or self._brought.token != before.token
