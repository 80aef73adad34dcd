"""Send one request over the network: bounded in time and size, no redirects, every failure translated.

A redirect is never followed: the request may carry a credential, and its answer says where to go, not the network.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.errors import Malformed, Misuse, Unreachable
from keyfob.protocol.http import Headers, Request, Response

if TYPE_CHECKING:
    import httpx2

    from keyfob.io.certified import KeyPair

LARGEST_ANSWER: Final = 1024 * 1024
_ENDED: Final = "disconnected without sending a response"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much. Times in seconds, sizes in bytes.

    Attributes:
        whole: For the whole exchange: a peer that drips one byte at a time is cut off here.
    """

    connect: float = 10.0
    read: float = 20.0
    whole: float = 60.0
    largest: int = LARGEST_ANSWER


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Turn what httpx2 raises into our errors.

    Raises:
        Unreachable: No answer; `timed_out` says whether there was silence rather than a refusal, and the words whose
            certificate, which proxy or which name is to blame.
        Malformed: The answer is no HTTP, or the address cannot be used.
        Refused: The other side wants a certificate of ours, or will not have the one that it was shown.
    """
    import httpx2

    try:
        yield
    except httpx2.TimeoutException:
        raise Unreachable("no answer in time", timed_out=True, hint="Try again.") from None
    except httpx2.ProxyError as problem:
        from keyfob.io.diagnosis import explain_proxy

        reason = explain_proxy(str(problem), _asked(problem))
        raise reason from None
    except httpx2.ConnectError as problem:
        from keyfob.io.diagnosis import explain_alert, explain_connection

        broken = explain_alert(problem, _asked(problem)) or explain_connection(problem, _asked(problem))
        raise broken from None
    except httpx2.NetworkError as problem:
        from keyfob.io.diagnosis import explain_alert

        # By TLS 1.3 a certificate is judged when our side has begun to speak already.
        broken = explain_alert(problem, _asked(problem)) or _broken(problem)
        raise broken from None
    except httpx2.RemoteProtocolError as problem:
        if _ENDED in str(problem):
            # So ends many a server's handshake with a certificate that it will not have: asyncio's, for one.
            hint = "Try again. It may want a certificate of this program, or another one: --certificate FILE."
            raise Malformed("the server ended the connection without an answer", hint=hint) from None
        raise Malformed("the answer is not HTTP as it should be") from None
    except (httpx2.DecodingError, httpx2.TooManyRedirects):
        raise Malformed("the answer is not HTTP as it should be") from None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.CookieConflict):
        raise Malformed("the address cannot be used", field="url") from None
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.SSEError) as problem:
        broken = _broken(problem)
        raise broken from None


def _broken(problem: Exception) -> Unreachable:
    return Unreachable(f"the connection broke ({type(problem).__name__})", hint="Try again.")


class HttpSender:
    """Keeps connections open between requests; safe to share between threads."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        through_proxy: bool = True,
        ca: Path | None = None,
        pair: KeyPair | None = None,
    ) -> None:
        """Know the limits; connect to nobody yet.

        Args:
            limits: How long, and how much.
            through_proxy: Through one that the environment names.
            ca: Authorities to trust beside those of the system.
            pair: The certificate that is shown to a server that asks for one. Once its files are replaced, no
                connection with the one before is used again: what a server gives may be bound to what it was shown.
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
        """Send it.

        Raises:
            Unreachable: No answer; `timed_out` says whether the peer was there and silent.
            Malformed: The answer is too long or is no HTTP.
            Refused: The peer wants a certificate of ours, or another one.
            Misuse: The file of authorities cannot be used, or our certificate.
        """
        with translated():
            return self._exchange(request)

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            clients, self._client, self._left = [*self._left, self._client], None, []
        for client in clients:
            if client is not None:
                client.close()

    def _exchange(self, request: Request) -> Response:
        import time

        end = time.monotonic() + self._limits.whole
        client = self._open()
        headers = list(request.headers)
        with client.stream(request.method, request.url, headers=headers, content=request.body) as answer:
            body = bytearray()
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > self._limits.largest:
                    raise Malformed("the answer is too long")
                if time.monotonic() > end:
                    raise Unreachable("no end of the answer in time", timed_out=True)
            found: Headers = tuple((name.lower(), value) for name, value in answer.headers.multi_items())
            return Response(answer.status_code, found, bytes(body))

    def _open(self) -> httpx2.Client:
        """The client that is open, or one that shows what lies in our certificate's files now.

        Raises:
            Misuse: There is none yet, and none can be made. In the midst of being replaced, the files may not fit.
        """
        with self._lock:
            state = self._look()
            if self._client is not None and state in {None, self._shown}:
                return self._client
            try:
                fresh = self._make()
            except Misuse:
                if self._client is None:
                    raise
                return self._client
            # Who is in the midst of a request may finish it; by the next time there is nobody.
            for client in self._left:
                client.close()
            self._left, self._client, self._shown = [self._client] if self._client else [], fresh, state
            return fresh

    def _look(self) -> object:
        """What tells whether our certificate was replaced; None where there is nothing to see."""
        with contextlib.suppress(Misuse):
            return None if self._pair is None else self._pair.state()
        return None

    def _make(self) -> httpx2.Client:
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx2

        from keyfob.io.redacting import guard_log
        from keyfob.io.trust import ssl_context

        guard_log()
        limits = self._limits
        is_plain = self._ca is None and self._pair is None
        return httpx2.Client(
            verify=True if is_plain else ssl_context(self._ca, self._pair),
            timeout=httpx2.Timeout(limits.read, connect=limits.connect),
            follow_redirects=False,
            # What one answer sets must not go out with somebody else's request: this is shared by all.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=self._through_proxy,
        )


def _asked(problem: httpx2.RequestError) -> str:
    """Whom a request was to, where the library says."""
    try:
        return str(problem.request.url)
    except (RuntimeError, AttributeError):
        return ""


_shared = HttpSender()
# For what callers wait for who know nothing of it.
_soon = HttpSender(Limits(connect=5.0, read=5.0, whole=10.0))
_others: dict[tuple[Path | None, KeyPair | None], HttpSender] = {}
atexit.register(_shared.close)
atexit.register(_soon.close)


def sender_for(ca: Path | None, pair: KeyPair | None = None) -> HttpSender:
    """How to send with the ordinary limits, trusting those authorities besides and showing that certificate.

    Connections are shared by all who trust and show the same.
    """
    if ca is None and pair is None:
        return _shared
    if (ca, pair) not in _others:
        _others[ca, pair] = HttpSender(ca=ca, pair=pair)
        atexit.register(_others[ca, pair].close)
    return _others[ca, pair]


def send(request: Request) -> Response:
    """Send with the ordinary limits; see `HttpSender`."""
    return _shared(request)


def send_soon(request: Request) -> Response:
    """Send, and give up early: an API's own callers are waiting."""
    return _soon(request)
