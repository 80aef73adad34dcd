"""Serve an ASGI application on a socket: in this thread until told to stop, or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import threading
from typing import Any, Final, NoReturn

import uvicorn

from keyfob.errors import Misuse, Unreachable
from keyfob.io.redacting import guard_log
from keyfob.server.io.certificates import TlsFiles

_BACKLOG: Final = 256
_START_LIMIT_S: Final = 10.0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        Misuse: With code `port-taken`, somebody else listens there; else the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only where it is: without it, the
    # second half of every answer waits 40 ms for the other side's acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OverflowError:
        listener.close()
        raise Misuse(f"{port} is no port") from None
    except OSError as problem:
        listener.close()
        _not_bound(host, port, problem)
    return listener


def _not_bound(host: str, port: int, problem: OSError) -> NoReturn:
    """Say why.

    Raises:
        Misuse: Always.
    """
    if problem.errno == errno.EADDRINUSE:
        hint = "Choose another with --port, or --port 0 for any."
        raise Misuse(f"port {port} is taken", code="port-taken", hint=hint)
    raise Misuse(f"cannot listen on {host} port {port}: {problem.strerror}")


def url_of(listener: socket.socket, *, is_tls: bool = False, name: str = "") -> str:
    """The address of a listening socket, with a trailing slash.

    Args:
        listener: Bound already, so that its port is known.
        is_tls: Whether it is served with certificates.
        name: What to call its host; "" for the address it is bound to.
    """
    host, port = listener.getsockname()[:2]
    host = name or host
    return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"


def _server(app: Any, tls: TlsFiles | None) -> uvicorn.Server:  # noqa: ANN401  uvicorn takes many kinds of application
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="off",
        timeout_graceful_shutdown=5,
        ssl_certfile=tls.certificate if tls else None, ssl_keyfile=tls.key if tls else None,
    )  # fmt: skip
    guard_log("uvicorn.error")
    config.load()
    if config.ssl is not None:  # RFC 9325 §3.1.1, whatever this machine's OpenSSL would allow
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return uvicorn.Server(config)


def run(app: Any, listener: socket.socket, tls: TlsFiles | None = None) -> None:  # noqa: ANN401
    """Serve until SIGINT or SIGTERM, over https with `tls`; requests under way are finished first."""
    guard_log("asyncio", "concurrent.futures")
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and raises the signal once more
        _server(app, tls).run(sockets=[listener])


class Running:
    """An application served in a thread.

    Attributes:
        url: Its address, with a trailing slash.
    """

    def __init__(self, app: Any, listener: socket.socket, tls: TlsFiles | None = None) -> None:  # noqa: ANN401
        """Start, over https with `tls`, and return when it answers.

        Raises:
            Unreachable: It did not start in time.
        """
        self.url = url_of(listener, is_tls=tls is not None)
        self._listener = listener
        self._started = threading.Event()
        self._server = _server(app, tls)
        self._thread = threading.Thread(target=self._run, name="keyfob-serve", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_LIMIT_S):
            raise Unreachable("the server did not start in time")

    def stop(self) -> None:
        """Finish requests under way, then stop; returns when nothing listens any more."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        async def serve() -> None:
            task = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
            while not self._server.started and not task.done():  # noqa: ASYNC110  uvicorn offers a flag, no event
                await asyncio.sleep(0.005)
            self._started.set()
            await task

        asyncio.run(serve())
