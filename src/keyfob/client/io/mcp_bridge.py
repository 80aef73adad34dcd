"""Forward MCP messages in both directions: from stdin to a remote server, and from the server to stdout.

keyfob adds an access token to each request. The MCP SDK's transport carries the messages unchanged. If a request cannot
be sent, keyfob answers it with an error. The server answers all other requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import sys
import threading
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from typing import Any, Final, NoReturn, cast

import httpx2
from anyio import BrokenResourceError, ClosedResourceError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp_types import (
    PARSE_ERROR,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

from keyfob.errors import KeyfobError, Unreachable
from keyfob.io.httpx2_client import translated

_NOT_SENT: Final = -32000  # an error of the implementation (JSON-RPC 2.0 §5.1)
_WAITING_LINES: Final = 16
_CONNECT_S: Final = 30.0
_LAST_ANSWERS_S: Final = 30.0
_PIECE: Final = 64 * 1024
_DENIED: Final = frozenset({401, 403})
_SIGNALLED: Final = 128


def bridge(url: str, auth: httpx2.Auth, tls: ssl.SSLContext, report: Callable[[str], None], login_line: str) -> None:
    """Forward messages until stdin ends.

    Args:
        url: The server's address.
        auth: The auth object that adds the token, for the server's origin only.
        tls: The TLS settings.
        report: The function that shows a problem to the user. It must not use stdout, which carries the messages.
        login_line: The command that logs in to this server.

    Raises:
        Unreachable: The connection has ended.
        KeyboardInterrupt: On SIGINT.
        SystemExit: On SIGTERM.
    """

    async def run() -> None:
        await _Bridge(url, _ServerClient(auth, tls, report, login_line)).run()

    asyncio.run(run())


class _Bridge:
    """One connection, which forwards lines from stdin to the server, and the server's messages to stdout.

    Attributes:
        _pending: The ids of the requests from stdin that have no answer yet.
        _handshake: The id of the request `initialize` until it is answered; else None.
        _version: The MCP version in the server's answer to `initialize`; None before.
    """

    def __init__(self, url: str, client: _ServerClient) -> None:
        self._url = url
        self._client = client
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_LINES)
        self._pending: set[RequestId] = set()
        self._has_answered = asyncio.Event()
        self._handshake: RequestId | None = None
        self._version: str | None = None

    async def run(self) -> None:
        """Forward messages until stdin has ended and its requests are answered, or until SIGINT or SIGTERM arrives."""
        sent = _cancel_on_signals()
        reading = (asyncio.get_running_loop(), self._lines)
        threading.Thread(target=_read_stdin, args=reading, name="keyfob-mcp-stdin", daemon=True).start()
        try:
            async with self._client, streamable_http_client(self._url, http_client=self._client) as (received, send):
                returning = asyncio.ensure_future(self._return(received))
                try:
                    await self._send_lines(send.send)
                    await self._await_answers()
                finally:
                    returning.cancel()
        except asyncio.CancelledError:
            if not sent:
                raise
            _end_by(sent[0])
        except (BrokenResourceError, ClosedResourceError):  # the transport has ended, and has logged why
            raise Unreachable("the MCP server closed the connection") from None

    async def _send_lines(self, send: Callable[[SessionMessage], Awaitable[None]]) -> None:
        while line := await self._lines.get():
            message = _parse(line)
            if message is None:
                continue
            if isinstance(message, JSONRPCRequest):
                self._pending.add(message.id)
            await send(SessionMessage(message, ClientMessageMetadata(headers=self._headers(message))))

    async def _await_answers(self) -> None:
        """Wait up to 30 s for the answers that are still missing when stdin has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_ANSWERS_S):
                while self._pending:
                    self._has_answered.clear()
                    await self._has_answered.wait()

    async def _return(self, received: AsyncIterable[object]) -> None:
        async for sent in received:
            if isinstance(sent, SessionMessage):
                message = sent.message
                self._read_version(message)
                _write(message)
                if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
                    self._pending.discard(message.id)
                    self._has_answered.set()

    def _headers(self, message: JSONRPCMessage) -> dict[str, str]:
        """Return the HTTP headers that newer MCP versions require: they repeat members of the message."""
        if not isinstance(message, JSONRPCRequest | JSONRPCNotification):
            return {}
        parameters = message.params or {}
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            self._handshake = message.id
            return {}
        meta = parameters.get("_meta")
        members = cast("dict[str, object]", meta) if isinstance(meta, dict) else {}
        version = members.get(PROTOCOL_VERSION_META_KEY)
        if not isinstance(version, str):
            return {} if self._version is None else {MCP_PROTOCOL_VERSION_HEADER: self._version}
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: message.method}
        name = parameters.get(NAME_BEARING_METHODS.get(message.method, ""))
        return headers | ({MCP_NAME_HEADER: encode_header_value(name)} if isinstance(name, str) else {})

    def _read_version(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse) and message.id == self._handshake:
            version = cast("dict[str, object]", message.result).get("protocolVersion")
            self._version = version if isinstance(version, str) else None
            self._handshake = None


class _ServerClient(httpx2.AsyncClient):
    """An HTTP client that turns problems into JSON-RPC errors, which the MCP client can show.

    A problem is a request without a response, or a response that denies access.
    """

    def __init__(self, auth: httpx2.Auth, tls: ssl.SSLContext, report: Callable[[str], None], login_line: str) -> None:
        # A server may take long to answer, and may keep its event stream open for any time.
        super().__init__(auth=auth, verify=tls, timeout=httpx2.Timeout(_CONNECT_S, read=None))
        self._report = report
        self._login_line = login_line

    async def send(self, request: httpx2.Request, **settings: Any) -> httpx2.Response:  # noqa: ANN401  as the library
        try:
            with translated():
                response = await super().send(request, **settings)
        except KeyfobError as problem:
            return self._refusal(request, problem.message, problem.hint_with_flags)
        if response.status_code in _DENIED:
            await response.aclose()
            message = f"the MCP server responded with status {response.status_code}"
            return self._refusal(request, message, f"A new login may help: {self._login_line}")
        return response

    def _refusal(self, request: httpx2.Request, message: str, hint: str) -> httpx2.Response:
        self._report(f"{message}. {hint}" if hint else message)
        error = {"code": _NOT_SENT, "message": message, "data": {"hint": hint}}
        return httpx2.Response(503, json={"jsonrpc": "2.0", "id": 0, "error": error}, request=request)


def _read_stdin(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[bytes]) -> None:
    """Put each line of stdin into the queue, then b"". Runs in its own thread: a blocking read cannot be cancelled."""
    with contextlib.suppress(RuntimeError):  # the loop has ended
        for line in _lines_of_stdin():
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(lines.put(b""), loop).result()


def _lines_of_stdin() -> Iterator[bytes]:
    """Yield each non-empty line of stdin.

    `sys.stdin` is not used: if a thread still reads from it when Python exits, Python aborts.
    """
    rest = bytearray()
    while piece := os.read(sys.stdin.fileno(), _PIECE):
        *whole, last = (rest + piece).split(b"\n")
        yield from (bytes(line) for line in whole if line.strip())
        rest = last
    if rest.strip():
        yield bytes(rest)


def _parse(line: bytes) -> JSONRPCMessage | None:
    """Parse a line. If the line is not a JSON-RPC message, write an error to stdout and return None."""
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        _write(
            JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=PARSE_ERROR, message="not a JSON-RPC message"))
        )
        return None


def _write(message: JSONRPCMessage) -> None:
    sys.stdout.buffer.write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
    sys.stdout.buffer.flush()


def _cancel_on_signals() -> list[int]:
    """Make SIGINT and SIGTERM cancel the current task. Return the list to which the handler appends each signal."""
    sent: list[int] = []
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def cancel(number: int) -> None:
        sent.append(number)
        if task is not None:
            task.cancel()

    with contextlib.suppress(NotImplementedError):  # Windows: there Ctrl-C raises KeyboardInterrupt
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, cancel, number)
    return sent


def _end_by(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(_SIGNALLED + number)
