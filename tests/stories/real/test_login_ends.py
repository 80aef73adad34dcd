"""Logins that meet trouble on real sockets, terminals and processes: each ends well."""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.protocol.http import Request, Response
from keyfob.testing.person import Person, over_network
from tests.stories.real.commands import EMAIL, LOGIN, Commands, approve, commands, next_event
from tests.stories.real.typed import Typed

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")

# A browser of this machine: it goes through the tenant's pages and comes back to the program.
BROWSER = """#!{python}
import os, sys
from keyfob.testing.person import Person
person = Person()
person.open(sys.argv[1])
person.press("login", email="{email}", password=os.environ["PASSWORD_OF_PERSON"])
if "/u/consent" in person.page.url:
    person.press("approve")
if person.page.forms:
    person.press()
open(os.environ["SEEN_BY_BROWSER"], "w").write(person.page.url + " " + person.page.text)
"""


def with_browser(commands: Commands, password: str) -> Path:
    """A desk with a screen and a browser; where the browser writes down what it saw last."""
    opener, seen = commands.folder / "browser", commands.folder / "seen"
    opener.write_text(BROWSER.format(python=sys.executable, email=EMAIL))
    opener.chmod(0o700)
    commands.environment |= {
        "BROWSER": f"{opener} %s &",
        "DISPLAY": ":0",
        "PASSWORD_OF_PERSON": password,
        "SEEN_BY_BROWSER": str(seen),
    }
    return seen


@pytest.fixture
def at_terminal(commands: Commands) -> Iterator[Callable[..., Typed]]:
    open_ones: list[Typed] = []

    def start(*words: str) -> Typed:
        open_ones.append(Typed([sys.executable, "-m", "keyfob", *words], commands.environment))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.end()


def test_a_login_by_browser_ends_on_a_page_that_says_so(commands: Commands) -> None:
    """[C-8252-02] [C-8252-03] [C-10027-01]: chosen by itself, where a browser is on this screen."""
    _, issuer, password = commands.serve()
    seen = with_browser(commands, password)
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--flow", "browser", "--json")
    opened = next_event(login, "browser")
    assert opened["has_opened"]
    assert "response_mode" not in opened["address"]
    next_event(login, "granted")
    assert login.wait(30) == 0
    text = wait_for(seen)
    assert "/callback" in text
    assert "Logged in" in text
    assert "code=" not in text, "it came by form"
    assert json.loads(commands.run("whoami", "--json").stdout)["name"] == EMAIL


def wait_for(path: Path) -> str:
    """What a program writes there, when it has."""
    watch = select.poll()
    for _ in range(600):
        if path.is_file() and path.read_text():
            return path.read_text()
        watch.poll(50)
    raise AssertionError(f"{path} was never written")


def test_a_port_that_is_taken_ends_the_login_before_anything_is_opened(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    seen = with_browser(commands, password)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        login = commands.run("login", "--issuer", issuer, *LOGIN, "--flow", "browser", "--port", port)
    assert login.returncode == 2
    assert "keyfob help port-taken" in login.stderr
    assert not seen.exists()


def test_one_key_leads_from_the_browser_to_a_code(commands: Commands, at_terminal: Callable[..., Typed]) -> None:
    _, issuer, password = commands.serve()
    typed = at_terminal("login", "--issuer", issuer, *LOGIN, "--flow", "browser")
    typed.read_until("Press c to log in with a code")
    typed.type("c")
    address = typed.read_until(r"open this address on any device:[\s\S]*?(http://\S+/activate)")[1]
    code = typed.read_until(r"enter this code:[\s\S]*?((?:\w  ){4}-  (?:\w  ){3}\w)")[1].replace(" ", "")
    approve({"verification_uri": address, "user_code": code}, password)
    typed.read_until(f"logged in as {EMAIL}")
    assert typed.process.wait(10) == 0


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_login_that_is_told_to_end_gives_the_terminal_back(
    commands: Commands, at_terminal: Callable[..., Typed], sent: str
) -> None:
    import termios

    def echoes() -> bool:
        return bool(termios.tcgetattr(typed.descriptor)[3] & termios.ECHO)

    _, issuer, _ = commands.serve()
    typed = at_terminal("login", "--issuer", issuer, *LOGIN, "--flow", "browser")
    typed.read_until("Press c to log in with a code")
    typed.read_until("waiting")
    assert not echoes()
    typed.process.send_signal(signal.Signals[sent])

    assert typed.process.wait(10) == 128 + signal.Signals[sent]
    assert echoes()


def test_the_address_that_a_browser_elsewhere_ends_at_is_pasted(
    commands: Commands, at_terminal: Callable[..., Typed]
) -> None:
    _, issuer, password = commands.serve()
    typed = at_terminal("login", "--issuer", issuer, *LOGIN, "--flow", "paste")
    address = "".join(typed.read_until(r"on any device:\s+\S*?(http://[^\x1b]+?)\x1b?\[?0?m?\s+If the")[1].split())
    typed.read_until("waiting for the address")
    ended: list[str] = []

    def elsewhere(request: Request) -> Response:
        if "/callback" in request.url:
            ended.append(request.url)
            return Response(502)
        return over_network(request)

    person = Person(elsewhere)
    person.open(address)
    person.press("login", email=EMAIL, password=password)
    if "/u/consent" in person.page.url:
        person.press("approve")
    typed.type("what is this\r")
    typed.read_until("this is not the address at which the browser ended")
    typed.type(f"{ended[0]}\r")
    typed.read_until(f"logged in as {EMAIL}")
    assert typed.process.wait(10) == 0
    assert parse_qs(urlsplit(ended[0]).query)["code"][0] not in typed.screen, "what was pasted is shown to nobody"


def test_ctrl_c_answers_at_once_and_leaves_the_terminal_as_it_was(
    commands: Commands, at_terminal: Callable[..., Typed]
) -> None:
    import termios

    _, issuer, _ = commands.serve()
    typed = at_terminal("login", "--issuer", issuer, *LOGIN, "--flow", "browser")
    before = termios.tcgetattr(typed.descriptor)
    typed.read_until("waiting for your browser")
    assert termios.tcgetattr(typed.descriptor)[3] != before[3]
    typed.process.send_signal(signal.SIGINT)
    assert typed.process.wait(5) == 130
    assert termios.tcgetattr(typed.descriptor)[3] == before[3]
    assert "Traceback" not in typed.screen


def test_a_program_that_was_killed_is_taken_over_by_the_next(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = commands.start("login", "--issuer", issuer, *LOGIN, "--flow", "device", "--json")
    shown = next_event(first, "device_code")
    next_event(first, "pending")
    first.kill()
    first.wait(10)
    approve(shown, password)
    second = commands.run("login", "--resume", "--json")
    assert second.returncode == 0, second.stdout
    assert json.loads(second.stdout.splitlines()[-1])["event"] == "granted"
    assert commands.run("token").returncode == 0


def test_a_tenant_that_is_started_anew_in_between_is_waited_for(commands: Commands) -> None:
    tenant, issuer, password = commands.serve()
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--flow", "device", "--json")
    shown = next_event(login, "device_code")
    tenant.kill()
    tenant.wait(10)
    assert next_event(login, "network_trouble")["message"]
    commands.serve(int(issuer.rstrip("/").rpartition(":")[2]))
    approve(shown, password)
    next_event(login, "granted")
    assert login.wait(30) == 0


@contextmanager
def stopped(process: subprocess.Popen[str]) -> Iterator[None]:
    """A laptop that sleeps: the program stands still, and the world goes on."""
    process.send_signal(signal.SIGSTOP)
    yield
    process.send_signal(signal.SIGCONT)


def test_a_program_that_stood_still_while_the_person_approved_goes_on(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--flow", "device", "--json")
    shown = next_event(login, "device_code")
    with stopped(login):
        approve(shown, password)
    next_event(login, "granted")
    assert login.wait(30) == 0


def test_two_logins_at_once_are_told_apart(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    logins = [
        commands.start("login", "--issuer", issuer, *LOGIN, "--flow", "device", "--json", "--profile", name)
        for name in ("one", "two")
    ]
    for login in logins:
        approve(next_event(login, "device_code"), password)
    for login in logins:
        next_event(login, "granted")
        assert login.wait(30) == 0
    for name in ("one", "two"):
        assert json.loads(commands.run("whoami", "--profile", name, "--json").stdout)["profile"] == name
        assert commands.run("login", "--profile", name, "--resume").returncode == 4, "nothing waits any more"
