"""`keyfob` as a person runs it: each command in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyfob.testing.person import Person

EMAIL = "person@example.com"
LOGIN = ("--client-id", "keyfob-cli", "--audience", "https://orders.example/", "--scope", "read:orders")


class Commands:
    """Runs `keyfob` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = {"KEYFOB_HOME": str(folder / "home"), "KEYFOB_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1"}
        own["KEYFOB_KEYS"] = str(folder / "keys")
        own["KEYFOB_STORE"] = "file"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB")} | own
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "keyfob", *words],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.running.append(process)
        return process

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def serve(self, port: int = 0, *words: str) -> tuple[subprocess.Popen[str], str, str]:
        """A tenant; its issuer and, at the first start, its person's password."""
        process = self.start("serve", *words, "--port", str(port))
        issuer = password = ""
        assert process.stdout is not None
        for line in process.stdout:
            name, _, value = line.strip().partition(" ")
            issuer = value.strip() if name == "issuer" else issuer
            password = value.split()[0] if name == "password" else password
            if line.startswith("Ctrl-C"):
                break
        return process, issuer, password


@contextmanager
def running(folder: Path) -> Iterator[Commands]:
    """Yield commands with this folder, and end what they started."""
    made = Commands(folder)
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()
            process.wait(10)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    with running(tmp_path) as made:
        yield made


def next_event(process: subprocess.Popen[str], name: str) -> dict[str, str]:
    assert process.stdout is not None
    for line in process.stdout:
        event: dict[str, str] = json.loads(line)
        if event.get("event") == name:
            return event
    raise AssertionError(name)


def approve(event: dict[str, str], password: str) -> None:
    person = Person()
    person.open(event["verification_uri"])
    person.press("continue", user_code=event["user_code"])
    person.press("confirm")
    person.press("login", email=EMAIL, password=password)
    assert "logged in" in person.page.text
