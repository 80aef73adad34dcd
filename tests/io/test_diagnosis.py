"""Connections that fail for a reason, on real sockets of this machine; and authorities that are trusted besides."""

import base64
import errno
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from keyfob.errors import Misuse, Unreachable
from keyfob.io.diagnosis import explain_connection
from keyfob.io.http import HttpSender, Limits, sender_for
from keyfob.io.httpx2_client import translated
from keyfob.io.trust import ssl_context
from keyfob.jose.certificates import Authority, describe, new_key
from keyfob.protocol.http import Request, form_request
from tests.io.test_trust import self_signed

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

QUICK = Limits(connect=3.0, read=3.0, whole=10.0)
NOW = datetime.now(UTC)
SAYS = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
PASSWORD = "hunter2hunter2"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "KEYFOB_CA"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@dataclass
class Listener:
    """Somebody who listens on this machine, and what was said to them."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/token"


@contextmanager
def listening(answer: object) -> Generator[Listener]:
    """`answer` is called with each connection, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(caller,), daemon=True).start()

        def one(caller: socket.socket) -> None:
            with caller:
                try:
                    answer(caller, listener)  # type: ignore[operator]
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@contextmanager
def over_tls(pem: Path) -> Generator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def answer(caller: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(caller, server_side=True) as secure:
            said = secure.recv(65536)
            if said:
                listener.heard.append(said)
                secure.sendall(SAYS)

    with listening(answer) as listener:
        yield listener


@contextmanager
def proxying(status: bytes = b"200 Connection established") -> Generator[Listener]:
    """A proxy that knows CONNECT, and says this."""

    def answer(caller: socket.socket, listener: Listener) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += caller.recv(1)
        listener.heard.append(head)
        caller.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if not status.startswith(b"200"):
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as onward:
            back = threading.Thread(target=pump, args=(onward, caller), daemon=True)
            back.start()
            pump(caller, onward)
            back.join(5)

    with listening(answer) as listener:
        yield listener


def pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while piece := one.recv(65536):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        return


def authority() -> Authority:
    return Authority.new(new_key(), NOW - timedelta(days=1000))


def served_by(vouching: Authority, folder: Path, when: datetime = NOW) -> Path:
    key, file = new_key(), folder / "server.pem"
    file.write_bytes(key + vouching.certify(key, when))
    return file


def trusted(vouching: Authority, folder: Path) -> Path:
    file = folder / "ca.pem"
    file.write_bytes(b"# ours\n" + vouching.pem())
    return file


def refused(url: str, ca: Path | None = None) -> Unreachable:
    sender = HttpSender(QUICK, ca=ca)
    with pytest.raises(Unreachable) as caught:
        sender(form_request(url, {"device_code": "secret-of-ours"}))
    sender.close()
    assert PASSWORD not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


def test_an_unknown_issuer_is_named_and_hears_nothing(tmp_path: Path) -> None:
    """[C-6749-01]"""
    ours = authority()
    with over_tls(served_by(ours, tmp_path)) as server:
        problem = refused(server.url)

    assert problem.code == "certificate-untrusted"
    assert f"127.0.0.1:{server.port} was issued by an authority that this computer does not trust" in problem.message
    assert "subject CN=keyfob local tenant" in problem.message
    assert f"issuer {ours.certificate.subject.rfc4514_string()}" in problem.message
    assert "--ca FILE" in problem.hint_with_flags
    assert server.heard == []


def test_one_that_is_signed_by_itself_is_said_to_be(tmp_path: Path) -> None:
    """[C-6749-01]"""
    with over_tls(self_signed(tmp_path)) as server:
        problem = refused(server.url)

    assert "is self-signed" in problem.message
    assert "subject CN=login.example; issuer CN=login.example" in problem.message
    assert server.heard == []


def test_one_for_another_name_says_for_which(tmp_path: Path) -> None:
    """[C-6749-01]"""
    file = self_signed(tmp_path, "login.example", "www.login.example")
    with over_tls(file) as server:
        problem = refused(server.url, file)

    assert "is not for this host name, but for login.example, www.login.example" in problem.message
    assert "Check the address" in problem.hint
    assert server.heard == []


def test_one_that_has_lapsed_says_when(tmp_path: Path) -> None:
    """[C-6749-01]"""
    ours = authority()
    lapsed = served_by(ours, tmp_path, NOW - timedelta(days=900))
    with over_tls(lapsed) as server:
        problem = refused(server.url, trusted(ours, tmp_path))

    ended = NOW - timedelta(days=900) - timedelta(hours=1) + timedelta(days=825)
    assert f"has expired on {ended:%Y-%m-%d}" in problem.message
    assert "clock" in problem.hint
    assert server.heard == []


def test_names_in_a_certificate_are_made_plain_and_cut_short() -> None:
    from keyfob.io.diagnosis import _plain

    assert "\x1b" not in _plain("CN=\x1b[31mred")
    assert len(_plain("x" * 1000)) < 130


def test_an_authority_of_ones_own_is_trusted_besides(tmp_path: Path) -> None:
    """[C-6749-01]"""
    ours = authority()
    with over_tls(served_by(ours, tmp_path)) as server:
        response = sender_for(trusted(ours, tmp_path))(Request("GET", server.url))
        problem = refused(server.url)

    assert (response.status, response.body) == (200, b"ok")
    assert problem.code == "certificate-untrusted"
    assert len(ssl_context(tmp_path / "ca.pem").get_ca_certs()) >= len(httpx2.create_ssl_context().get_ca_certs())


def test_a_file_in_the_environment_is_trusted_in_place_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = authority()
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted(ours, tmp_path)))
    with over_tls(served_by(ours, tmp_path)) as server:
        sender = HttpSender(QUICK)
        assert sender(Request("GET", server.url)).status == 200
        sender.close()


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_of_authorities_that_is_none_is_said_to_be(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misuse, match=r"ca\.pem"):
        HttpSender(ca=file)(Request("GET", "https://127.0.0.1:9/"))


# Through a proxy.


def test_a_proxy_from_the_environment_is_gone_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name and password are shown to it alone."""
    ours = authority()
    with over_tls(served_by(ours, tmp_path)) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://pat:{PASSWORD}@127.0.0.1:{proxy.port}")
        sender = HttpSender(QUICK, ca=trusted(ours, tmp_path))
        assert sender(Request("GET", server.url)).status == 200
        sender.close()

    head = proxy.heard[0].decode().lower()
    assert head.startswith(f"connect 127.0.0.1:{server.port} ")
    assert base64.b64encode(f"pat:{PASSWORD}".encode()).decode().lower() in head
    assert PASSWORD.encode() not in b"".join(server.heard)


def test_what_needs_no_proxy_goes_past_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = authority()
    with over_tls(served_by(ours, tmp_path)) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        sender = HttpSender(QUICK, ca=trusted(ours, tmp_path))
        assert sender(Request("GET", server.url)).status == 200
        sender.close()

    assert proxy.heard == []


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"])
def test_a_proxy_that_refuses_is_named_with_its_status(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with proxying(status.encode()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://pat:{PASSWORD}@127.0.0.1:{proxy.port}")
        problem = refused("https://login.example/token")

    assert problem.code == "proxy-refused"
    assert f"the proxy 127.0.0.1:{proxy.port} refused (status {status[:3]})" in problem.message
    assert ("NAME:PASSWORD" in problem.hint) is status.startswith("407")


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://pat:{PASSWORD}@127.0.0.1:{port}")
    problem = refused("https://login.example/token")
    assert (problem.code, problem.message) == ("proxy-refused", f"the proxy 127.0.0.1:{port} refused the connection")


def test_a_certificate_that_a_proxy_puts_in_between_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[C-6749-01]: what a company's proxy does to every connection."""
    ours = authority()
    with over_tls(served_by(ours, tmp_path)) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://pat:{PASSWORD}@127.0.0.1:{proxy.port}")
        problem = refused(server.url)

    assert f"issuer {ours.certificate.subject.rfc4514_string()}" in problem.message
    assert len(proxy.heard) == 2
    assert server.heard == []


# Nobody there.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        found: int = closed.getsockname()[1]
    return found


def test_a_port_where_nobody_listens_is_named() -> None:
    port = free_port()
    assert refused(f"https://127.0.0.1:{port}/").message == f"127.0.0.1:{port} refused the connection"


def test_a_server_without_tls_is_said_to_have_none() -> None:
    with listening(lambda caller, _: caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        problem = refused(server.url)

    assert problem.message.startswith(f"no TLS with 127.0.0.1:{server.port} (")
    assert "http or https" in problem.hint


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name login.example does not exist"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "cannot be resolved now"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "there is no route to login.example:443"),
        (ConnectionRefusedError(), "login.example:443 refused the connection"),
        (ConnectionResetError(), "login.example:443 does not respond"),
    ],
)
def test_a_name_that_nobody_knows_is_told_from_a_server_that_is_down(cause: OSError, words: str) -> None:
    request = httpx2.Request("GET", "https://login.example/token?code=secret")
    with pytest.raises(Unreachable) as caught, translated():
        raise httpx2.ConnectError("x", request=request) from cause

    assert words in caught.value.message
    assert "secret" not in caught.value.message


def test_a_proxy_whose_name_nobody_knows_is_told_from_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"pat:{PASSWORD}@proxy.example:3128")
    request = httpx2.Request("GET", "https://login.example/")
    with pytest.raises(Unreachable) as caught, translated():
        raise httpx2.ConnectError("x", request=request) from socket.gaierror(socket.EAI_NONAME, "x")

    assert "the proxy's name proxy.example does not exist" in caught.value.message
    assert PASSWORD not in f"{caught.value.message}{caught.value.hint}"


def test_what_is_no_certificate_is_not_described() -> None:
    from keyfob.errors import Malformed

    with pytest.raises(Malformed):
        describe(b"no certificate")


def test_a_certificate_that_breaks_the_rules_is_not_called_untrusted() -> None:
    """[FT-01]: Python 3.13 verifies strictly (RFC 5280 §4.2.1.1); the issuer is trusted all the same."""
    strict = ssl.SSLCertVerificationError(1, "certificate verify failed")
    strict.verify_code, strict.verify_message = 85, "Missing Authority Key Identifier"

    problem = explain_connection(strict, "")

    assert "is not a valid certificate (Missing Authority Key Identifier)" in problem.message
    assert "must be replaced" in problem.hint
    assert problem.code == "certificate-untrusted"
