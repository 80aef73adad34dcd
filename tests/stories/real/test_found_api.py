"""`keyfob call` of an API of which only the address is known, over real sockets, with a tenant of ours and a guard."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from keyfob.guard import Guard
from keyfob.serve import Running, bind, url_of
from keyfob.testing.orders import api
from tests.stories.real.commands import Commands, approve, commands, next_event

__all__ = ["commands"]


class Together:
    """A tenant as a process, and an API that it knows."""

    def __init__(self, commands: Commands) -> None:
        _, self.issuer, self.password = commands.serve()
        listener = bind("127.0.0.1", 0)
        self.address = url_of(listener).rstrip("/")
        made = commands.run("tenant", "apis", "add", self.address, "--scope", "read:orders=see your orders")
        assert made.returncode == 0, made.stderr
        self.running = Running(api(Guard(issuer=self.issuer, audience=self.address, address=self.address)), listener)
        self.orders = f"{self.address}/orders"


@pytest.fixture
def together(commands: Commands) -> Iterator[Together]:
    made = Together(commands)
    yield made
    made.running.stop()


def test_a_call_logs_in_to_an_api_of_which_it_knows_the_address(commands: Commands, together: Together) -> None:
    """[C-9728-01] [C-8707-01]."""
    asked = commands.run("call", together.orders, "--client-id", "keyfob-cli")
    assert asked.returncode == 4, asked.stderr
    told = json.loads(asked.stdout)["error"]
    assert (told["issuer"], told["resource"]) == (together.issuer, together.address)
    call = commands.start(*told["run_and_show_events"].split()[1:])
    approve(next_event(call, "device_code"), together.password)
    out, err = call.communicate(timeout=60)
    assert (call.returncode, err) == (0, "")
    assert json.loads(out)["orders"][0]["item"] == "brass key"
    again = commands.run("call", together.orders)
    assert (again.returncode, json.loads(again.stdout)["orders"]) == (0, json.loads(out)["orders"])
    profile = told["resource"].removeprefix("http://").replace(":", "-")
    inspected = commands.run("inspect", "--profile", profile, "--json")
    assert inspected.returncode == 0, inspected.stdout
    assert together.address in json.loads(inspected.stdout)["claims"]["aud"]
    assert json.loads(inspected.stdout)["signed_by"] == together.issuer
    elsewhere = commands.run("inspect", "--profile", profile, "--audience", "https://other.example/")
    assert elsewhere.returncode == 3


@pytest.mark.skipif(os.name != "posix", reason="a terminal that is none is POSIX's")
def test_a_person_at_the_terminal_is_asked_about_the_issuer_first(commands: Commands, together: Together) -> None:
    """[C-9728-02]."""
    ours, theirs = os.openpty()
    environment = commands.environment | {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "TERM": "dumb"}
    call = subprocess.Popen(
        [sys.executable, "-m", "keyfob", "call", together.orders, "--client-id", "keyfob-cli"],
        env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    commands.running.append(call)
    os.close(theirs)
    try:
        before = read_until(ours, r"log in there\?")
        assert together.issuer in before
        assert not re.search(r"[A-Z]{4}-[A-Z]{4}", before)
        os.write(ours, b"y\n")
        screen = read_until(ours, r"[A-Z]{4}-[A-Z]{4}\b")
        code = re.findall(r"[A-Z]{4}-[A-Z]{4}\b", screen)[-1]
        approve({"verification_uri": f"{together.issuer}activate", "user_code": code}, together.password)
        assert call.stdout is not None
        assert "brass key" in call.stdout.read()
        assert call.wait(60) == 0
    finally:
        os.close(ours)


def read_until(terminal: int, pattern: str) -> str:
    """What came on the screen up to that."""
    seen = ""
    while not re.search(pattern, seen):
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the program has gone
            piece = b""
        assert piece, seen
        seen += piece.decode("utf-8", "replace")
    return seen
