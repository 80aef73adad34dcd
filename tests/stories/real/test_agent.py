"""`keyfob agent` as a process, and programs that have no login of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import Profile
from keyfob.login import App
from keyfob.protocol.http import Request, Response
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer, expired
from tests.stories.real.commands import Commands, commands

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the caller's account is known on Linux only")
LIBRARY = """
import sys
from keyfob.login import App
print(App(issuer=sys.argv[1], client_id="cli").session().token())
"""


class Broker:
    """An agent with a login that has lapsed, and a container that has none."""

    def __init__(self, commands: Commands, issuer: StrictIssuer) -> None:
        self.commands, self.issuer = commands, issuer
        self.home = commands.folder / "home"
        profile = App(issuer=issuer.issuer, client_id="cli", profile="default").profile
        self.save(profile)
        self.inside = dict(commands.environment)
        self.inside["KEYFOB_HOME"] = str(commands.folder / "container")

    def save(self, profile: Profile) -> None:
        run(FileVault(self.home).save(profile.name, expired(self.issuer.log_in(profile))))
        ProfileFiles(self.home).save(profile)

    def start(self, *words: str) -> subprocess.Popen[str]:
        agent = self.commands.start("agent", "--json", *words)
        assert agent.stdout is not None
        event = json.loads(agent.stdout.readline() or "{}")
        assert event.get("event") == "listening", agent.communicate(timeout=20)
        self.inside["KEYFOB_AGENT"] = event["socket"]
        return agent

    def use(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        line = [*before, sys.executable, *words]
        return subprocess.run(line, env=self.inside, capture_output=True, text=True, timeout=60, check=False)

    def token(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.use("-m", "keyfob", "token", *words)


@pytest.fixture
def broker(commands: Commands) -> Iterator[Broker]:
    issuer = StrictIssuer()
    with issuer.serving():
        yield Broker(commands, issuer)


def test_a_program_without_a_login_gets_tokens_of_the_agent_and_the_login_is_refreshed_once(broker: Broker) -> None:
    broker.start()

    for words in ((), ("--header",), ("--profile", "default")):
        given = broker.token(*words)
        assert (given.returncode, given.stdout.split()[-1]) == (0, "at-1-2"), given.stderr
    assert broker.use("-c", LIBRARY, broker.issuer.issuer).stdout == "at-1-2\n"
    ran = broker.use("-m", "keyfob", "run", "--", "printenv", "KEYFOB_ACCESS_TOKEN")
    assert ran.stdout == "at-1-2\n"
    who = broker.use("-m", "keyfob", "whoami", "--json")
    assert json.loads(who.stdout)["issuer"] == broker.issuer.issuer
    status = broker.use("-m", "keyfob", "status")
    assert (status.returncode, "where keyfob agent runs" in status.stdout) == (0, True), status.stderr
    assert broker.use("-m", "keyfob", "prompt").stdout == "agent\n"
    assert (broker.issuer.refreshes, broker.issuer.reuses) == (1, [])
    assert not (broker.commands.folder / "container" / "vault").exists()


def test_what_an_agent_does_not_offer_is_refused_with_what_to_do(broker: Broker) -> None:
    broker.save(App(issuer=broker.issuer.issuer, client_id="cli", audience="urn:stock", profile="stock").profile)
    broker.start("default")

    refused = broker.token("--profile", "stock", "--json")
    assert refused.returncode == 3
    assert json.loads(refused.stdout)["error"]["code"] == "agent-refused"
    other = broker.use("-c", LIBRARY.replace('client_id="cli"', 'client_id="other"'), broker.issuer.issuer)
    assert (other.returncode, "agent-refused" in other.stderr or "no such login" in other.stderr) == (1, True)
    assert broker.issuer.refreshes == 0


def test_a_program_can_neither_log_in_nor_out_at_an_agent(broker: Broker) -> None:
    broker.start()

    login = broker.use("-m", "keyfob", "login", broker.issuer.issuer, "cli", "--flow", "device", "--json")
    logout = broker.use("-m", "keyfob", "logout", "--json")

    assert (login.returncode, logout.returncode) != (0, 0)
    assert "at-" not in login.stdout + logout.stdout
    assert broker.token().stdout == "at-1-2\n"
    assert broker.issuer.families[0].is_alive


def test_twenty_programs_at_once_make_one_refresh(broker: Broker) -> None:
    broker.start()
    line = [sys.executable, "-m", "keyfob", "token"]
    started = [
        subprocess.Popen(line, env=broker.inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    ended = [process.communicate(timeout=90) for process in started]

    assert {out for out, _ in ended} == {"at-1-2\n"}, ended
    assert (broker.issuer.refreshes, broker.issuer.reuses) == (1, [])


def test_it_works_in_a_namespace_without_any_network(broker: Broker) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare(1) here")
    before = (unshare, "--user", "--map-root-user", "--net")
    tried = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"this kernel refuses a network namespace: {tried.stderr.strip()}")
    broker.start()
    probe = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2)"
    port = broker.issuer.issuer.rstrip("/").rpartition(":")[2]

    assert broker.use("-c", probe, port).returncode == 0
    assert broker.use("-c", probe, port, before=before).returncode == 1
    given = broker.use("-m", "keyfob", "token", before=before)
    assert (given.returncode, given.stdout) == (0, "at-1-2\n"), given.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_refresh_ends_the_agent_and_keeps_the_login(
    broker: Broker, number: signal.Signals
) -> None:
    under_way, may_answer = threading.Event(), threading.Event()

    def wait(_request: Request, _response: Response) -> None:
        under_way.set()
        may_answer.wait(20)

    broker.issuer.before_answer = wait
    agent = broker.start()
    asking = broker.commands.start("token")  # with a home of its own login; the agent shares it
    assert under_way.wait(20)
    agent.send_signal(number)
    threading.Timer(0.3, may_answer.set).start()
    out, _ = asking.communicate(timeout=30)
    assert agent.wait(30) in {0, 143}

    assert out == "at-1-2\n"
    assert not Path(broker.inside["KEYFOB_AGENT"]).exists()
    stored = run(FileVault(broker.home).load("default"))
    assert stored is not None
    assert broker.issuer.works(stored.refresh_token)


def test_a_refresh_that_the_agent_makes_outlives_its_end(broker: Broker) -> None:
    under_way, may_answer = threading.Event(), threading.Event()

    def wait(_request: Request, _response: Response) -> None:
        under_way.set()
        may_answer.wait(20)

    broker.issuer.before_answer = wait
    agent = broker.start()
    line = [sys.executable, "-m", "keyfob", "token"]
    with subprocess.Popen(line, env=broker.inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
        assert under_way.wait(20)
        agent.send_signal(signal.SIGTERM)
        threading.Timer(0.3, may_answer.set).start()
        out, err = asking.communicate(timeout=30)

    assert agent.wait(30) == 143
    assert out == "at-1-2\n", err
    stored = run(FileVault(broker.home).load("default"))
    assert stored is not None
    assert broker.issuer.works(stored.refresh_token)


def test_the_agent_of_a_shell_that_names_one_uses_the_vault_and_not_itself(broker: Broker) -> None:
    broker.commands.environment["KEYFOB_AGENT"] = str(broker.commands.folder / "home" / "agent" / "socket")
    broker.start()

    assert broker.token().stdout == "at-1-2\n"


def test_without_its_agent_a_program_says_what_is_missing(broker: Broker) -> None:
    broker.inside["KEYFOB_AGENT"] = str(broker.commands.folder / "nothing")
    gone = broker.token()
    broker.inside["KEYFOB_AGENT"] = "relative"
    relative = broker.token()

    assert (gone.returncode, relative.returncode) == (8, 2)
    assert "KEYFOB_AGENT" in gone.stderr
    assert "absolute" in relative.stderr


def test_what_the_agent_says_of_its_callers_contains_no_token(broker: Broker) -> None:
    agent = broker.start()
    assert broker.token().returncode == 0
    agent.send_signal(signal.SIGINT)
    out, err = agent.communicate(timeout=30)

    assert json.loads(out)["event"] == "handed_out"
    assert "at-1" not in out + err
    assert agent.returncode == 0
    assert os.path.lexists(broker.inside["KEYFOB_AGENT"]) is False


@pytest.mark.parametrize("as_json", [True, False])
def test_an_agent_whose_output_nobody_reads_any_more_goes_on(broker: Broker, *, as_json: bool) -> None:
    """Such as behind `| head -1`, which has read the path of the socket."""
    if as_json:
        agent = broker.start()
    else:
        agent = broker.commands.start("agent")
        assert agent.stdout is not None
        assert agent.stderr is not None
        broker.inside["KEYFOB_AGENT"] = agent.stdout.readline().strip().partition("=")[2]
        assert "Ctrl-C" in agent.stderr.readline()
    assert agent.stdout is not None
    assert agent.stderr is not None
    agent.stdout.close()
    agent.stderr.close()
    for _ in range(2):
        found = broker.use("-m", "keyfob", "token")
        assert found.returncode == 0, found.stderr
        assert found.stdout.strip()
    refused = broker.use("-m", "keyfob", "token", "--scope", "admin")
    assert refused.returncode not in {0, 70}
    assert "closed the connection" not in refused.stderr
    agent.send_signal(signal.SIGINT)
    assert agent.wait(20) == 0
