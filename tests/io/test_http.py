import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx2
import pytest

from keyfob.errors import KeyfobError, Malformed, Unreachable
from keyfob.io.http import HttpSender, Limits
from keyfob.io.httpx2_client import translated
from keyfob.protocol.http import Request, form_request
from tests.loopback import says, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

QUICK = Limits(connect=2.0, read=0.2, whole=2.0, largest=10_000)
EVERY_ERROR = [kind for kind in vars(httpx2).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever its constructor wants."""
    found = kind.__new__(kind)
    Exception.__init__(found, "what it says")
    return found


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_becomes_one_of_ours(kind: type[Exception]) -> None:
    with pytest.raises(KeyfobError) as caught, translated():
        raise made(kind)

    assert type(caught.value) in {Unreachable, Malformed}
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("kind", ["ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"])
def test_silence_is_told_from_refusal(kind: str) -> None:
    """[C-8628-07]"""
    with pytest.raises(Unreachable) as caught, translated():
        raise made(getattr(httpx2, kind))

    assert caught.value.timed_out


def test_the_list_of_the_librarys_errors_is_not_empty() -> None:
    assert {"ConnectError", "ReadTimeout", "InvalidURL", "DecodingError"} <= {kind.__name__ for kind in EVERY_ERROR}


def test_a_request_arrives_as_it_was_written_and_so_does_the_answer() -> None:
    """[C-6749-02]"""
    with serving({"/token": says(403, b"{}", x_one="a", retry_after="7")}) as server:
        response = HttpSender()(form_request(f"{server.url}/token", {"scope": " %&+£€"}))

    [(method, path, headers, body)] = server.came
    assert (method, path, body) == ("POST", "/token", b"scope=+%25%26%2B%C2%A3%E2%82%AC")
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert (response.status, response.body, response.header("retry-after")) == (403, b"{}", "7")


def test_a_redirect_is_not_followed_and_the_secret_not_sent_again() -> None:
    """[C-IMPL-01]"""
    with serving({"/token": says(307, location="/other"), "/other": says(200)}) as server:
        response = HttpSender()(form_request(f"{server.url}/token", {"device_code": "secret"}))

    assert response.status == 307
    assert [path for _, path, _, _ in server.came] == ["/token"]


def test_a_cookie_that_one_answer_sets_goes_out_with_no_other_request() -> None:
    with serving({"/": says(200, set_cookie="session=hers; Path=/")}) as server:
        send = HttpSender()
        send(Request("GET", f"{server.url}/"))
        send(Request("GET", f"{server.url}/"))
        send(Request("GET", f"{server.url}/", (("cookie", "session=mine"),)))

    assert [headers.get("cookie") for _, _, headers, _ in server.came] == [None, None, "session=mine"]


def test_an_answer_without_end_is_cut_off() -> None:
    """[C-IMPL-01]"""

    def endless(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 4096)

    with serving({"/": endless}) as server, pytest.raises(Malformed):
        HttpSender(QUICK)(Request("GET", f"{server.url}/"))


def test_a_server_that_says_nothing_is_given_up_as_silent() -> None:
    """[C-IMPL-01] [C-8628-07]"""
    with serving({"/": lambda _handler, _body: server.done.wait(5)}) as server:
        with pytest.raises(Unreachable) as caught:
            HttpSender(QUICK)(Request("GET", f"{server.url}/"))
        server.done.set()

    assert caught.value.timed_out


def test_a_server_that_drips_is_cut_off_too() -> None:
    """[C-IMPL-01]"""

    def drip(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.done.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    with serving({"/": drip}) as server, pytest.raises(Unreachable) as caught:
        HttpSender(Limits(connect=2.0, read=1.0, whole=0.3))(Request("GET", f"{server.url}/"))

    assert caught.value.timed_out


def test_nobody_there_is_no_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    with pytest.raises(Unreachable) as caught:
        HttpSender()(Request("GET", f"http://127.0.0.1:{port}/"))

    assert not caught.value.timed_out


@contextmanager
def speaking(raw: bytes) -> Generator[str]:
    """A server that says these bytes to whoever comes, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(65536)
                caller.sendall(raw)

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(5)


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"])
def test_what_is_no_http_is_an_error_of_ours(raw: bytes) -> None:
    with speaking(raw) as url, pytest.raises((Malformed, Unreachable)):
        HttpSender(QUICK)(Request("GET", url))


@pytest.mark.parametrize(
    "url", ["", "no address", "ftp://127.0.0.1/", "http://", "http://[", "http://127.0.0.1:99999/"]
)
def test_an_address_that_cannot_be_used_is_an_error_of_ours(url: str) -> None:
    with pytest.raises((Malformed, Unreachable)):
        HttpSender(QUICK)(Request("GET", url))


def test_a_server_that_ends_the_connection_without_a_word_is_not_said_to_speak_badly() -> None:
    with serving({"/": lambda handler, _: handler.connection.close()}) as server, pytest.raises(Malformed) as raised:
        HttpSender(QUICK)(Request("GET", f"{server.url}/"))
    assert "closed the connection without a response" in raised.value.message
    # [FC-28]: over plain http there is no certificate to show; a TLS port ends the connection so.
    assert "try the same address with https://" in raised.value.hint
