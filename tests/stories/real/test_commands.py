"""The same story over real sockets: the commands as a person runs them, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from keyfob.testing.person import Person
from tests.stories.real.commands import EMAIL, LOGIN, Commands, approve, commands, next_event

__all__ = ["commands"]


def test_a_login_from_the_first_command_to_the_last(commands: Commands) -> None:
    tenant, issuer, password = commands.serve()
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--json")
    approve(next_event(login, "device_code"), password)
    granted = next_event(login, "granted")
    assert login.wait(30) == 0
    whoami = json.loads(commands.run("whoami", "--json").stdout)
    assert whoami["name"] == EMAIL
    assert granted["event"] == "granted"
    token = commands.run("token")
    assert token.stdout.count(".") == 2
    assert token.stderr == ""
    answer = commands.run("call", f"{issuer}userinfo")
    assert json.loads(answer.stdout)["email"] == EMAIL
    out = commands.run("logout")
    assert out.returncode == 0
    assert commands.run("token").returncode == 4
    tenant.send_signal(signal.SIGINT)
    assert tenant.wait(20) == 0


def test_a_machine_logs_in_as_itself_and_needs_nobody(commands: Commands) -> None:
    _, issuer, _ = commands.serve()
    made = json.loads(commands.run("tenant", "apps", "add", "Nightly", "--kind", "machine", "--json").stdout)
    orders, secret = "https://orders.example/", made["client_secret"]
    assert commands.run("tenant", "grants", "add", made["client_id"], orders, "--scope", "read:orders").returncode == 0
    login = ("login", "--profile", "ci", "--issuer", issuer, "--client-id", made["client_id"], "--audience", orders)
    unsaid = commands.run(*login, "--flow", "machine")
    assert (unsaid.returncode, "--secret-env" in unsaid.stderr) == (2, True)
    missing = commands.run(*login, "--flow", "machine", "--secret-env", "NIGHTLY_SECRET")
    assert (missing.returncode, "NIGHTLY_SECRET" in missing.stderr) == (2, True)
    commands.environment["NIGHTLY_SECRET"] = "wrong" * 10
    refused = commands.run(*login, "--flow", "machine", "--secret-env", "NIGHTLY_SECRET")
    assert (refused.returncode, "wrong" in refused.stderr) == (3, False)
    commands.environment["NIGHTLY_SECRET"] = secret
    done = commands.run(*login, "--flow", "machine", "--secret-env", "NIGHTLY_SECRET")
    assert done.returncode == 0, done.stderr
    assert made["client_id"] in done.stderr
    first, second = (commands.run("token", "--profile", "ci").stdout for _ in range(2))
    assert first == second
    assert first.count(".") == 2
    told = json.loads(commands.run("whoami", "--profile", "ci", "--json").stdout)
    assert (told["client_id"], told["scope"], told["renews"]) == (made["client_id"], "read:orders", True)
    out = commands.run("logout", "--profile", "ci")
    assert out.returncode == 0
    assert secret not in done.stdout + done.stderr + out.stdout + out.stderr
    kept = b"".join(path.read_bytes() for path in (commands.folder / "home").rglob("*") if path.is_file())
    assert secret.encode() not in kept


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_tenant_killed_in_the_middle_of_a_login_comes_back_and_the_login_ends_well(commands: Commands) -> None:
    tenant, issuer, password = commands.serve()
    port = int(issuer.rstrip("/").rpartition(":")[2])
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--json")
    code = next_event(login, "device_code")
    tenant.kill()
    tenant.wait(10)
    again, same, none = commands.serve(port)
    assert (same, none) == (issuer, "")
    approve(code, password)
    next_event(login, "granted")
    assert login.wait(30) == 0
    again.terminate()
    assert again.wait(20) == 0


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_ends_a_waiting_login_at_once(commands: Commands) -> None:
    _, issuer, _ = commands.serve()
    login = commands.start("login", "--issuer", issuer, *LOGIN, "--json")
    next_event(login, "device_code")
    login.send_signal(signal.SIGINT)
    assert login.wait(3) == 130
    assert login.stderr is not None
    assert "Traceback" not in login.stderr.read()


def test_the_demo_walks_by_itself_and_leaves_nothing_running(commands: Commands) -> None:
    done = commands.run("demo", "--unattended")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("Nothing is left running.")
    issuer = next(line.split()[1] for line in done.stdout.splitlines() if line.strip().startswith("tenant"))
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(issuer.rstrip("/").rpartition(":")[2]))) != 0


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_ends_the_demo_and_leaves_nothing_running(commands: Commands) -> None:
    demo = commands.start("demo")
    assert demo.stdout is not None
    port = 0
    for line in demo.stdout:
        if line.strip().startswith("tenant"):
            port = int(line.strip().rstrip("/").rpartition(":")[2])
        if "with the password" in line:
            break
    demo.send_signal(signal.SIGINT)
    # While it imports, Python itself may end by the signal; a shell shows 130 for both.
    assert demo.wait(20) in {130, -signal.SIGINT}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_said_plainly(commands: Commands) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = commands.run("serve", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 2
    assert "another program uses port" in refused.stderr
    assert "port-taken" in refused.stderr


def test_a_tenant_that_answers_with_a_web_page_is_told_apart(commands: Commands) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 18\r\nconnection: close\r\n\r\n"
    page = head + b"<html>hotel</html>"

    def hotel(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(page)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        guest = threading.Thread(target=hotel, args=(listener,), daemon=True)
        guest.start()
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        refused = commands.run("login", "--issuer", issuer, *LOGIN)
        guest.join(10)
    assert refused.returncode == 1
    assert "web page" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_first_starts_at_once_share_one_key(commands: Commands) -> None:
    servers = [commands.start("serve", "--port", "0") for _ in range(2)]
    issuers = []
    for server in servers:
        assert server.stdout is not None
        issuers.append(next(line.split()[1] for line in server.stdout if line.strip().startswith("issuer")))
    keys = [json.loads(Person().open(f"{issuer}.well-known/jwks.json").response.body) for issuer in issuers]
    assert keys[0] == keys[1]


def test_a_light_install_says_which_extra_a_tenant_needs(commands: Commands) -> None:
    blocked = "import sys; sys.modules['jinja2'] = None; from keyfob.cli.main import main; sys.exit(main(['serve']))"
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        env=commands.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "keyfob[serve]" in done.stderr
