"""A tiny server on this machine, for tests of real connections."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Loopback:
    """Answers by path; keeps what came, and the certificates that callers have shown."""

    def __init__(self, paths: dict[str, Answer], tls: ssl.SSLContext | None = None, *, keeps: bool = False) -> None:
        self.came: list[tuple[str, str, dict[str, str], bytes]] = []
        self.shown: list[bytes | None] = []
        self.done = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if keeps else "HTTP/1.0"  # whether a connection is used again

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.came.append((self.command, self.path, headers, body))
                secure = self.connection
                outer.shown.append(secure.getpeercert(binary_form=True) if isinstance(secure, ssl.SSLSocket) else None)
                try:
                    paths[self.path](self, body)
                except OSError:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request: object, client_address: object) -> None:
                """In the caller's thread, where the handshake is, too."""
                if tls is None:
                    Handler(request, client_address, self)  # type: ignore[arg-type]
                    return
                with contextlib.suppress(OSError), tls.wrap_socket(request, server_side=True) as secure:  # type: ignore[arg-type]
                    Handler(secure, client_address, self)  # type: ignore[arg-type]

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.done.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(paths: dict[str, Answer], tls: ssl.SSLContext | None = None, *, keeps: bool = False) -> Generator[Loopback]:
    server = Loopback(paths, tls, keeps=keeps)
    try:
        yield server
    finally:
        server.close()


def says(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer
