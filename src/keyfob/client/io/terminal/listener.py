"""Listen on this machine for one browser to come back (RFC 8252 §7.3, §8.3).

Only a request to the callback, for this very host, with our own state counts, and only the first. All else is answered
and forgotten. The browser's page waits until the login has ended, so that it says what came of it.
"""

from __future__ import annotations

import hmac
import queue
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from keyfob.client.model.callback import Callback
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.fields import read_form

_LONGEST_BODY: Final = 64 * 1024
_PATIENCE_S: Final = 5
_VERDICT_S: Final = 20  # a page is not kept waiting for longer
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;
padding:0 1rem}}</style></head><body><h1>{title}</h1><p>{words}</p>
<script>history.replaceState(null,"","/")</script></body></html>"""  # the code does not stay in the address
_DONE: Final = _PAGE.format(title="Logged in", words="You can close this page and go back to your program.")
_SOON: Final = _PAGE.format(title="Almost there", words="Your program says how it ends. You can close this page.")
_ENDED: Final = _PAGE.format(title="Not logged in", words="Your program says more. You can close this page.")
_STRAY: Final = _PAGE.format(title="Nothing here", words="This page belongs to a login that is over, or to none.")


class Listener:
    """Waits for a browser.

    Attributes:
        callback: Its address, to be given to the issuer.
    """

    def __init__(self, callbacks: tuple[Callback, ...], state: str) -> None:
        """Listen at the first address that is free.

        Raises:
            Misuse: None is; with code `port-taken`.
        """
        self._found: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self._ending = _Ending()
        chosen, self._servers = _bind(callbacks)
        port = self._servers[0].server_port
        self.callback = chosen.address(port)
        handler = _handler(self._found, self._ending, _Expected(f"{chosen.host}:{port}", chosen.path, state))
        for server in self._servers:
            server.RequestHandlerClass = handler
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def hear(self, seconds: float) -> dict[str, str] | None:
        """What the browser brought, or None after so long."""
        try:
            return self._found.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None

    def close(self, *, went_well: bool) -> None:
        """Listen no more; a browser that waits is told how it ended."""
        self._ending.settle(went_well=went_well)
        self._ending.wait_until_told()
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Ending:
    """How a login ended, for the one page that waits to say it."""

    def __init__(self) -> None:
        self._is_taken = threading.Lock()
        self._is_settled = threading.Event()
        self._is_told = threading.Event()
        self._went_well = False

    def claim(self) -> bool:
        """Whether an answer is the first one."""
        return self._is_taken.acquire(blocking=False)

    def settle(self, *, went_well: bool) -> None:
        """The login is over."""
        self._went_well = went_well
        self._is_settled.set()

    def notify(self) -> None:
        """The browser has its page."""
        self._is_told.set()

    def wait_until_told(self) -> None:
        """Let the browser have its page before the process goes."""
        if self._is_taken.locked():
            self._is_told.wait(_PATIENCE_S)

    def page(self) -> str:
        """What to show, once it is known."""
        if not self._is_settled.wait(_VERDICT_S):
            return _SOON
        return _DONE if self._went_well else _ENDED


class _Server4(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that hangs up is no news, and an error could tell what it brought."""


class _Server6(_Server4):
    address_family = socket.AF_INET6


def _bind(callbacks: tuple[Callback, ...]) -> tuple[Callback, list[ThreadingHTTPServer]]:
    """The first address that is free, and who listens there: `localhost` may mean IPv4 or IPv6, so both do.

    Raises:
        Misuse: None is free.
    """
    for callback in callbacks:
        servers: list[ThreadingHTTPServer] = []
        wanted = callback.port
        for kind, host in ((_Server4, "127.0.0.1"), (_Server6, "::1")):
            if callback.host not in {"localhost", host, f"[{host}]"}:
                continue
            try:
                servers.append(kind((host, wanted), BaseHTTPRequestHandler))
                wanted = servers[0].server_port
            except (OSError, OverflowError):
                continue
        if servers:
            return callback, servers
    shown = ", ".join(str(callback.port) for callback in callbacks if callback.port)
    raise Misuse(
        f"no port is free of those given: {shown}" if shown else "this machine lets nobody listen on it",
        code="port-taken",
        hint="Say --flow device.",
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """What an answer to our question looks like."""

    host: str
    path: str
    state: str

    def read(self, request: BaseHTTPRequestHandler) -> dict[str, str] | None:
        """The parameters, if they are that answer."""
        parts = urlsplit(request.path)
        query = parts.query.encode()
        if request.command == "POST":
            length = request.headers.get("content-length", "")
            query = request.rfile.read(int(length)) if length.isdigit() and int(length) <= _LONGEST_BODY else b""
        if parts.path != self.path or request.headers.get("host") != self.host:
            return None
        try:
            fields = read_form(query, "answer")
        except Malformed:
            return None
        shown = fields.values.get("state")
        if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), self.state.encode()):
            return None
        return {name: str(value) for name, value in fields.values.items()}


def _handler(
    found: queue.SimpleQueue[dict[str, str]], ending: _Ending, expected: _Expected
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_S
        server_version, sys_version = "keyfob", ""

        def answer(self) -> None:
            parameters = expected.read(self)
            if parameters is None or not ending.claim():
                self._say(404, _STRAY)
                return
            found.put(parameters)
            try:
                self._say(200, ending.page())
            finally:
                ending.notify()

        do_GET = do_POST = answer  # noqa: N815  the names are http.server's

        def _say(self, status: int, page: str) -> None:
            body = page.encode()
            self.send_response(status)
            for name, value in (
                ("content-type", "text/html; charset=utf-8"), ("content-length", str(len(body))),
                ("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("connection", "close"),
                ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"),
            ):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  what comes here holds codes
            """Say nothing."""

    return Handler
