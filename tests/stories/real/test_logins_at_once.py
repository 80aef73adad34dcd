"""Logins of one profile at once, in real processes: a person is asked once, and nobody waits for the dead."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.stories.real.commands import EMAIL, LOGIN, Commands, approve, commands, next_event

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

BY_CODE = ("--flow", "device", "--json")


def log_in(commands: Commands, issuer: str, *words: str) -> subprocess.Popen[str]:
    return commands.start("login", "--issuer", issuer, *LOGIN, *(words or BY_CODE))


def events(process: subprocess.Popen[str]) -> list[str]:
    """All that are left, by their names, to its end."""
    out, _ = process.communicate(timeout=60)
    return [json.loads(line).get("event", "error") for line in out.splitlines()]


def test_of_many_logins_at_once_one_shows_a_code_and_all_are_logged_in(commands: Commands) -> None:
    """[C-IMPL-02]"""
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    others = [log_in(commands, issuer) for _ in range(8)]
    for other in others:
        assert next_event(other, "login_elsewhere")["pid"] == first.pid
    approve(shown, password)

    assert events(first)[-1] == "granted"
    for other in others:
        # Whoever takes over has its turn, too, for a moment.
        assert [event for event in events(other) if event != "login_elsewhere"] == ["granted"]
    assert {process.returncode for process in (first, *others)} == {0}
    assert json.loads(commands.run("whoami", "--json").stdout)["name"] == EMAIL


def test_logins_that_start_at_the_same_moment_show_one_code_at_a_time(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    logins = [log_in(commands, issuer) for _ in range(5)]
    first = {login.pid: line for login in logins if (line := first_event(login))}
    [holder] = [login for login in logins if first[login.pid]["event"] == "device_code"]
    told = [found["pid"] for found in first.values() if found["event"] == "login_elsewhere"]

    assert told == [holder.pid] * 4
    approve({name: str(value) for name, value in first[holder.pid].items()}, password)
    for login in logins:
        assert "device_code" not in events(login)
        assert login.returncode == 0


def first_event(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdout is not None
    found: dict[str, object] = json.loads(process.stdout.readline())
    return found


def test_a_login_whose_other_is_killed_goes_on_by_itself(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    next_event(first, "device_code")
    second = log_in(commands, issuer)
    next_event(second, "login_elsewhere")
    first.kill()

    approve(next_event(second, "device_code"), password)
    assert events(second)[-1] == "granted"
    assert second.returncode == 0


def test_a_login_whose_other_is_declined_goes_on_by_itself(commands: Commands) -> None:
    from keyfob.testing.person import Person

    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    second = log_in(commands, issuer)
    next_event(second, "login_elsewhere")
    person = Person()
    person.open(shown["verification_uri"])
    person.press("continue", user_code=shown["user_code"])
    person.press("decline")

    assert "denied" in events(first)
    approve(next_event(second, "device_code"), password)
    assert events(second)[-1] == "granted"


def test_ctrl_c_ends_the_waiting_alone(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    second = log_in(commands, issuer, "--flow", "device")
    assert second.stderr is not None
    line = second.stderr.readline()
    assert f"another process ({first.pid}) is logging in to this profile; waiting for it" in line
    second.send_signal(signal.SIGINT)
    _, err = second.communicate(timeout=10)

    assert second.returncode == 130
    assert "keyfob login --resume" in err
    assert "Traceback" not in err
    approve(shown, password)
    assert events(first)[-1] == "granted"


def test_a_login_that_wants_something_else_waits_and_then_asks_for_it(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    second = log_in(commands, issuer, *BY_CODE, "--scope", "write:orders")
    next_event(second, "login_elsewhere")
    approve(shown, password)
    assert events(first)[-1] == "granted"

    approve(next_event(second, "device_code"), password)
    granted = next_event(second, "granted")
    assert {"read:orders", "write:orders"} <= set(granted["scope"].split())


def test_who_does_not_wait_is_not_made_to_and_who_cannot_log_in_is_told_at_once(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")

    begun = log_in(commands, issuer, "--flow", "device", "--no-wait", "--json")
    assert events(begun) == ["device_code"]
    assert begun.returncode == 0
    nobody = commands.run("login", "--issuer", issuer, *LOGIN, "--flow", "auto")
    assert nobody.returncode == 4
    assert json.loads(nobody.stdout)["error"]["code"] == "no-terminal"
    approve(shown, password)
    assert events(first)[-1] == "granted"


def test_what_was_begun_while_another_logged_in_can_still_be_resumed(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    begun = log_in(commands, issuer, "--flow", "device", "--no-wait", "--json")
    code = next_event(begun, "device_code")
    approve(shown, password)
    assert events(first)[-1] == "granted"

    resumed = commands.start("login", "--resume", "--json")
    next_event(resumed, "device_code")
    approve(code, password)
    assert events(resumed)[-1] == "granted"
    assert resumed.returncode == 0


def test_resuming_what_another_process_waits_for_takes_over_what_it_gets(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    resumed = commands.start("login", "--resume", "--json")
    assert next_event(resumed, "login_elsewhere")["pid"] == first.pid
    approve(shown, password)

    assert events(first)[-1] == "granted"
    assert events(resumed) == ["granted"]
    assert resumed.returncode == 0


def test_resuming_what_a_killed_process_waited_for_goes_on_with_its_code(commands: Commands) -> None:
    _, issuer, password = commands.serve()
    first = log_in(commands, issuer)
    shown = next_event(first, "device_code")
    resumed = commands.start("login", "--resume", "--json")
    next_event(resumed, "login_elsewhere")
    first.kill()

    assert next_event(resumed, "device_code")["user_code"] == shown["user_code"]
    approve(shown, password)
    assert events(resumed)[-1] == "granted"
