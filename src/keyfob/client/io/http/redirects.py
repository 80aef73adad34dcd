"""Add the token to one request of httpx or httpx2, and to the redirects that these libraries follow by themselves.

The libraries do not call the auth object for a redirect. They send every header except Authorization to the redirect's
target too. But a DPoP proof is valid for one address only. So this module removes the proof as soon as the libraries'
extension `trace` reports that the proof was sent. If a redirect leads to the same origin, this module requests the
target again with a new proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, MutableMapping
from typing import Any, Final, Protocol, TypeVar

from keyfob.client.session.calls import DENIALS, Call, Calls
from keyfob.protocol.http import Response

_SENT: Final = "send_request_headers.complete"
_SAFE: Final = frozenset({"GET", "HEAD"})


class Visit:
    """One request with its redirects and repetitions."""

    def __init__(self, calls: Calls, method: str, url: str) -> None:
        """Begin the call. Raises the errors of `Calls.begin`."""
        self._calls = calls
        self._call = calls.begin(method, url)

    def prepare(self, headers: MutableMapping[str, str], extensions: MutableMapping[str, Any]) -> None:
        """Set the headers that carry the token. A DPoP proof is removed again as soon as it has been sent."""
        self._call.put(headers)
        if _is_proven(self._call):
            extensions["trace"] = _removing(self._call, headers, extensions.get("trace"))

    def prepare_async(self, headers: MutableMapping[str, str], extensions: MutableMapping[str, Any]) -> None:
        """Set the headers as `prepare` does, but for a request of an asynchronous client."""
        self._call.put(headers)
        if _is_proven(self._call):
            delete = _removing(self._call, headers, extensions.get("trace"))

            async def trace(event: str, about: object) -> None:
                other = delete(event, about)
                if other is not None:
                    await other

            extensions["trace"] = trace

    def again(self, response: Response, landed: tuple[str, str] | None, *, can_repeat: bool) -> bool:
        """Return whether to send the last request again.

        Args:
            landed: Method and address of the last request if it followed a redirect, else None.
            can_repeat: Whether the body of the last request can be sent again.

        Raises:
            KeyfobError: Any error of `Call.again`.
        """
        if landed is not None:
            self._call = self._calls.begin(*landed)
            if _is_proven(self._call) and can_repeat and (response.status in DENIALS or landed[0] in _SAFE):
                return True
        return self._call.again(response, can_repeat=can_repeat)


def _is_proven(call: Call) -> bool:
    return any(name == "dpop" for name, _ in call.headers)


def _removing(
    call: Call, headers: MutableMapping[str, str], other: Callable[[str, object], Any] | None
) -> Callable[[str, object], Any]:
    """Return a trace function that removes the token's headers from the request as soon as they have been sent.

    The function then calls `other`, the user's own trace function, if there is one.
    """

    def trace(event: str, about: object) -> Any:  # noqa: ANN401  the result of the user's trace function
        if event.endswith(_SENT):
            for name, _ in call.headers:
                headers.pop(name, None)
        return None if other is None else other(event, about)

    return trace


class _HttpxRequest(Protocol):
    """The common interface of `httpx.Request` and `httpx2.Request`."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> object: ...
    @property
    def headers(self) -> Any: ...  # noqa: ANN401
    @property
    def extensions(self) -> Any: ...  # noqa: ANN401
    @property
    def stream(self) -> object: ...


R = TypeVar("R", bound=_HttpxRequest)


def auth_flow(calls: Calls, request: R, byte_stream: type) -> Generator[R, Any, None]:
    """Yield each request that httpx or httpx2 is to send: the first attempt, and its repetitions.

    The method `sync_auth_flow` of the libraries' auth objects delegates to this generator. Raises the errors of
    `Visit`.

    Args:
        calls: The source of the token.
        request: The first attempt.
        byte_stream: The library's class of bodies that can be sent again.
    """
    visit, goes_on = Visit(calls, request.method, str(request.url)), True
    while goes_on:
        visit.prepare(request.headers, request.extensions)
        sent, response = request, (yield request)
        request = response.request
        if response.status_code in DENIALS:
            response.read()  # the connection may time out during the next step
        can_repeat = isinstance(request.stream, byte_stream)
        goes_on = visit.again(_plain(response), _landed(sent, request), can_repeat=can_repeat)


async def async_auth_flow(calls: Calls, request: R, byte_stream: type) -> AsyncGenerator[R, Any]:
    """Yield each request that httpx or httpx2 is to send, as `auth_flow` does, but for an asynchronous client.

    Blocking steps run in a thread. Raises the errors of `Visit`.
    """
    visit, goes_on = await asyncio.to_thread(Visit, calls, request.method, str(request.url)), True
    while goes_on:
        visit.prepare_async(request.headers, request.extensions)
        sent, response = request, (yield request)
        request = response.request
        if response.status_code in DENIALS:
            await response.aread()
        landed, can_repeat = _landed(sent, request), isinstance(request.stream, byte_stream)
        goes_on = await asyncio.to_thread(visit.again, _plain(response), landed, can_repeat=can_repeat)


def _plain(response: Any) -> Response:  # noqa: ANN401  of httpx or httpx2
    return Response(
        response.status_code, tuple((name.lower(), value) for name, value in response.headers.multi_items())
    )


def _landed(sent: _HttpxRequest, answered: _HttpxRequest) -> tuple[str, str] | None:
    """Return the method and address of the last request if it followed a redirect; None if it did not."""
    return None if answered is sent else (answered.method, str(answered.url))
