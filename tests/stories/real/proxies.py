"""Real proxies before a tenant, with the configurations of docs/operations.md."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlsplit

from keyfob.protocol.http import Headers, Request, Response
from tests.debian import unpacked
from tests.tls import Made
from tests.wild.servers import running, wait_for
from tools.source import ROOT

PAGE = ROOT / "docs" / "operations.md"
Configure = Callable[[str, Path], str]


def block(language: str) -> str:
    """Return the first block of that language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found, language
    return found.group(1)


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Replace what is different on this machine; each must stand on the page."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def free_port() -> int:
    """A port that nobody listens on at the moment, for both kinds of addresses."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def nginx(port: int, upstream: int, folder: Path, own: str) -> tuple[str, list[str]]:
    """Return the configuration of nginx, as Debian includes the page's, and its arguments."""
    own = changed(
        own,
        ("127.0.0.1:8790", f"127.0.0.1:{upstream}"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("listen [::]:443", f"listen [::1]:{port}"),
        ("/etc/ssl/private/login.example.com", f"{folder}/server"),
    )
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    return (
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{own}}}\n"
    ), ["-p", str(folder), "-c"]


def haproxy(port: int, upstream: int, folder: Path, own: str) -> tuple[str, list[str]]:
    """Return the configuration of HAProxy and its arguments."""
    own = changed(
        own,
        ("127.0.0.1:8790", f"127.0.0.1:{upstream}"),
        ("bind :::443 v4v6", f"bind 127.0.0.1:{port},[::1]:{port}"),
        ("/etc/haproxy/login.example.com.pem", f"{folder}/both.pem"),
    )
    return own, ["-db", "-f"]


@contextmanager
def proxy(name: str, port: int, upstream: int, folder: Path, *changes: tuple[str, str]) -> Iterator[None]:
    """A proxy from the port to the upstream port, started and ended here. `changes` are made to the page's text."""
    _, program, environment = unpacked(name)
    make = {"nginx": nginx, "haproxy": haproxy}[name]
    text, words = make(port, upstream, folder, changed(block(name), *changes))
    file = folder / f"{name}-{port}.cfg"
    file.write_text(text, encoding="utf-8")
    with TemporaryFile() as said, running([program, *words, str(file)], said, **environment) as process:
        wait_for(process, said, lambda _: "yes" if listens(port) else None)
        yield


def listens(port: int) -> bool:
    """Return whether a program listens at both addresses: it begins with one of them."""
    try:
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def sender(source: str, authority: Made, port: int, forged: Headers = ()) -> Callable[[Request], Response]:
    """Return a way to send requests from one of this machine's addresses, with headers that the client adds."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    host = "::1" if ":" in source else "127.0.0.1"

    def send(request: Request) -> Response:
        url = urlsplit(request.url)
        plain = socket.create_connection((host, port), timeout=20, source_address=(source, 0))
        with closing(HTTPConnection(host)) as connection:
            connection.sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
            connection.putrequest(request.method, f"{url.path}?{url.query}" if url.query else url.path, skip_host=True)
            for header in (("host", url.netloc), *request.headers, *forged):
                connection.putheader(*header)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            headers = tuple((header.lower(), value) for header, value in answer.getheaders())
            return Response(answer.status, headers, answer.read())

    return send
