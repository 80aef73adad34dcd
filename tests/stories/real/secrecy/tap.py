"""Stands between everybody, as a proxy does, changes nothing and learns the secrets that pass."""

from __future__ import annotations

import base64
import http.client
import json
import re
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from keyfob.io.http import HttpSender
from keyfob.protocol.http import Request, Response
from tests.stories.real.secrecy.kinds import PLAIN, SECRET_WORDS
from tests.stories.real.secrecy.known import Known

# What is said there is public, or an API's own.
OPEN = ("/.well-known/", "/userinfo", "/orders", "/assets/")
_HOP = frozenset({"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"})
_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_KEY = re.compile(r'<p class="key">([A-Z0-9 ]+)</p>')
_SEED_LETTERS = 32


class Tap:
    """What passed, and what it held.

    Attributes:
        known: The secrets.
        undecided: Words that nobody has said of whether they are secret.
        url: For HTTP_PROXY.
    """

    def __init__(self, known: Known) -> None:
        self.known = known
        self.undecided: set[str] = set()
        self._lock = threading.Lock()
        self._direct = HttpSender(through_proxy=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def send(self, request: Request) -> Response:
        """For a scripted person in this process."""
        response = self._direct(request)
        self.note(request, response)
        return response

    def note(self, request: Request, response: Response) -> None:
        """Learn from one exchange."""
        with self._lock:
            self._note_headers(request.headers)
            self._note_headers(response.headers)
            path = urlsplit(request.url).path
            if path.startswith(OPEN):
                return
            self._note_pairs(parse_qsl(urlsplit(request.url).query), path)
            self._note_body(request.headers, request.body, path)
            self._note_body(response.headers, response.body, path)

    def close(self) -> None:
        self._direct.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _note_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        for name, value in headers:
            match name.lower():
                case "authorization":
                    self._note_credentials(value)
                case "dpop":
                    self.known.add("proof", value)
                case "cookie" | "set-cookie":
                    for pair in value.partition("; Path")[0].split("; "):
                        if len(pair.partition("=")[2]) > 6:
                            self.known.add("session cookie", pair.partition("=")[2])
                case "location":
                    self._note_pairs(parse_qsl(urlsplit(value).query), "location")
                case _:
                    pass

    def _note_credentials(self, value: str) -> None:
        scheme, _, shown = value.partition(" ")
        if scheme.lower() == "basic":
            secret = unquote_plus(base64.b64decode(shown).decode().partition(":")[2])
            self.known.add("client secret", secret, shown)
        elif not any(shown in values for values in self.known.kinds.values()):
            self.known.add("mfa token" if shown.startswith("Fe26.") else "access token", shown)

    def _note_pairs(self, pairs: Iterable[tuple[str, object]], where: str) -> None:
        for name, value in pairs:
            kind = "one-time code" if (where, name) == ("/u/mfa", "code") else SECRET_WORDS.get(name)
            if kind is None:
                if name not in PLAIN:
                    self.undecided.add(f"{where} {name}")
                self._note_deeper(value, where)
                continue
            for one in value if isinstance(value, list) else [value]:
                # An empty password or a mistyped letter is nobody's.
                if len(str(one)) >= 6 and not self._has(str(one), name):
                    self.known.add(kind, str(one))

    def _has(self, value: str, name: str) -> bool:
        """Whether it is known already as what it is: a code of a page may be a recovery code, a token to revoke any."""
        return name in {"code", "token"} and any(value in values for values in self.known.kinds.values())

    def _note_deeper(self, value: object, where: str) -> None:
        if isinstance(value, dict):
            self._note_pairs(value.items(), where)
        elif isinstance(value, list):
            for one in value:
                self._note_deeper(one, where)

    def _note_body(self, headers: Iterable[tuple[str, str]], body: bytes, path: str) -> None:
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if "x-www-form-urlencoded" in kind:
            self._note_pairs(parse_qsl(body.decode(), keep_blank_values=True), path)
        elif "json" in kind and body:
            self._note_deeper(json.loads(body), path)
        elif "html" in kind:
            text = body.decode()
            self._note_pairs(_FIELD.findall(text), path)
            for shown in _KEY.findall(text):
                plain = shown.replace(" ", "")
                self.known.add("factor seed" if len(plain) == _SEED_LETTERS else "recovery code", plain)


def _handler(tap: Tap) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP]
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
            try:
                path = parts.path + (f"?{parts.query}" if parts.query else "")
                connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for name, value in [*headers, ("content-length", str(len(body))), ("connection", "close")]:
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self.close_connection = True
                return
            finally:
                connection.close()
            found = Response(answer.status, tuple((n.lower(), v) for n, v in answer.getheaders()), content)
            tap.note(Request(self.command, self.path, tuple(headers), body), found)
            try:
                self.send_response_only(answer.status)
                for name, value in found.headers:
                    if name not in _HOP:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else content)
            except OSError:  # whoever asked has been killed
                self.close_connection = True

        do_GET = do_POST = do_HEAD = do_DELETE = do_OPTIONS = pass_on  # noqa: N815  the names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@contextmanager
def tapped(known: Known) -> Generator[Tap]:
    tap = Tap(known)
    try:
        yield tap
    finally:
        tap.close()
