"""An HTTP client that limits time and size, follows no redirects, and raises only keyfob's errors.

Redirects are not followed, since a request may contain a credential.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.errors import Malformed, Misuse, Unreachable
from keyfob.io.key_pair import KeyPair
from keyfob.protocol.http import Headers, Request, Response

if TYPE_CHECKING:
    import httpx2

LARGEST_ANSWER: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a request, in seconds and bytes.

    Attributes:
        whole: The time limit for the whole exchange. It stops a peer that sends one byte at a time.
    """

    connect: float = 10.0
    read: float = 20.0
    whole: float = 60.0
    largest: int = LARGEST_ANSWER


class HttpSender:
    """A client that reuses connections and may be shared between threads."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        through_proxy: bool = True,
        ca: Path | None = None,
        pair: KeyPair | None = None,
    ) -> None:
        """Store the settings; connections are opened on use.

        Args:
            limits: The limits of each request.
            through_proxy: Whether to use the proxy that the environment sets.
            ca: A PEM file of certificate authorities to trust in addition to the system's.
            pair: The client certificate. After its files are replaced, no connection with the previous certificate is
                reused, since issued tokens may be bound to the presented certificate.
        """
        self._limits = limits or Limits()
        self._through_proxy = through_proxy
        self._ca = ca
        self._pair = pair
        self._shown: object = None
        self._left: list[httpx2.Client] = []
        self._client: httpx2.Client | None = None
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """Send a request.

        Raises:
            Unreachable: There is no response; `timed_out` is true after a timeout.
            Malformed: The response is too long or is not HTTP.
            Refused: The server requires a client certificate, or does not accept the presented one.
            Misuse: The file of certificate authorities or the client certificate cannot be used.
        """
        from keyfob.io.httpx2_client import make_client, translated  # noqa: PLC0415  loads httpx2: 70 ms

        with translated():
            return self._exchange(request, self._open(make_client))

    def close(self) -> None:
        with self._lock:
            clients, self._client, self._left = [*self._left, self._client], None, []
        for client in clients:
            if client is not None:
                client.close()

    def _exchange(self, request: Request, client: httpx2.Client) -> Response:
        end = time.monotonic() + self._limits.whole
        headers = list(request.headers)
        with client.stream(request.method, request.url, headers=headers, content=request.body) as answer:
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > self._limits.largest:
                    raise Malformed("the response is too large")
                if time.monotonic() > end:
                    raise Unreachable("the response was not complete in time", timed_out=True)
            found: Headers = tuple((name.lower(), value) for name, value in answer.headers.multi_items())
            return Response(answer.status_code, found, bytes(body))

    def _open(self, make: Callable[..., httpx2.Client]) -> httpx2.Client:
        """Return the open client, or a new one if the certificate's files were replaced.

        While the files are being replaced, the certificate may be new and the key still old. In that case, return the
        open client.
        """
        with self._lock:
            state = self._look()
            if self._client is not None and state in {None, self._shown}:
                return self._client
            try:
                fresh = make(
                    connect=self._limits.connect,
                    read=self._limits.read,
                    through_proxy=self._through_proxy,
                    ca=self._ca,
                    pair=self._pair,
                )
            except Misuse:
                if self._client is None:
                    raise
                return self._client
            # A request in progress may finish; the old client is closed at the next replacement.
            for client in self._left:
                client.close()
            self._left, self._client, self._shown = [self._client] if self._client else [], fresh, state
            return fresh

    def _look(self) -> object:
        """Return a value that changes when the certificate's files are replaced; None without a client certificate."""
        with contextlib.suppress(Misuse):
            return None if self._pair is None else self._pair.state()
        return None


_shared = HttpSender()
# For requests inside an API's own request.
_soon = HttpSender(Limits(connect=5.0, read=5.0, whole=10.0))
_others: dict[tuple[Path | None, KeyPair | None], HttpSender] = {}
atexit.register(_shared.close)
atexit.register(_soon.close)


def sender_for(ca: Path | None, pair: KeyPair | None = None) -> HttpSender:
    """Return the shared client with default limits for these certificate authorities and this client certificate."""
    if ca is None and pair is None:
        return _shared
    if (ca, pair) not in _others:
        _others[ca, pair] = HttpSender(ca=ca, pair=pair)
        atexit.register(_others[ca, pair].close)
    return _others[ca, pair]


def send(request: Request) -> Response:
    """Send a request with the default limits."""
    return _shared(request)


def send_soon(request: Request) -> Response:
    """Send a request with short limits, for an API whose own caller is waiting."""
    return _soon(request)
