"""Create httpx2 clients, and translate httpx2's errors. `http.py` imports this lazily: httpx2 takes 70 ms to load."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Final

import httpx2

from keyfob.errors import KeyfobError, Malformed, Unreachable
from keyfob.io.key_pair import KeyPair
from keyfob.io.redacting import guard_log
from keyfob.io.trust import ssl_context
from keyfob.io.version import installed_version

_ENDED: Final = "disconnected without sending a response"


def make_client(
    *, connect: float, read: float, through_proxy: bool, ca: Path | None, pair: KeyPair | None
) -> httpx2.Client:
    """Return a client that follows no redirects, stores no cookies, and logs no secrets.

    Args:
        connect: The time limit for connecting, in seconds.
        read: The longest wait for the next piece of a response, in seconds.
        through_proxy: Whether to use the proxy that the environment sets.
        ca: A PEM file of certificate authorities to trust in addition to the system's.
        pair: The client certificate.

    Raises:
        Misuse: Any error of `ssl_context`.
    """
    guard_log()
    return httpx2.Client(
        verify=True if ca is None and pair is None else ssl_context(ca, pair),
        timeout=httpx2.Timeout(read, connect=connect),
        headers={"user-agent": user_agent()},
        follow_redirects=False,
        # The client is shared: a cookie must not be sent with another caller's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=through_proxy,
    )


def user_agent() -> str:
    """Return the User-Agent: keyfob's name, and its version if it is installed (RFC 9110 §10.1.5)."""
    return f"keyfob/{installed_version()}".rstrip("/")


def _is_plain(problem: httpx2.RequestError) -> bool:
    """Return whether the failed request's URL is plain http."""
    with contextlib.suppress(RuntimeError):  # the error knows no request
        return problem.request.url.scheme == "http"
    return False


@contextlib.contextmanager
def translated() -> Generator[None]:
    """Translate errors of httpx2 into keyfob's errors.

    Raises:
        Unreachable: There is no response. `timed_out` is true after a timeout. The message names the certificate, the
            proxy or the host at fault.
        Malformed: The response is not HTTP, or the URL is not valid.
        Refused: The server requires a client certificate, or does not accept the presented one.
    """
    try:
        yield
    except httpx2.TimeoutException:
        raise Unreachable("no response in time", timed_out=True, hint="Try again.") from None
    except (httpx2.ProxyError, httpx2.NetworkError) as problem:
        reason = _explain(problem)
        raise reason from None
    except httpx2.RemoteProtocolError as problem:
        if _ENDED in str(problem):
            # Some servers refuse a certificate in this way: asyncio's, for example.
            hint, flags = "Try again. It may require a client certificate, or another one.", "--certificate FILE"
            if _is_plain(problem):
                hint, flags = "The server may support https only: try the same address with https://.", ""
            raise Malformed("the server closed the connection without a response", hint=hint, flags=flags) from None
        raise Malformed("the response is not valid HTTP") from None
    except (httpx2.DecodingError, httpx2.TooManyRedirects):
        raise Malformed("the response is not valid HTTP") from None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.CookieConflict):
        raise Malformed("the address cannot be used", field="url") from None
    except (httpx2.HTTPError, httpx2.StreamError, httpx2.SSEError) as problem:
        broken = _broken(problem)
        raise broken from None


def _explain(problem: httpx2.ProxyError | httpx2.NetworkError) -> KeyfobError:
    from keyfob.io.diagnosis import explain_alert, explain_connection, explain_proxy  # noqa: PLC0415  for errors only

    url = _url_of(problem)
    if isinstance(problem, httpx2.ProxyError):
        return explain_proxy(str(problem), url)
    # In TLS 1.3, a server's alert about our certificate may arrive after the connection is made.
    alert = explain_alert(problem, url)
    if alert is not None:
        return alert
    return explain_connection(problem, url) if isinstance(problem, httpx2.ConnectError) else _broken(problem)


def _broken(problem: Exception) -> Unreachable:
    return Unreachable(f"the connection was lost ({type(problem).__name__})", hint="Try again.")


def _url_of(problem: httpx2.RequestError) -> str:
    """Return the URL of the failed request, or "" if the library did not set it."""
    try:
        return str(problem.request.url)
    except (RuntimeError, AttributeError):
        return ""
