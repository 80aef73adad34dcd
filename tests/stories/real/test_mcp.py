"""`keyfob mcp login` and `keyfob mcp proxy` with the example servers, and a client of the MCP SDK."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.strict_issuer import expired
from tests.stories.real.commands import Commands, approve, commands, next_event, running

pytest.importorskip("mcp", reason="the extra mcp is not installed")
__all__ = ["commands"]
EXAMPLES = Path(__file__).parents[3] / "examples" / "mcp"
CALL = {"name": "orders", "arguments": {}}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Desk:
    """A tenant and an MCP server as processes."""

    def __init__(self, commands: Commands, example: str) -> None:
        self.commands = commands
        _, self.issuer, self.password = commands.serve()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}/mcp"
        made = commands.run("tenant", "apis", "add", self.address, "--scope", "read:orders=see your orders")
        assert made.returncode == 0, made.stderr
        self.start_server(example)

    def start_server(self, example: str) -> None:
        line = [sys.executable, str(EXAMPLES / example), self.issuer, self.address]
        self.server = subprocess.Popen(line, env=self.commands.environment, stderr=subprocess.PIPE, text=True)
        self.commands.running.append(self.server)
        assert self.server.stderr is not None
        said = ""
        while "Uvicorn running on" not in said:
            said = self.server.stderr.readline()
            assert said, self.server.wait(20)
        threading.Thread(target=self.server.stderr.read, daemon=True).start()

    def log_in(self) -> None:
        words = ("mcp", "login", self.address, "--client-id", "keyfob-cli", "--trust-issuer", self.issuer, "--json")
        login = self.commands.start(*words)
        approve(next_event(login, "device_code"), self.password)
        out, err = login.communicate(timeout=60)
        assert login.returncode == 0, out + err

    def proxy(self) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "keyfob", "mcp", "proxy", self.address]
        pipe = subprocess.PIPE
        proxy = subprocess.Popen(line, env=self.commands.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.commands.running.append(proxy)
        return proxy


@pytest.fixture(params=["server_sdk.py", "server_fastmcp.py"])
def desk(request: pytest.FixtureRequest, commands: Commands) -> Desk:
    if request.param == "server_fastmcp.py":
        pytest.importorskip("fastmcp", reason="FastMCP is not installed")
    return Desk(commands, request.param)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A tenant, a server and a login, for all tests that leave them as they are."""
    with running(tmp_path_factory.mktemp("mcp")) as made:
        desk = Desk(made, "server_sdk.py")
        desk.log_in()
        yield desk


def say(proxy: subprocess.Popen[str], method: str, number: int | None = None, **parameters: object) -> None:
    assert proxy.stdin is not None
    message = {"jsonrpc": "2.0", "method": method, "params": parameters}
    proxy.stdin.write(json.dumps(message if number is None else {**message, "id": number}) + "\n")
    proxy.stdin.flush()


def hear(proxy: subprocess.Popen[str]) -> dict[str, object]:
    assert proxy.stdout is not None
    line = proxy.stdout.readline()
    assert line, proxy.communicate(timeout=20)
    answer: dict[str, object] = json.loads(line)
    return answer


def shake_hands(proxy: subprocess.Popen[str]) -> None:
    say(proxy, "initialize", 1, **HELLO)
    assert hear(proxy)["id"] == 1
    say(proxy, "notifications/initialized")


def test_a_program_without_oauth_uses_a_server_that_needs_a_login(desk: Desk) -> None:
    """[C-9728-01]"""
    before = desk.proxy()
    out, err = before.communicate(timeout=60)
    assert (before.returncode, out) == (4, ""), err
    assert f"keyfob mcp login {desk.address}" in err
    asked = desk.commands.run("mcp", "login", desk.address, "--client-id", "keyfob-cli")
    assert asked.returncode == 4
    told = json.loads(asked.stdout)["error"]
    assert (told["code"], told["issuer"]) == ("new-issuer", desk.issuer)
    assert told["run"].startswith("keyfob mcp login --trust-issuer")
    desk.log_in()

    proxy = desk.proxy()
    shake_hands(proxy)
    say(proxy, "tools/call", 2, **CALL)
    assert "has ordered a brass key" in json.dumps(hear(proxy))
    assert proxy.stdin is not None
    proxy.stdin.close()
    assert proxy.wait(30) == 0
    assert "eyJ" not in (proxy.stderr.read() if proxy.stderr else "")


def test_a_client_of_the_sdk_speaks_through_the_proxy_in_whatever_version_it_likes(one: Desk) -> None:
    from mcp import Client, StdioServerParameters, stdio_client

    environment = {**one.commands.environment}
    line = StdioServerParameters(
        command=sys.executable, args=["-m", "keyfob", "mcp", "proxy", one.address], env=environment
    )

    async def use() -> str:
        async with Client(stdio_client(line)) as client:
            listed = await client.list_tools()
            called = await client.call_tool("orders", {})
            return f"{listed.tools[0].name} {called.content[0].text}"

    assert "orders" in asyncio.run(use())


def test_lapsed_tokens_are_renewed_and_what_fails_is_an_error_of_each_request(commands: Commands) -> None:
    one = Desk(commands, "server_sdk.py")
    one.log_in()
    proxy = one.proxy()
    shake_hands(proxy)
    [name] = FileVault(one.commands.folder / "home").entries()
    vault = FileVault(one.commands.folder / "home")
    stored = run(vault.load(name))
    assert stored is not None
    run(vault.save(name, expired(stored)))
    say(proxy, "tools/call", 2, **CALL)
    assert "brass key" in json.dumps(hear(proxy))

    stored = run(vault.load(name))
    assert stored is not None
    run(vault.save(name, replace(expired(stored), refresh_token=Secret("spent"))))
    say(proxy, "tools/call", 3, **CALL)
    answer = hear(proxy)
    assert answer["id"] == 3
    assert "keyfob login" in json.dumps(answer["error"])

    one.server.kill()
    one.server.wait(10)
    for number in (4, 5):
        say(proxy, "tools/call", number, **CALL)
        answer = hear(proxy)
        assert (answer["id"], "error" in answer) == (number, True)
    assert proxy.poll() is None


def test_what_is_no_message_is_answered_and_the_next_one_is_sent(one: Desk) -> None:
    proxy = one.proxy()
    assert proxy.stdin is not None
    proxy.stdin.write("what?\n\n[1]\n")
    proxy.stdin.flush()
    assert [hear(proxy)["error"]["code"] for _ in range(2)] == [-32700, -32700]  # type: ignore[index]
    shake_hands(proxy)


def test_what_was_asked_before_stdin_ends_is_answered(one: Desk) -> None:
    proxy = one.proxy()
    lines = json.dumps({"jsonrpc": "2.0", "method": "initialize", "params": HELLO, "id": 1})
    out, err = proxy.communicate(lines, timeout=60)
    assert (proxy.returncode, json.loads(out)["id"]) == (0, 1), err


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_proxy_that_waits_for_its_program(one: Desk, number: signal.Signals, code: int) -> None:
    proxy = one.proxy()
    shake_hands(proxy)
    say(proxy, "ping", 2)
    hear(proxy)
    proxy.send_signal(number)
    assert proxy.wait(20) == code


def test_a_server_that_needs_no_login_and_an_address_that_is_none_are_said(commands: Commands) -> None:
    assert commands.run("mcp", "proxy", "mcp.example.com").returncode == 2
    assert commands.run("mcp", "login", "http://mcp.example.com/mcp").returncode == 2
    assert commands.run("mcp", "login", "http://127.0.0.1:9/mcp").returncode == 7
    assert commands.run("mcp").returncode == 2
