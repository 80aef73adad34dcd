"""The commands of docs/auth0.md, against the tenant of its tenant.toml and an API of its name."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyfob.guard import Guard
from keyfob.serve import Running, bind, url_of
from keyfob.testing.orders import api
from keyfob.testing.person import Person
from tests.stories.real.commands import Commands, commands, next_event
from tests.stories.real.proxies import free_port

__all__ = ["commands"]
PAGE = Path(__file__).parents[3] / "docs" / "auth0.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PASSWORD = "a password of fifteen or more"
DASHBOARD = ("pip install", "keyfob serve", "keyfob tenant")  # done before, or tested for itself


class Guide:
    """Types the commands of the guide; its addresses are those of servers on this machine."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self.commands = commands
        commands.environment |= {"PAT_PASSWORD": PASSWORD, "NIGHTLY_SECRET": "n" * 40, "BROWSER": "true"}
        self.tenant_port = free_port()
        listener = bind("127.0.0.1", 0)
        self.changed = {
            "auth0:northwind.eu": f"http://127.0.0.1:{self.tenant_port}/",
            "https://northwind.eu.auth0.com/": f"http://127.0.0.1:{self.tenant_port}/",
            "https://api.northwind.example/": url_of(listener),
            "8484": str(free_port()),
            "8485": str(free_port()),
            "./nightly.sh": f"{sys.executable} {folder / 'nightly.py'}",
        }
        self.text = PAGE.read_text(encoding="utf-8")
        for word, here in self.changed.items():
            self.text = self.text.replace(word, here)
        self.blocks = [(kind, body) for kind, body in BLOCK.findall(self.text)]
        (folder / "tenant.toml").write_text(next(body for kind, body in self.blocks if kind == "toml"))
        (folder / "nightly.py").write_text("import os; print(len(os.environ['KEYFOB_ACCESS_TOKEN'].split('.')))")
        commands.serve(self.tenant_port, str(folder / "tenant.toml"))
        guard = Guard(issuer=self.changed["auth0:northwind.eu"], audience=url_of(listener))
        self.api = Running(api(guard), listener)

    def commands_of_page(self) -> Iterator[list[str]]:
        for kind, body in self.blocks:
            for line in body.splitlines() if kind == "console" else ():
                assert line.startswith("$ "), line
                if not line.startswith(DASHBOARD, 2):
                    yield shlex.split(line[2:])

    def type(self, words: list[str], *lines: str) -> str:
        """Run a command to its end; the lines are typed."""
        environment = self.commands.environment
        ran = subprocess.run(
            [sys.executable, "-m", *words],
            env=environment,
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, (words, ran.stderr)
        return ran.stdout

    def log_in(self, words: list[str]) -> None:
        """Log Pat in, by the page that the command names."""
        program = self.commands.start(*words[1:], "--json")
        person = Person()
        if "device" in words:
            event = next_event(program, "device_code")
            person.open(event["verification_uri"])
            person.press("continue", user_code=event["user_code"])
            person.press("confirm")
        else:
            page = person.open(next_event(program, "browser")["address"])
            assert page.forms, page.text
        person.press("login", email="pat@northwind.example", password=PASSWORD)
        if "device" not in words:
            person.press("approve")
        assert program.wait(60) == 0


@pytest.fixture
def guide(commands: Commands, tmp_path: Path) -> Iterator[Guide]:
    made = Guide(commands, tmp_path)
    yield made
    made.api.stop()


def test_every_command_of_the_guide_does_what_it_says(guide: Guide) -> None:
    typed = list(guide.commands_of_page())
    logins = [words for words in typed if words[1] == "login" and "password" not in words and "machine" not in words]
    assert len(logins) == 2
    shown = ""
    for words in typed:
        if words in logins:
            guide.log_in(words)
        else:
            shown += guide.type(words, *([PASSWORD] if "--allow-password" in words else []))
    assert "pat@northwind.example" in shown
    assert "brass key" in shown
    assert "3" in shown.splitlines(), "the job sees a token of three parts"
    profiles = guide.type(["keyfob", "profile", "list", "--json"]).splitlines()
    assert {json.loads(one)["profile"] for one in profiles} == {"default", "nightly", "legacy"}


def test_the_python_of_the_guide_runs(guide: Guide) -> None:
    found: dict[str, object] = {}
    for kind, body in guide.blocks:
        if kind == "python":
            exec(body, found)
    assert found.keys() >= {"app", "guard"}
