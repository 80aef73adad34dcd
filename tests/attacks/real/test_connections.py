"""What one connection can make a tenant hold: the size of a request, and the time to send it."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import uvicorn
from uvicorn.server import ServerState

from keyfob.serve import Tenant, bind, ready_config, url_of
from keyfob.server.decide import limits
from keyfob.server.io.bounded_http import BoundedHttp
from keyfob.server.io.running import Running, _server


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    listener = bind("127.0.0.1", 0)
    server = Running(Tenant.in_memory(ready_config(url_of(listener))).app, listener)
    yield server
    server.stop()


def connect(running: Running) -> socket.socket:
    parts = urlsplit(running.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


def pour(connection: socket.socket, begin: bytes, more: bytes, most: int = 32 << 20) -> int:
    """Send `more` until the server closes the connection. Return how many bytes it took."""
    sent = 0
    try:
        connection.sendall(begin)
        while sent < most and not select.select([connection], [], [], 0)[0]:
            connection.sendall(more)
            sent += len(more)
    except OSError:
        pass
    return sent


def answer_of(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"x-more: " + b"a" * 8000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a:\r\n" * 2000),
        (b"GET / HTTP/1.1\r\nx-long: ", b"a" * 8000),
        (b"GET /", b"a" * 8000),
        (b"GET / HTTP/1.1\r\n", b"a" * 8000),
        (b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-trailer: ", b"a" * 8000),
    ],
    ids=["headers", "many headers", "one header", "url", "header name", "trailer"],
)
def test_a_request_head_is_bounded(running: Running, begin: bytes, more: bytes) -> None:
    """[FS-03] The connection is closed, whatever grows: 150 MiB of headers took 150 MiB of memory."""
    with closing(connect(running)) as connection:
        assert pour(connection, begin, more) < 32 << 20
        assert answer_of(connection)[:12] in {b"HTTP/1.1 431", b"HTTP/1.1 400", b"HTTP/1.1 411", b""}


def test_a_head_of_30_kib_is_read_and_one_of_40_kib_is_not(running: Running) -> None:
    """[FS-03]."""
    for size, status in ((30, b"HTTP/1.1 404"), (40, b"HTTP/1.1 431")):
        with closing(connect(running)) as connection:
            connection.sendall(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * size * 1024 + b"\r\n\r\n")
            assert answer_of(connection)[:12] == status


@pytest.mark.parametrize(("number", "status"), [(200, b"HTTP/1.1 404"), (201, b"HTTP/1.1 431")])
def test_a_request_has_200_headers_at_most(running: Running, number: int, status: bytes) -> None:
    """[FS-03] Also if all of them come in one piece."""
    with closing(connect(running)) as connection:
        more = b"".join(b"a: %d\r\n" % at for at in range(number - 1))
        connection.sendall(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n" + more + b"\r\n")
        assert answer_of(connection)[:12] == status


def test_a_body_that_is_too_long_closes_the_connection(running: Running) -> None:
    """[FS-03] The rest of the body is not read."""
    with closing(connect(running)) as connection:
        head = b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n"
        assert pour(connection, head, b"a" * 8000, 32 << 20) < 32 << 20
        assert answer_of(connection)[:12] in {b"HTTP/1.1 413", b""}


def test_a_request_for_a_websocket_is_answered_and_closed(running: Running) -> None:
    """[FS-25]."""
    with closing(connect(running)) as connection:
        connection.sendall(
            b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        )
        assert answer_of(connection).startswith(b"HTTP/1.1 404")
        while connection.recv(65536):
            pass


class Peer(asyncio.Transport):
    """The other end of a connection, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return bool(self._ended)

    def ended(self) -> str:
        return self._ended

    def close(self) -> None:
        self._ended = self._ended or "closed"

    def abort(self) -> None:
        self._ended = "aborted"

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def _slow(scope: object, receive: object, send: object) -> None:
    del scope, receive, send
    await asyncio.Event().wait()


async def _quick(scope: object, receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    del scope, receive
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def accepted(state: ServerState) -> tuple[BoundedHttp, Peer]:
    config = uvicorn.Config(_slow, http=BoundedHttp, lifespan="off")
    protocol, peer = BoundedHttp(config, state, {}), Peer()
    protocol.connection_made(peer)
    return protocol, peer


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc"],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_request_must_be_complete_in_time(sent: bytes) -> None:
    """[FS-03] 200 half-sent requests were held for ever."""

    async def story() -> None:
        protocol, peer = accepted(ServerState())
        begun, limit = asyncio.get_running_loop().time(), limits.READ_TIME.total_seconds()
        if sent:
            protocol.data_received(sent)
        protocol.end_if_late(begun + limit - 1)
        assert not peer.ended()
        protocol.end_if_late(begun + limit + 1)
        assert peer.ended() == "closed"
        protocol.end_if_late(begun + limit + 2)
        protocol.end_if_late(begun + 2 * limit + 3)
        assert peer.ended() == "aborted"

    asyncio.run(story())


def test_a_peer_that_does_not_read_is_ended() -> None:
    """[FS-03]."""

    async def story() -> None:
        protocol, peer = accepted(ServerState())
        protocol.data_received(b"GET / HTTP/1.1\r\n\r\n")
        protocol.pause_writing()
        protocol.end_if_late(asyncio.get_running_loop().time() + limits.READ_TIME.total_seconds() + 1)
        assert peer.ended() == "aborted"
        protocol.connection_lost(None)

    asyncio.run(story())


def test_the_longest_waiting_connection_makes_room() -> None:
    """[FS-03] Connections are limited, and a new caller is not shut out by those that only wait."""

    async def story() -> None:
        state = ServerState()
        busy, busy_peer = accepted(state)
        busy.data_received(b"GET / HTTP/1.1\r\n\r\n")
        others = [accepted(state) for _ in range(limits.CONNECTIONS)]
        assert [peer.ended() for _, peer in others].count("aborted") == 1
        assert others[0][1].ended() == "aborted"
        assert not busy_peer.ended()
        assert not others[-1][1].ended()

    asyncio.run(story())


def test_pipelined_requests_are_bounded() -> None:
    """[FS-03] 256 KiB of short requests would be thousands that wait."""

    async def story() -> None:
        protocol, peer = accepted(ServerState())
        protocol.data_received(b"GET / HTTP/1.1\r\n\r\n" * 200)
        assert peer.ended() == "closed"

    asyncio.run(story())


class Ahead(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def settle() -> None:
    """Let everything run that is due."""
    for _ in range(9):
        await asyncio.sleep(0)


def test_a_connection_is_kept_between_two_polls() -> None:
    """[FI-01]: with the settings of the server that `keyfob serve` and `Running` start.

    RFC 8628 has an interval of 5 s, which is uvicorn's default, and each `slow_down` adds 5 s.
    """

    async def story(clock: Ahead) -> None:
        config = _server(_quick, None).config
        protocol, peer = BoundedHttp(config, ServerState(), {}), Peer()
        assert config.http_protocol_class is BoundedHttp
        protocol.connection_made(peer)
        for pause in (5, 10, 60, 74):
            peer.written = b""
            protocol.data_received(b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            await settle()
            assert peer.written.startswith(b"HTTP/1.1 400")
            clock.ahead += pause
            await settle()
            protocol.end_if_late(clock.time())
            assert not peer.ended(), pause
        clock.ahead += 2
        await settle()
        assert peer.ended() == "closed"

    with asyncio.Runner(loop_factory=Ahead) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, Ahead)
        runner.run(story(loop))
