"""HTTP connections with limits: size of the request head, time to read a request, number of connections.

This module adds the limits to uvicorn's parser `httptools`, which has none. uvicorn's other parser, `h11`, has limits
but takes twice the CPU time. Under another ASGI server, that server must set such limits (docs/https.md).
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from keyfob.server.decide import limits

_PIECE: Final = 4096
_READ_S: Final = limits.READ_TIME.total_seconds()
_STOP_READING_S: Final = limits.STOP_READING.total_seconds()
_STOP_IDLE_S: Final = limits.STOP_IDLE.total_seconds()
_IDLE_S: Final = limits.KEEP_ALIVE.total_seconds() + 5  # in case a lone CR LF has stopped uvicorn's own, shorter timer


class _TooLarge(Exception):
    """Raised if a request exceeds a limit. uvicorn's parser handles it as a syntax error, so the request is refused."""


class BoundedHttp(HttpToolsProtocol):
    """One HTTP connection. Times are seconds of the event loop's clock.

    Methods that run at every request name uvicorn's class, since `super()` takes longer.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._since = self.loop.time()
        self._is_reading = True  # whether a request is incomplete; True before the first request, which is awaited
        self._is_head = True
        self._received = 0  # bytes of the present head or body
        self._is_too_large = False
        self._stalled_since: float | None = None  # since when the peer has not read, or has not closed the connection
        self._stopping_since: float | None = None  # since when the server has been shutting down

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection.

        If there are too many connections, close the connection that has waited longest for data from its peer. If none
        waits for such data, close the new connection.
        """
        super().connection_made(cast("asyncio.Transport", transport))
        if len(self.connections) > limits.CONNECTIONS:
            waiting = [one for one in self.connections if isinstance(one, BoundedHttp) and one.waits]
            min(waiting, key=lambda one: one._since, default=self).transport.abort()  # noqa: SLF001

    @property
    def waits(self) -> bool:
        """Whether the connection waits for data from its peer, not for a response of the application."""
        cycle = self._present_cycle()
        return self._is_reading or cycle is None or cycle.response_complete

    def _present_cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, although uvicorn's annotation excludes None

    def data_received(self, data: bytes) -> None:
        """Parse the data in small pieces, so that the size is checked after each piece.

        If the data were parsed in one piece, the parser would store a header or URL of any size.
        """
        for at in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            piece = data[at : at + _PIECE] if len(data) > _PIECE else data
            self._received += len(piece)
            HttpToolsProtocol.data_received(self, piece)
            if self._received > (limits.HEAD_BYTES if self._is_head else limits.SENT_BYTES) or self._has_many_headers():
                self._is_too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a request, and begin to count its bytes."""
        HttpToolsProtocol.on_message_begin(self)
        self._since, self._is_reading, self._is_head = self.loop.time(), True, True
        self._received = min(self._received, _PIECE)

    def _has_many_headers(self) -> bool:
        """Return whether the request has too many headers and trailers. Its present piece may add some 1,000 more."""
        return len(self.headers or ()) > limits.HEADERS  # None before the first request

    def on_headers_complete(self) -> None:
        """Start the application, or queue the request until the previous one is finished."""
        if self._has_many_headers():
            self._is_too_large = True
            raise _TooLarge
        if len(self.pipeline) >= limits.PIPELINED:
            raise _TooLarge
        self._is_head, self._received = False, 0
        HttpToolsProtocol.on_headers_complete(self)
        if self._stopping_since is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Record that the request is complete, so that the limit for reading a request no longer applies."""
        HttpToolsProtocol.on_message_complete(self)
        self._is_reading, self._received = False, 0

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        if not self._is_reading:
            self._since = self.loop.time()
        HttpToolsProtocol.on_response_complete(self)

    def pause_writing(self) -> None:
        """Record when the peer stopped reading."""
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Record that the peer reads again."""
        self._stalled_since = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Send a refusal, and close the connection.

        If an earlier request on this connection has no response yet, only close the connection. Otherwise the client
        would read the refusal as the response to the earlier request.
        """
        del msg
        if self.transport.is_closing():
            return
        cycle = self._present_cycle()
        if cycle is None or cycle.response_complete:
            status = 431 if self._is_too_large else 400
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()

    def end_if_late(self, now: float) -> None:
        """Close the connection if its peer is too slow. The server calls this method about once a second."""
        if self._stalled_since is not None and now - self._stalled_since > _READ_S:
            self.transport.abort()
        elif self.transport.is_closing():
            self._stalled_since = now if self._stalled_since is None else self._stalled_since
        elif (self._is_reading and now - self._since > _READ_S) or (self.waits and now - self._since > _IDLE_S):
            self.transport.close()

    def shutdown(self) -> None:
        """Finish the current request, or the request that the peer is sending. Then close the connection.

        The server calls this method until the connection is closed. uvicorn's own method would cut off a request that
        is still being sent.
        """
        now = self.loop.time()
        if self._stopping_since is None:
            self._stopping_since = now
        if not self.waits:
            super().shutdown()
            return
        has_begun = self._is_reading and (self._received > 0 or not self._is_head)
        if now - self._stopping_since > (_STOP_READING_S if has_begun else _STOP_IDLE_S):
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Close the connection after the response to a WebSocket request, since further data is not HTTP.

        The request is handled like any other. uvicorn's own method would log warnings.
        """
        cycle = self._present_cycle()
        if cycle is not None:
            cycle.keep_alive = False
