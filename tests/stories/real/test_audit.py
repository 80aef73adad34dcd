"""The audit log of a tenant that is a process of its own: stopped, killed, started again, and followed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.stories.real.commands import Commands, commands

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")


def ask(issuer: str, number: int) -> None:
    """Send a request that leaves an event, which has the number."""
    form = urlencode({"grant_type": "refresh_token", "client_id": f"{number:04}", "refresh_token": "x"})
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{issuer}oauth/token", form.encode(), timeout=20)
    refused.value.close()
    assert refused.value.code in {401, 403}


def asked(out: str) -> list[int]:
    events = [json.loads(line) for line in out.splitlines()]
    return [int(event["client_id"][:4]) for event in events if event["type"] == "fapi"]


@pytest.mark.parametrize("place", ["table", "file"])
def test_an_orderly_stop_writes_every_event(commands: Commands, place: str) -> None:
    """[FS-18]: also those that waited in the queue."""
    words = ("--audit", "table") if place == "table" else ()
    process, issuer, _ = commands.serve(0, *words)
    for number in range(40):
        ask(issuer, number)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = commands.run("tenant", "log")
    assert log.returncode == 0, log.stderr
    assert asked(log.stdout) == list(range(40))
    types = [json.loads(line)["type"] for line in log.stdout.splitlines()]
    assert (types[0], types[-1]) == ("keyfob_start", "keyfob_stop")
    assert (commands.folder / "data" / "audit.jsonl").exists() is (place == "file")


@pytest.mark.parametrize("place", ["table", "file"])
def test_a_kill_loses_nothing_older_than_the_queue_and_the_log_can_be_read(commands: Commands, place: str) -> None:
    """[FS-18]: what was written before is there, in order and whole."""
    words = ("--audit", "table") if place == "table" else ()
    process, issuer, _ = commands.serve(0, *words)
    for number in range(10):
        ask(issuer, number)
    seen: list[int] = []
    while seen != list(range(10)):
        assert process.poll() is None
        seen = asked(commands.run("tenant", "log").stdout)
    ask(issuer, 10)
    process.kill()
    process.wait(10)
    assert asked(commands.run("tenant", "log").stdout)[:10] == list(range(10))
    again, issuer, _ = commands.serve(0, *words)
    ask(issuer, 11)
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0
    found = asked(commands.run("tenant", "log").stdout)
    assert [number for number in found if number != 10] == [*range(10), 11]


def next_number(follower: subprocess.Popen[str]) -> int:
    assert follower.stdout is not None
    for line in follower.stdout:
        if found := asked(line):
            return found[0]
    raise AssertionError("the follower ended")


@pytest.mark.parametrize("place", ["table", "file"])
def test_a_follower_sees_each_event_once_while_the_tenant_starts_again(commands: Commands, place: str) -> None:
    """[FS-18]: and ends with Ctrl-C."""
    words = ("--audit", "table") if place == "table" else ()
    process, issuer, _ = commands.serve(0, *words)
    ask(issuer, 0)
    follower = commands.start("tenant", "log", "--follow")
    assert next_number(follower) == 0
    ask(issuer, 1)
    assert next_number(follower) == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    _, issuer, _ = commands.serve(0, *words)
    for number in (2, 3):
        ask(issuer, number)
        assert next_number(follower) == number
    follower.send_signal(signal.SIGINT)
    assert follower.wait(20) == 130
