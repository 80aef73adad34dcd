"""The listener of a login by browser, over real sockets: only our own answer ends the wait."""

from __future__ import annotations

import http.client
import socket
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyfob.client.io.detect import WSL_OPENERS, open_browser
from keyfob.client.io.terminal.listener import Listener, program_name
from keyfob.client.io.world import SystemWorld
from keyfob.client.model.callback import ANYWHERE, Callback
from keyfob.client.model.surroundings import Surroundings
from keyfob.errors import Misuse
from keyfob.run import run

STATE = "the-state"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener(ANYWHERE, STATE)
    yield made
    made.close(succeeded=False)


def answered(listener: Listener, *asked: str, went_well: bool = True) -> tuple[tuple[int, str], dict[str, str] | None]:
    """What the browser is shown, and what was heard; the page waits for the end of the login."""
    with ThreadPoolExecutor() as pool:
        page = pool.submit(knock, listener, *asked)
        heard = listener.receive(5)
        listener.close(succeeded=went_well)
        return page.result(5), heard


def at(*ports: int) -> tuple[Callback, ...]:
    return tuple(Callback(port=port) for port in ports)


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
    assert listener.receive(0.05) is None
    (status, _), heard = answered(listener, f"/callback?code=mine&state={STATE}")
    assert (status, heard) == (200, {"code": "mine", "state": STATE})


@pytest.mark.parametrize(("went_well", "words"), [(True, "Logged in"), (False, "Not logged in")])
def test_the_page_waits_for_the_end_and_closes_the_story_without_a_code(
    listener: Listener, went_well: bool, words: str
) -> None:
    """[C-6749-13] [C-9700-05]: nothing of others on it, no way on to another address."""
    path = f"/callback?code=secret-code&state={STATE}&next=https://evil.example/"
    (status, page), _ = answered(listener, path, went_well=went_well)
    assert status == 200
    assert f"<h1>{words}</h1>" in page
    assert not any(word in page for word in ("secret-code", "evil.example", "http:", "https:", "src="))
    assert "replaceState" in page


def test_what_a_browser_is_told_is_for_nobody_else(listener: Listener) -> None:
    """[C-6749-13] [C-9700-05]."""
    parts = urlsplit(listener.callback)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 0, timeout=5)
    connection.request("GET", "/?next=https://evil.example/")
    answer = connection.getresponse()
    assert (answer.getheader("referrer-policy"), answer.getheader("cache-control")) == ("no-referrer", "no-store")
    assert answer.getheader("location") is None
    connection.close()


def test_an_answer_counts_once(listener: Listener) -> None:
    """[C-6749-12]: the second is turned away while the first waits for its page."""
    path = f"/callback?code=c&state={STATE}"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(knock, listener, path)
        assert listener.receive(5)
        assert knock(listener, path)[0] == 404
        assert listener.receive(0.05) is None
        listener.close(succeeded=True)
        assert first.result(5)[0] == 200


def test_an_answer_may_come_by_form(listener: Listener) -> None:
    (status, _), heard = answered(listener, "/callback", "POST", f"code=c&state={STATE}&iss=https%3A%2F%2Fa%2F")
    assert (status, heard) == (200, {"code": "c", "state": STATE, "iss": "https://a/"})


def test_a_connection_that_says_nothing_keeps_nobody_else_out_and_is_not_waited_for(listener: Listener) -> None:
    parts = urlsplit(listener.callback)
    with socket.create_connection((str(parts.hostname), parts.port or 0)):
        (status, _), _ = answered(listener, f"/callback?code=c&state={STATE}")
        assert status == 200


def test_a_browser_that_does_not_read_on_is_not_waited_for_long(listener: Listener) -> None:
    parts = urlsplit(listener.callback)
    with socket.create_connection((str(parts.hostname), parts.port or 0)) as browser:
        browser.sendall(f"GET /callback?code=c&state={STATE} HTTP/1.1\r\nhost: {parts.netloc}\r\n\r\n".encode())
        assert listener.receive(5)
        listener.close(succeeded=True)


def test_two_issuers_are_told_two_addresses_and_an_answer_for_one_is_none_for_the_other(listener: Listener) -> None:
    """[C-8252-05] [C-8252-03]: without `iss`, the address tells them apart: a port of its own, and its own state."""
    other = Listener(ANYWHERE, "another-state")
    assert other.callback != listener.callback
    for crossed, state in ((other, STATE), (listener, "another-state")):
        assert knock(crossed, f"/callback?code=c&state={state}")[0] == 404
        assert crossed.receive(0.05) is None
    other.close(succeeded=False)


def test_it_listens_on_this_machine_alone_and_takes_the_first_free_port() -> None:
    """[C-8252-03] [C-8252-04]."""
    one = Listener(ANYWHERE, STATE)
    taken = urlsplit(one.callback).port or 0
    assert one.callback.startswith("http://127.0.0.1:")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
    two = Listener(at(taken, free), STATE)
    assert urlsplit(two.callback).port == free
    with pytest.raises(Misuse) as raised:
        Listener(at(taken, free, 99999), STATE)
    assert raised.value.code == "port-taken"
    for listener in (one, two):
        listener.close(succeeded=False)


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_an_address_that_is_registered_otherwise_is_listened_at(host: str) -> None:
    """[C-8252-04]: IPv6 where that is what there is; the name only where it is registered, and then both mean us."""
    listener = Listener((Callback(host, 0, "/back"),), STATE)
    assert listener.callback.startswith(f"http://{host}:")
    assert listener.callback.endswith("/back")
    port = urlsplit(listener.callback).port or 0
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as browser:
            assert (browser.connect_ex((address, port)) == 0) == (host == "localhost" or ":" in address)
    (status, _), heard = answered(listener, f"/back?code=c&state={STATE}")
    assert (status, heard) == (200, {"code": "c", "state": STATE})


def test_nobody_listens_any_more_when_the_wait_is_over() -> None:
    world = SystemWorld()
    """[C-8252-04]."""
    port = urlsplit(run(world.listen(ANYWHERE, STATE))).port or 0
    assert run(world.next_event(timedelta(milliseconds=10))) is None
    run(world.stop_listening(succeeded=False))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


ON_SCREEN = Surroundings(has_screen=True, browser="true")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "javascript:alert(1)", "https://a b/", "-flag"])
def test_only_web_addresses_are_opened(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-6749-06] [C-8252-02]."""
    monkeypatch.setenv("BROWSER", "true")
    assert not open_browser(address, ON_SCREEN)


@pytest.mark.parametrize(
    "here",
    [
        replace(ON_SCREEN, browser=""),
        replace(ON_SCREEN, browser="w3m", is_text_browser=True),
        replace(ON_SCREEN, has_screen=False),
    ],
)
def test_without_a_screen_or_a_browser_of_its_own_window_nothing_is_started(here: Surroundings) -> None:
    assert not open_browser("https://login.example/", here)


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for a program of Windows")
@pytest.mark.parametrize("opener", WSL_OPENERS)
def test_the_browser_of_windows_gets_the_address_as_data(
    opener: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / opener
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/words"\nexit 1\n')
    script.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    address = "https://login.example/?a='b'&c=$(touch%20x);d"
    here = Surroundings(is_wsl=True, browser=opener)
    assert open_browser(address, here) == (opener == "explorer.exe"), "which answers 1 when all is well"
    quoted = f"Start-Process '{address.replace(chr(39), chr(39) * 2)}'"
    words = (tmp_path / "words").read_text().splitlines()
    assert words[-1] == (quoted if opener == "powershell.exe" else address)


def test_a_browser_that_hangs_up_is_no_news(listener: Listener, capfd: pytest.CaptureFixture[str]) -> None:
    """[C-8252-02]: nothing is said of it, and the next one is heard."""
    parts = urlsplit(listener.callback)
    for sent in (b"", b"GET", f"GET {parts.path}?state={STATE}&code=x HTTP/1.1\r\nhost".encode()):
        with socket.create_connection((str(parts.hostname), parts.port or 0)) as rude:
            rude.sendall(sent)
            # So that the other side is told at once, and rudely (SO_LINGER of no time).
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    page, heard = answered(listener, f"{parts.path}?state={STATE}&code=good")
    assert page[0] == 200
    assert heard == {"state": STATE, "code": "good"}
    assert capfd.readouterr() == ("", "")


def test_the_page_names_its_program_and_loads_nothing() -> None:
    """[FP-06]: a policy for scripts and styles, one `main`, and the program that the person goes back to."""
    assert program_name("/usr/local/bin/orders") == "orders"
    assert program_name(r"orders.exe") == "orders"
    assert {program_name(name) for name in ("", "-c", "/x/__main__.py", "bad\udc80name")} == {""}
    listener = Listener(ANYWHERE, STATE)
    try:
        port = urlsplit(listener.callback).port or 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/nowhere")
        answer = connection.getresponse()
        body, policy = answer.read().decode(), answer.getheader("content-security-policy") or ""
    finally:
        listener.close(succeeded=False)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert body.count("<main>") == 1
    assert program_name(sys.argv[0]) in body


@pytest.mark.parametrize(
    ("asked", "language", "titles"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de", ("Hier ist nichts", "Angemeldet")),
        ("fr, en;q=0.3", "en", ("Nothing here", "Logged in")),
        ("", "en", ("Nothing here", "Logged in")),
    ],
)
def test_the_pages_are_in_the_language_of_the_browser(
    listener: Listener, asked: str, language: str, titles: tuple[str, str]
) -> None:
    parts = urlsplit(listener.callback)

    def fetch(path: str) -> str:
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 0, timeout=5)
        connection.request("GET", path, headers={"accept-language": asked} if asked else {})
        return connection.getresponse().read().decode()

    pages = [fetch("/nowhere")]  # answered before the end, which resets a connection that nobody has accepted
    with ThreadPoolExecutor() as pool:
        last = pool.submit(fetch, f"{parts.path}?code=c&state={STATE}")
        assert listener.receive(5)
        listener.close(succeeded=True)
        pages.append(last.result(5))
        for body, title in zip(pages, titles, strict=True):
            assert f'<html lang="{language}">' in body
            assert f"<h1>{title}</h1>" in body
            assert program_name(sys.argv[0]) in body
            assert "{" not in body.partition("<body>")[2]
