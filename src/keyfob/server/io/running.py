"""Serve an ASGI application on a socket: in this thread until told to stop, or in one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from typing import Any, Final, NoReturn

import uvicorn

from keyfob.errors import Misuse, Unreachable

_BACKLOG: Final = 256
_START_LIMIT_S: Final = 10.0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        Misuse: With code `port-taken`, somebody else listens there; else the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


def url_of(listener: socket.socket) -> str:
    """The http address of a listening socket, with a trailing slash."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _server(app: Any) -> uvicorn.Server:  # noqa: ANN401  uvicorn takes many kinds of application
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="off",
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    return uvicorn.Server(config)


def run(app: Any, listener: socket.socket) -> None:  # noqa: ANN401
    """Serve until SIGINT or SIGTERM; requests under way are finished first."""
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has shut down by then, and raises the signal once more
        _server(app).run(sockets=[listener])


class Running:
    """An application served in a thread.

    Attributes:
        url: Its address, with a trailing slash.
    """

    def __init__(self, app: Any, listener: socket.socket) -> None:  # noqa: ANN401
        """Start, and return when it answers.

        Raises:
            Unreachable: It did not start in time.
        """
        self.url = url_of(listener)
        self._listener = listener
        self._started = threading.Event()
        self._server = _server(app)
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
