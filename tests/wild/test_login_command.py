"""`keyfob login` at servers of others, from the first command to the last, in real time."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyfob.login import CodeShown
from tests.stories.real.commands import Commands, commands, next_event
from tests.wild.servers import SCOPE, Django, Server, logs_in
from tests.wild.stage import AUDIENCE, SECRET

assert commands, "a fixture"


def login(server: Server, program: str, *more: str) -> list[str]:
    """The words for a login there."""
    who = ["--issuer", server.issuer, "--client-id", server.programs.get(program, program)]
    what = ["--resource" if server.is_resource else "--audience", AUDIENCE, "--scope", SCOPE]
    ports = [word for port in server.ports for word in ("--port", str(port))]
    endpoints = [word for name, url in server.endpoints.items() for word in ("--endpoint", f"{name}={url}")]
    return ["login", *who, *what, *ports, *endpoints, *more]


def shown(event: dict[str, str]) -> CodeShown:
    """What the command tells the person."""
    address, complete = event["verification_uri"], event["verification_uri_complete"]
    return CodeShown(
        event["user_code"], address, complete, timedelta(seconds=int(event["expires_in"])), datetime.now(UTC)
    )


@logs_in("keyfob login, by device", "glewlwyd", "django-oauth-toolkit")
def test_the_commands_from_a_login_by_device_to_the_log_out(server: Server, commands: Commands) -> None:
    process = commands.start(*login(server, "native", "--flow", "device", "--json"))
    server.approve(shown(next_event(process, "device_code")))
    granted = next_event(process, "granted")
    assert process.wait(30) == 0
    assert granted["name"] == (None if isinstance(server, Django) else "person@example.com")
    assert json.loads(commands.run("whoami", "--json").stdout)["subject"] == granted["subject"]
    assert commands.run("token").stdout.strip()
    commands.run("logout")
    assert commands.run("token").returncode == 4


@logs_in("keyfob login, by browser", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_the_command_logs_in_by_browser(server: Server, commands: Commands) -> None:
    commands.environment |= {"DISPLAY": ":0", "BROWSER": f'"{Path(sys.executable).as_posix()}" -c pass %s'}
    process = commands.start(*login(server, "browser", "--flow", "browser", "--json"))
    event = next_event(process, "browser")
    server.let_in(event["address"])
    granted = next_event(process, "granted")
    assert process.wait(30) == 0
    assert event["has_opened"]
    assert json.loads(commands.run("whoami", "--json").stdout)["subject"] == granted["subject"]


@logs_in("keyfob login, as a machine", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_the_command_logs_in_as_a_machine(server: Server, commands: Commands) -> None:
    commands.environment["PROOF_OF_THE_PROGRAM"] = SECRET
    done = commands.run(*login(server, "basic", "--flow", "machine", "--secret-env", "PROOF_OF_THE_PROGRAM"))
    assert done.returncode == 0, done.stderr
    first, second = (commands.run("token").stdout for _ in range(2))
    assert first == second
    assert first.strip()
