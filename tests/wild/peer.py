"""Start a program of somebody else's, talk with it in lines of JSON, and see how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wild.stage import LONGEST_S, Stage

PEERS = Path(__file__).parent / "peers"
WIRES = ("auth0", "rfc")
Answers = dict[str, Callable[[dict[str, str]], object]]


SCRIPTS = {
    "openid-client": "with_openid_client.mjs",
    "oauth4webapi": "with_oauth4webapi.mjs",
    "requests-oauth2client": "with_requests_oauth2client.py",
    "Authlib": "with_authlib.py",
    "auth0-python": "with_auth0_python.py",
    "curl": "with_curl.py",
}
# Those that judge tokens which our tenant gave, and those that give tokens for our guard to judge.
JUDGES = {
    "express-oauth2-jwt-bearer": "judge_express.mjs",
    "jose": "judge_jose.mjs",
    "auth0-api-python": "judge_auth0_api.py",
    "PyJWT": "judge_pyjwt.py",
    "Authlib": "judge_authlib.py",
}
MINTS = {"oidc-provider": "mint_oidc_provider.mjs", "Authlib": "mint_authlib.py"}


def passes(flow: str, *clients: str, wires: tuple[str, ...] = WIRES) -> Callable[[Callable[..., None]], object]:
    """Run a test with each of these clients in each dialect: the cells of docs/interop.md that it stands for.

    `tools.interop` reads these words from the source, so they are written as plain strings.
    """
    with_each_client = pytest.mark.parametrize("client", clients, indirect=True)
    in_each_dialect = pytest.mark.parametrize("theatre", wires, indirect=True, scope="session")
    return lambda test: with_each_client(in_each_dialect(test))


class Failed(Exception):
    """The program's library raised an error.

    Attributes:
        type: The library's own name for it.
        said: What the program found in it.
    """

    def __init__(self, said: dict[str, object]) -> None:
        super().__init__(json.dumps(said))
        self.type = said["type"]
        self.error = said.get("error")
        self.status = said.get("status")
        self.text = str(said.get("text"))


def python() -> str:
    """The Python of the peers, or a reason not to run."""
    folder = os.environ.get("KEYFOB_TEST_PEERS")
    if not folder:
        pytest.skip("KEYFOB_TEST_PEERS is not set: `make test` brings the programs of others")
    path = Path(folder) / "python" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    assert path.is_file(), f"KEYFOB_TEST_PEERS is set, and {path} is not there"
    return str(path)


def node() -> str:
    """Node, or a reason not to run."""
    path = os.environ.get("KEYFOB_TEST_NODE")
    if not path:
        pytest.skip("KEYFOB_TEST_NODE is not set: `make test` brings the programs of others")
    assert Path(path).is_file(), f"KEYFOB_TEST_NODE is set, and {path} is not there"
    assert (PEERS / "node_modules").is_dir(), "KEYFOB_TEST_NODE is set, and npm's packages are not there"
    return path


def interpreter(name: str) -> list[str]:
    """What starts a program, or a reason not to run."""
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    return _interpreter(SCRIPTS[name])


def _interpreter(script: str) -> list[str]:
    return [node(), "--no-warnings"] if script.endswith(".mjs") else [python(), "-B"]


def run(stage: Stage, name: str, flow: str, answers: Answers | None = None, **told: object) -> dict[str, object]:
    """Run one flow of a program to its end; what it found.

    Args:
        answers: By the name of what the program asks: `browser` takes an authorization address and gives the address
            the browser ended at, `device` takes the codes. Where nothing is said, the person approves.

    Raises:
        Failed: Its library raised an error.
    """
    interpreter(name)
    told = {"issuer": stage.issuer, **told}
    ways: Answers = {"device": stage.activate, "browser": lambda asked: stage.decide(asked["url"]), **(answers or {})}
    return converse(SCRIPTS[name], flow, told, ways)


def converse(
    script: str, flow: str, told: dict[str, object], ways: Answers, more: dict[str, str] | None = None
) -> dict[str, object]:
    """Run one flow of a script to its end; what it found. `more` is added to its environment.

    Raises:
        Failed: Its library raised an error.
    """
    # Neither our settings nor the machine's proxy are for them: they speak with this machine alone.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KEYFOB", "PYTHON")) and not name.lower().endswith("_proxy")
    }
    process = subprocess.Popen(
        [*_interpreter(script), str(PEERS / script), flow, json.dumps(told)],
        env={**environment, "PYTHONUTF8": "1", **(more or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    watch = threading.Timer(LONGEST_S, process.kill)
    watch.start()
    try:
        return _talk(process, ways)
    finally:
        watch.cancel()
        process.kill()
        process.communicate()


def _talk(process: subprocess.Popen[str], ways: Answers) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        said = json.loads(line)
        match said.pop("is"):
            case "done":
                return dict(said["found"])
            case "failed":
                raise Failed(said)
            case kind:
                process.stdin.write(json.dumps(ways[kind](said)) + "\n")
                process.stdin.flush()
    raise AssertionError(f"the program ended without a word: {process.stderr.read()}")


@dataclass(frozen=True)
class Client:
    """One of the programs, before one tenant; call it with the name of a flow and what the program is told."""

    name: str
    stage: Stage

    def __call__(self, flow: str, answers: Answers | None = None, **told: object) -> dict[str, object]:
        """Run a flow to its end; what it found. As `run`."""
        return run(self.stage, self.name, flow, answers, **told)

    def fails(self, flow: str, answers: Answers | None = None, **told: object) -> Failed:
        """Run a flow that must end in an error of the library's own; that error."""
        with pytest.raises(Failed) as problem:
            self(flow, answers, **told)
        return problem.value
