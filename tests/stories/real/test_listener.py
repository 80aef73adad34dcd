"""The listener of a login by browser, over real sockets: only our own answer ends the wait."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from keyfob.client.io.browser import open_browser
from keyfob.client.io.listener import Listener
from keyfob.client.io.world import SystemWorld
from keyfob.errors import Misuse

STATE = "the-state"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener((), STATE)
    yield made
    made.close()


def knock(
    listener: Listener, path: str, method: str = "GET", body: str | None = None, host: str | None = None
) -> tuple[int, str]:
    parts = urlsplit(listener.callback)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 0, timeout=5)
    connection.request(method, path, body, {"host": host or parts.netloc})
    answer = connection.getresponse()
    said = answer.status, answer.read().decode()
    connection.close()
    return said


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/favicon.ico", None),
        ("/", None),
        ("/callback", None),
        ("/callback?code=c", None),
        ("/callback?code=c&state=another", None),
        (f"/callback?code=c&state={STATE}&state={STATE}", None),
        (f"/other?code=c&state={STATE}", None),
        (f"/callback?code=c&state={STATE}", "rebound.example"),
    ],
)
def test_whoever_else_knocks_does_not_end_the_wait(listener: Listener, path: str, host: str | None) -> None:
    assert knock(listener, path, host=host)[0] == 404
    assert listener.hear(0.05) is None
    assert knock(listener, f"/callback?code=mine&state={STATE}")[0] == 200
    assert listener.hear(5) == {"code": "mine", "state": STATE}


@pytest.mark.parametrize(("answer", "words"), [("code=c", "Done"), ("error=access_denied", "Not logged in")])
def test_the_page_closes_the_story_and_holds_no_code(listener: Listener, answer: str, words: str) -> None:
    status, page = knock(listener, f"/callback?{answer}&state={STATE}")
    assert status == 200
    assert words in page
    assert answer not in page
    assert "replaceState" in page


def test_an_answer_may_come_by_form(listener: Listener) -> None:
    assert knock(listener, "/callback", "POST", f"code=c&state={STATE}&iss=https%3A%2F%2Fa%2F")[0] == 200
    assert listener.hear(5) == {"code": "c", "state": STATE, "iss": "https://a/"}


def test_a_connection_that_says_nothing_keeps_nobody_else_out(listener: Listener) -> None:
    parts = urlsplit(listener.callback)
    with socket.create_connection((str(parts.hostname), parts.port or 0)):
        assert knock(listener, f"/callback?code=c&state={STATE}")[0] == 200


def test_it_listens_on_this_machine_alone_and_takes_the_first_free_port() -> None:
    one = Listener((), STATE)
    taken = urlsplit(one.callback).port or 0
    assert one.callback.startswith("http://127.0.0.1:")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    two = Listener((taken, free), STATE)
    assert urlsplit(two.callback).port == free
    with pytest.raises(Misuse) as raised:
        Listener((taken, free, 99999), STATE)
    assert raised.value.code == "port-taken"
    for listener in (one, two):
        listener.close()


def test_nobody_listens_any_more_when_the_wait_is_over() -> None:
    world = SystemWorld()
    port = urlsplit(world.listen((), STATE)).port or 0
    assert world.hear(timedelta(milliseconds=10)) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "javascript:alert(1)", "https://a b/", "-flag"])
def test_only_web_addresses_are_opened(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", "true")
    assert not open_browser(address)


def test_without_a_screen_no_browser_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not open_browser("https://login.example/")
