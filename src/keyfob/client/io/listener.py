"""Listen on 127.0.0.1 for one browser to come back (RFC 8252 §7.3, §8.3).

Only a request to the callback, for this very host, with our own state counts. All else is answered and forgotten.
"""

from __future__ import annotations

import hmac
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.fields import read_form

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"
_LONGEST_BODY: Final = 64 * 1024
_PATIENCE_S: Final = 5
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;
padding:0 1rem}}</style></head><body><h1>{title}</h1><p>{words}</p>
<script>history.replaceState(null,"","/")</script></body></html>"""  # the code does not stay in the address
_DONE: Final = _PAGE.format(title="Done", words="You can close this page and go back to your program.")
_ENDED: Final = _PAGE.format(title="Not logged in", words="Your program says more. You can close this page.")
_STRAY: Final = _PAGE.format(title="Nothing here", words="This page belongs to a login that is over, or to none.")


class Listener:
    """Waits for a browser.

    Attributes:
        callback: Its address, to be given to the issuer.
    """

    def __init__(self, ports: tuple[int, ...], state: str) -> None:
        """Listen, on the first port that is free; () for any.

        Raises:
            Misuse: None is; with code `port-taken`.
        """
        self._found: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
        self._server = _bind(ports)
        self.callback = f"http://{HOST}:{self._server.server_port}{PATH}"
        self._server.RequestHandlerClass = _handler(self._found, state, f"{HOST}:{self._server.server_port}")
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hear(self, seconds: float) -> dict[str, str] | None:
        """What the browser brought, or None after so long."""
        try:
            return self._found.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None

    def close(self) -> None:
        """Listen no more; whoever is being answered is answered to the end."""
        self._server.shutdown()
        self._server.server_close()


def _bind(ports: tuple[int, ...]) -> ThreadingHTTPServer:
    for port in ports or (0,):
        try:
            return ThreadingHTTPServer((HOST, port), BaseHTTPRequestHandler)
        except (OSError, OverflowError):
            continue
    shown = ", ".join(map(str, ports))
    raise Misuse(f"no port is free of those given: {shown}", code="port-taken", hint="Say --flow device.")


def _handler(found: queue.SimpleQueue[dict[str, str]], state: str, host: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _PATIENCE_S
        server_version, sys_version = "keyfob", ""

        def answer(self) -> None:
            query = urlsplit(self.path).query.encode()
            if self.command == "POST":
                length = self.headers.get("content-length", "")
                query = self.rfile.read(int(length)) if length.isdigit() and int(length) <= _LONGEST_BODY else b""
            parameters = self._ours(query)
            page = _STRAY if parameters is None else _DONE if "code" in parameters else _ENDED
            body = page.encode()
            self.send_response(404 if parameters is None else 200)
            for name, value in (
                ("content-type", "text/html; charset=utf-8"), ("content-length", str(len(body))),
                ("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("connection", "close"),
                ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"),
            ):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if parameters is not None:
                found.put(parameters)

        do_GET = do_POST = answer  # noqa: N815  the names are http.server's

        def _ours(self, query: bytes) -> dict[str, str] | None:
            """The parameters, if they are an answer to what we asked."""
            if urlsplit(self.path).path != PATH or self.headers.get("host") != host:
                return None
            try:
                fields = read_form(query, "answer")
            except Malformed:
                return None
            shown = fields.values.get("state")
            if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), state.encode()):
                return None
            return {name: str(value) for name, value in fields.values.items()}

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  what comes here holds codes
            """Say nothing."""

    return Handler
