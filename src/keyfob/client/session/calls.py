"""Send a token to an API: the headers of each attempt, and when to try again (RFC 6750 §3, §5.3, RFC 9449 §7).

The adapters of all HTTP libraries use this module. A `Call` returns the headers to send. Then it reads the response's
status and headers and decides whether to send the request again: at most once for a required nonce, once for a refused
token, and once for a step-up.
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
_HEADER_NAMES: Final = ("authorization", "dpop")


@dataclass(frozen=True, slots=True)
class TokenHeaders:
    """A token, and the headers that carry it in one request."""

    token: Secret
    headers: Headers


class TokenSource(Protocol):
    """The interface of the stored login from which `Calls` takes tokens."""

    def authorize(self, request: Request, *, renew: bool = False) -> TokenHeaders:
        """Return a token and, if it is a DPoP-bound token, a new proof. Raises the errors of `Session.token`."""
        ...

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Store the nonce of a response; return whether the nonce is new."""
        ...

    def step_up(self, wanted: StepUp, refused: Secret) -> bool:
        """Log in again as an API requires, and return True. If no step-up is configured, do nothing, and return False.

        If the token `refused` was already replaced by a newer one, return True without a login. Raises the errors of a
        login.
        """
        ...


class Calls:
    """Calls to one origin, which the constructor or the first call sets. Calls to other origins carry no token."""

    def __init__(self, bearer: TokenSource, origin: str | None = None) -> None:
        """Bind a token source to an origin.

        Args:
            bearer: The source of tokens.
            origin: The origin, such as `https://api.example.com`; None for the origin of the first call.

        Raises:
            Misuse: The origin is not a web address.
        """
        self._bearer = bearer
        self._origin = "" if origin is None else origin_of(origin)
        self._lock = threading.Lock()
        if origin is not None and not self._origin:
            raise Misuse("the origin is not a web address", hint="It looks like https://api.example.com")

    def begin(self, method: str, url: str) -> Call:
        """Return the first attempt of a call. It carries a token only if the address is in the origin of this object.

        Raises:
            Misuse: The address is plain http and not on this machine.
            KeyfobError: There is no token; any error of `TokenSource.authorize`.
        """
        request = Request(method, url)
        with self._lock:
            origin = self._origin = self._origin or origin_of(url)
        if origin_of(url) != origin:
            return Call(self._bearer, request, None)
        if not is_safe(url):
            raise Misuse("a token is not sent to another computer over plain http", hint="Use the API's https address.")
        return Call(self._bearer, request, self._bearer.authorize(request))

    def send(self, request: Request, carry: Callable[[Request], Response]) -> Response:
        """Make one call, and return the response to the last attempt. Raises the errors of `begin` and `carry`.

        Args:
            carry: The function that sends each attempt. It must not follow redirects.
        """
        call = self.begin(request.method, request.url)
        while True:
            plain = tuple((name, value) for name, value in request.headers if name not in _HEADER_NAMES)
            response = carry(replace(request, headers=plain + call.headers))
            if not call.again(response):
                return response


@dataclass(slots=True)
class Call:
    """One call, attempt by attempt. Outside the origin of its `Calls`, a call carries no token and is not repeated."""

    _bearer: TokenSource
    _request: Request
    _token_headers: TokenHeaders | None
    _tried: set[str] = field(default_factory=set[str])

    @property
    def headers(self) -> Headers:
        """The headers that carry the token in this attempt."""
        return () if self._token_headers is None else self._token_headers.headers

    def put(self, headers: MutableMapping[str, str]) -> None:
        """Set the token headers of this attempt. Remove those that an earlier attempt or the caller has set."""
        for name in _HEADER_NAMES:
            headers.pop(name, None)
        headers.update(dict(self.headers))

    def again(self, response: Response, *, can_repeat: bool = True) -> bool:
        """Return whether to send the request again, with the new `headers`.

        Args:
            response: The response; its body is not read.
            can_repeat: Whether the request's body can be sent again.

        Raises:
            KeyfobError: A new login was required, and failed.
        """
        if self._token_headers is None:
            return False
        has_nonce = self._bearer.store_nonce(self._request, response)
        error = challenge_of(response).get("error", "")
        if response.status not in DENIALS or not can_repeat:
            return False
        if response.status == 401 and error == USE_DPOP_NONCE:
            return has_nonce and self._is_first("nonce") and self._authorize()
        wanted = StepUp.read(response)
        if wanted is not None and self._is_first("step-up") and self._bearer.step_up(wanted, self._token_headers.token):
            return self._authorize()
        # A refreshed token has the same authentication time.
        if response.status != 401 or error == INSUFFICIENT_USER_AUTHENTICATION or not self._is_first("renewal"):
            return False
        return self._renew()

    def _is_first(self, reason: str) -> bool:
        is_new = reason not in self._tried
        self._tried.add(reason)
        return is_new

    def _authorize(self) -> bool:
        self._token_headers = self._bearer.authorize(self._request)
        return True

    def _renew(self) -> bool:
        """Renew the token, and return whether it changed.

        If the renewal fails, return False and raise no error. The caller then gets the API's 401, which explains more.
        """
        before = self._token_headers
        try:
            self._token_headers = self._bearer.authorize(self._request, renew=True)
        except KeyfobError:
            return False
        return before is None or self._token_headers.token != before.token
