"""Serve an ASGI application on a socket, in this thread or in a new one.

A second socket can request client certificates (RFC 8705 §5). Browsers use the first socket, since a browser would ask
its user to choose a certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import uvicorn

from keyfob.errors import Misuse, Unreachable
from keyfob.io.redacting import guard_log
from keyfob.io.sockets import claim_port
from keyfob.server.decide import limits
from keyfob.server.io.asgi import AsgiApp
from keyfob.server.io.bounded_http import BoundedHttp
from keyfob.server.io.certificates import TlsFiles

_BACKLOG: Final = 256
_START_LIMIT_S: Final = 10.0
_END_EVERY_S: Final = 0.05
_CHECK_EVERY: Final = 10  # the number of uvicorn's ticks between two checks; ten ticks are one second


@dataclass(frozen=True, slots=True)
class Certified:
    """A second socket, for clients with certificates.

    Attributes:
        listener: A bound socket.
        authorities: A file with the accepted certificate authorities. If None, only registered certificates are
            accepted.
        registered: A function that returns the clients' registered certificates in DER.
    """

    listener: socket.socket
    authorities: Path | None
    registered: Callable[[], Awaitable[tuple[bytes, ...]]]


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket. With port 0, the system selects a free port.

    Raises:
        Misuse: The port is in use (code `port-taken`), or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # `proto` is given, since asyncio otherwise does not set TCP_NODELAY. Without TCP_NODELAY, the second half of every
    # response waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    claim_port(listener)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OverflowError:
        listener.close()
        raise Misuse(f"{port} is not a port") from None
    except OSError as problem:
        listener.close()
        _not_bound(host, port, problem)
    return listener


def _not_bound(host: str, port: int, problem: OSError) -> NoReturn:
    if problem.errno == errno.EADDRINUSE:
        hint = "Choose another port with --port, or any free one with --port 0."
        raise Misuse(f"another program uses port {port}", code="port-taken", hint=hint)
    raise Misuse(f"cannot listen on {host} port {port}: {problem.strerror}")


def url_of(listener: socket.socket, *, is_tls: bool = False, name: str = "") -> str:
    """Return the URL of a listening socket, with a trailing slash.

    Args:
        listener: A bound socket.
        is_tls: Whether the socket serves https.
        name: The host name for the URL; "" uses the address of the socket.
    """
    host, port = listener.getsockname()[:2]
    host = name or host
    return f"{'https' if is_tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"


class _LimitedServer(uvicorn.Server):
    """A uvicorn server with connection limits. It can listen on a second socket, which requests client certificates."""

    def __init__(self, config: uvicorn.Config, certified: Certified | None, tls: TlsFiles | None) -> None:
        super().__init__(config)
        self._certified = certified
        self._known: set[bytes] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._context = None if certified is None or tls is None else _mtls_context(tls, certified)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the registered certificates, then listen on both sockets."""
        await super().startup(sockets)
        if self._certified is not None and self._context is not None:
            await self._accept_registered()
            listener, loop = self._certified.listener, asyncio.get_running_loop()
            make = self._maker(_with_certificate(self.config.http_protocol_class))
            self.servers.append(await loop.create_server(make, sock=listener, ssl=self._context, backlog=_BACKLOG))

    def _maker(self, kind: Any) -> Any:  # noqa: ANN401  one of uvicorn's protocol classes
        return partial(kind, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        """Accept newly registered certificates, delete expired rows, and close connections that are too slow.

        A certificate that is no longer registered is refused by the endpoints, although the TLS layer still accepts it.
        """
        if counter % _CHECK_EVERY == 0:
            await self._accept_registered()
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, BoundedHttp):
                    connection.end_if_late(now)
        if isinstance(self.config.app, AsgiApp) and (self._sweeping is None or self._sweeping.done()):
            self._sweeping = asyncio.ensure_future(self.config.app.sweep_if_due(is_idle=True))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, respond to all accepted requests, and close every connection."""
        self._end_connections()
        await self._accept_last(sockets or [])
        ending = asyncio.ensure_future(self._keep_ending())
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()

    async def _accept_last(self, sockets: list[socket.socket]) -> None:
        """Stop listening, but serve the connections that wait in the queues of the sockets.

        If a socket is closed, the system resets the connections in its queue. So each socket is duplicated before the
        event loop closes it. The duplicate is closed after all connections in its queue were accepted.
        """
        kind = self.config.http_protocol_class
        places = [(one, self._maker(kind), self.config.ssl) for one in sockets]
        if self._certified is not None and self._context is not None:
            places.append((self._certified.listener, self._maker(_with_certificate(kind)), self._context))
        copies = [(listener.dup(), make, context) for listener, make, context in places]
        for server in self.servers:
            server.close()
        accepted: list[tuple[socket.socket, Any, ssl.SSLContext | None]] = []
        for copy, make, context in copies:
            with contextlib.closing(copy), contextlib.suppress(OSError):  # raised when the queue is empty
                while True:
                    accepted.append((copy.accept()[0], make, context))
        loop = asyncio.get_running_loop()
        connecting = [loop.connect_accepted_socket(make, one, ssl=context) for one, make, context in accepted]
        await asyncio.gather(*connecting, return_exceptions=True)

    def _end_connections(self) -> None:
        for connection in tuple(self.server_state.connections):
            connection.shutdown()

    async def _keep_ending(self) -> None:
        """Shut down every connection, including connections that complete their TLS handshake during the shutdown."""
        while True:
            self._end_connections()
            await asyncio.sleep(_END_EVERY_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Shut down at SIGINT or SIGTERM.

        uvicorn's own method would raise the signal again, which would end the process before the store is closed.
        """
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def _accept_registered(self) -> None:
        if self._certified is None or self._context is None:
            return
        for certificate in set(await self._certified.registered()) - self._known:
            self._known.add(certificate)
            with contextlib.suppress(ssl.SSLError):  # a certificate that OpenSSL cannot read is not accepted
                self._context.load_verify_locations(cadata=certificate)


def _mtls_context(tls: TlsFiles, certified: Certified) -> ssl.SSLContext:
    """Return a TLS context that requests a client certificate, but does not require one.

    Raises:
        Misuse: The file of authorities cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    # A registered certificate is trusted even if an unknown authority has signed it.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if certified.authorities is not None:
        try:
            context.load_verify_locations(certified.authorities)
        except OSError as problem:  # ssl.SSLError is an OSError
            reason = type(problem).__name__
            raise Misuse(f"{certified.authorities} contains no certificates in PEM ({reason})") from None
    return context


def _with_certificate(protocol: Any) -> Any:  # noqa: ANN401  one of uvicorn's protocol classes
    """Return the protocol class, extended to pass the client certificate to the application (ASGI's TLS extension)."""

    def connection_made(self: Any, transport: asyncio.BaseTransport) -> None:  # noqa: ANN401
        protocol.connection_made(self, transport)
        found: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = found.getpeercert(binary_form=True) if found is not None else None
        if certificate:
            self.app = partial(_call_with_certificate, self.app, ssl.DER_cert_to_PEM_cert(certificate))

    return type("WithCertificate", (protocol,), {"connection_made": connection_made})


async def _call_with_certificate(app: Any, certificate: str, scope: dict[str, Any], *channel: Any) -> None:  # noqa: ANN401
    extensions: dict[str, object] = scope.get("extensions") or {}
    await app({**scope, "extensions": {**extensions, "tls": {"client_cert_chain": [certificate]}}}, *channel)


def _server(app: Any, tls: TlsFiles | None, certified: Certified | None = None) -> uvicorn.Server:  # noqa: ANN401  uvicorn takes many kinds of application
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="off",
        timeout_graceful_shutdown=int(limits.STOP_ANSWERING.total_seconds()),
        timeout_keep_alive=int(limits.KEEP_ALIVE.total_seconds()), http=BoundedHttp, ws="none",
        ssl_certfile=tls.certificate if tls else None, ssl_keyfile=tls.key if tls else None,
    )  # fmt: skip
    guard_log("uvicorn.error")
    config.load()
    if config.ssl is not None:  # at least TLS 1.2 (RFC 9325 §3.1.1), even if this machine's OpenSSL allows TLS 1.1
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return _LimitedServer(config, certified, tls)


@contextlib.contextmanager
def until_signal(
    app: Any,  # noqa: ANN401
    listener: socket.socket,
    tls: TlsFiles | None = None,
    certified: Certified | None = None,
) -> Generator[Callable[[], None]]:
    """Yield a function that serves until SIGINT or SIGTERM and then finishes pending requests. `tls` enables https.

    If a signal arrives before the function is called, the function returns at once.
    """
    guard_log("asyncio", "concurrent.futures")
    server = _server(app, tls, certified)
    # Handle signals before any event loop begins, since an event loop that is ending loses the signal's exception.
    with contextlib.suppress(KeyboardInterrupt), server.capture_signals():
        # Exclude the present 50,000 objects from garbage collection. Each full collection would delay every request by
        # 30 ms, on a busy machine by 200 ms, and would lose a signal's exception.
        gc.collect()
        gc.freeze()
        yield partial(server.run, sockets=[listener])


class Running:
    """An application that is served in a thread.

    Attributes:
        url: The URL of the application, with a trailing slash.
    """

    def __init__(
        self,
        app: Any,  # noqa: ANN401
        listener: socket.socket,
        tls: TlsFiles | None = None,
        certified: Certified | None = None,
    ) -> None:
        """Start the server, with https if `tls` is given, and wait until it is ready.

        Raises:
            Unreachable: The server did not start in time.
        """
        self.url: str = url_of(listener, is_tls=tls is not None)
        self._listener = listener
        self._started = threading.Event()
        self._server = _server(app, tls, certified)
        self._thread = threading.Thread(target=self._run, name="keyfob-serve", daemon=True)
        self._thread.start()
        if not self._started.wait(_START_LIMIT_S):
            raise Unreachable("the server did not start in time")

    def stop(self) -> None:
        """Finish pending requests, then stop the server and close the socket."""
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
