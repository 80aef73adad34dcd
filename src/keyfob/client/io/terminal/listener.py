"""Listen on the loopback interface for the redirect (RFC 8252 §7.3, §8.3).

Only the first request to the redirect URI with the right host and `state` is accepted; all others get status 404. The
response to the browser waits until the login has ended, so that the page can show the result.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import queue
import socket
import sys
import threading
from dataclasses import dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from keyfob.client.model.callback import Callback
from keyfob.errors import Malformed, Misuse
from keyfob.io.sockets import claim_port
from keyfob.protocol.fields import read_form
from keyfob.protocol.language import Language, accepted_language

_LONGEST_BODY: Final = 64 * 1024
_TIMEOUT_S: Final = 5
_VERDICT_S: Final = 20  # how long a page waits for the login's result
# The part of the server's style sheet (server/io/templates/style.css) that one short page needs.
_STYLE: Final = """:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;padding:2rem 1rem;display:flex;flex-direction:column;align-items:center;
background:light-dark(#f3f4f7,#131519);color:light-dark(#1a1d22,#eceef1);font:1rem/1.5 system-ui,sans-serif}
header{margin:6vh 0 1.25rem;font-weight:650;overflow-wrap:anywhere}
main{width:100%;max-width:29rem;padding:2rem;background:light-dark(#fff,#1f2228);
border:1px solid light-dark(#dde1e7,#3a404a);border-radius:14px}
h1{font-size:1.4rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
main div{display:flex;align-items:center;gap:.6rem}
p{margin:.75rem 0 0}
.mark{flex:none;display:grid;place-items:center;width:1.9rem;height:1.9rem;color:#fff;
background:#6b7280;border:1px solid transparent;border-radius:50%;font-size:1rem}
.good{background:#1c7c3c}
@media(max-width:30rem){body{padding:0;background:light-dark(#fff,#1f2228)}header{margin:1rem}
main{padding:0 1rem;border:0}}"""
_SCRIPT: Final = 'history.replaceState(null,"","/")'  # removes the code from the address bar
_PAGE: Final = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}{of}</title>\n'
    f"<style>{_STYLE.replace('{', '{{').replace('}', '}}')}</style></head>\n"
    "<body><header>{program}</header>\n"
    '<main><div><span class="mark {kind}" aria-hidden="true">{mark}</span><h1>{title}</h1></div><p>{words}</p></main>\n'
    f"<script>{_SCRIPT}</script></body></html>"
)


def program_name(started_as: str) -> str:
    """Return the program's name from the path of its executable; "" for a name such as `__main__.py` or `-c`."""
    name = Path(started_as).name.removesuffix(".exe").removesuffix(".py")
    return name if name.isprintable() and not name.startswith(("_", "-")) else ""


PageKey = Literal["done", "soon", "ended", "stray"]
_MARKS: Final[dict[PageKey, str]] = {"done": "✓", "soon": "…", "ended": "✕", "stray": "✕"}
# The title and the text of each page. `{program}` stands for the name of the program.
_TEXTS: Final[dict[Language, dict[PageKey, tuple[str, str]]]] = {
    "en": {
        "done": ("Logged in", "{program} is logged in. You can close this page and return to the terminal."),
        "soon": ("Almost there", "{program} shows the result in the terminal. You can close this page."),
        "ended": ("Not logged in", "{program} shows the reason in the terminal. You can close this page."),
        "stray": ("Nothing here", "There is no login in progress for this page."),
    },
    "de": {
        "done": (
            "Angemeldet",
            "{program} ist angemeldet. Sie können die Seite schließen und zum Terminal zurückkehren.",
        ),
        "soon": ("Fast fertig", "{program} zeigt das Ergebnis im Terminal. Sie können diese Seite schließen."),
        "ended": ("Nicht angemeldet", "{program} nennt den Grund im Terminal. Sie können diese Seite schließen."),
        "stray": ("Hier ist nichts", "Zu dieser Seite läuft keine Anmeldung."),
    },
}
# For a program without a name: in the text, and above it.
_NAMELESS: Final[dict[Language, tuple[str, str]]] = {
    "en": ("Your program", "Login"),
    "de": ("Ihr Programm", "Anmeldung"),
}


def _page(key: PageKey, language: Language) -> str:
    """Return the HTML of a page, with the program's name."""
    program, (title, words) = escape(program_name(sys.argv[0] if sys.argv else "")), _TEXTS[language][key]
    in_text, above = _NAMELESS[language]
    return _PAGE.format(
        language=language,
        title=title,
        words=words.format(program=program or in_text),
        of=f" · {program}" if program else "",
        program=program or above,
        mark=_MARKS[key],
        kind="good" if key == "done" else "",
    )


def _source(text: str) -> str:
    """Return the hash of an inline script or style, as a source expression of a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


_POLICY: Final = (
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class Listener:
    """An HTTP server on the loopback interface that receives one redirect.

    Attributes:
        callback: The redirect URI, with the port on which the server listens.
    """

    def __init__(self, callbacks: tuple[Callback, ...], state: str) -> None:
        """Listen at the first redirect URI whose port is free.

        Raises:
            Misuse: None of the addresses is free (code `port-taken`).
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

    def receive(self, seconds: float) -> dict[str, str] | None:
        """Wait for the redirect, and return its parameters. Return None if there is no redirect within `seconds`."""
        try:
            return self._found.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None

    def close(self, *, succeeded: bool) -> None:
        """Send the waiting browser its final page, and stop listening."""
        self._ending.settle(succeeded=succeeded)
        self._ending.wait_until_sent()
        for server in self._servers:
            server.shutdown()
            server.server_close()


class _Ending:
    """The result of the login, for the page that the browser is waiting for."""

    def __init__(self) -> None:
        self._is_taken = threading.Lock()
        self._is_settled = threading.Event()
        self._is_sent = threading.Event()
        self._succeeded = False

    def claim(self) -> bool:
        """Return True for the first valid request, and False for every later request."""
        return self._is_taken.acquire(blocking=False)

    def settle(self, *, succeeded: bool) -> None:
        self._succeeded = succeeded
        self._is_settled.set()

    def set_sent(self) -> None:
        """Record that the last page was sent to the browser, or could not be sent."""
        self._is_sent.set()

    def wait_until_sent(self) -> None:
        """Wait until the last page was sent, for 5 s at most, because the process may exit right afterwards."""
        if self._is_taken.locked():
            self._is_sent.wait(_TIMEOUT_S)

    def page(self) -> PageKey:
        """Return the key of the page to show. Wait for the login's result, for 20 s at most.

        If there is no result by then, the page says that the result will appear in the program.
        """
        if not self._is_settled.wait(_VERDICT_S):
            return "soon"
        return "done" if self._succeeded else "ended"


class _Server4(ThreadingHTTPServer):
    allow_reuse_address = False  # `claim_port` decides

    def server_bind(self) -> None:
        claim_port(self.socket)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Report nothing: a closed connection is normal, and an error could contain the authorization code."""


class _Server6(_Server4):
    address_family = socket.AF_INET6


def _bind(callbacks: tuple[Callback, ...]) -> tuple[Callback, list[ThreadingHTTPServer]]:
    """Start the servers for the first redirect URI whose port is free. `localhost` needs two: for IPv4 and for IPv6.

    Raises:
        Misuse: None of the addresses is free.
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
        f"none of these ports is free: {shown}" if shown else "this computer allows no program to listen on 127.0.0.1",
        code="port-taken",
        hint="Log in with a code.",
        flags="--flow device",
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """The host, path and `state` of a valid redirect."""

    host: str
    path: str
    state: str

    def read(self, request: BaseHTTPRequestHandler) -> dict[str, str] | None:
        """Return the request's parameters; None if the request is not the expected redirect."""
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
        state = fields.values.get("state")
        if not isinstance(state, str) or not hmac.compare_digest(state.encode(), self.state.encode()):
            return None
        return {name: str(value) for name, value in fields.values.items()}


def _handler(
    found: queue.SimpleQueue[dict[str, str]], ending: _Ending, expected: _Expected
) -> type[BaseHTTPRequestHandler]:
    class RedirectHandler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        server_version, sys_version = "keyfob", ""

        def answer(self) -> None:
            parameters = expected.read(self)
            if parameters is None or not ending.claim():
                self._send(404, "stray")
                return
            found.put(parameters)
            try:
                self._send(200, ending.page())
            finally:
                ending.set_sent()

        do_GET = do_POST = answer  # noqa: N815  the names are http.server's

        def _send(self, status: int, page: PageKey) -> None:
            body = _page(page, accepted_language(self.headers.get("accept-language") or "")).encode()
            self.send_response(status)
            for name, value in (
                ("content-type", "text/html; charset=utf-8"), ("content-length", str(len(body))),
                ("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("connection", "close"),
                ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"),
                ("content-security-policy", _POLICY),
            ):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as in http.server
            """Log nothing: a request contains the authorization code."""

    return RedirectHandler
