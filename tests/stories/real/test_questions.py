"""The questions of `keyfob login` and `keyfob switch` on a narrow terminal, answered, left open and interrupted."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.login import App
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer
from tests.stories.real.commands import Commands, commands
from tests.stories.real.test_found_api import read_until

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="a terminal that is none is POSIX's")


@contextmanager
def at_terminal(commands: Commands, *words: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 34, 0, 0))
    environment = commands.environment | {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22", "TERM": "xterm"}
    line = [sys.executable, "-m", "keyfob", *words]
    process = subprocess.Popen(line, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait(10)
        os.close(ours)


def test_a_login_without_words_asks_for_both_and_the_code_is_copied(commands: Commands) -> None:
    """[FC-23]"""
    issuer = StrictIssuer()
    with issuer.serving(), at_terminal(commands, "login", "--flow", "device", "--clipboard") as (process, screen):
        read_until(screen, r"\s*issuer: [^:]*(:[^:]*)*: $")
        os.write(screen, f"{issuer.issuer}\n".encode())
        read_until(screen, r"client ID[^:]*(:[^:]*)*: $")
        os.write(screen, b"cli\n")
        said = read_until(screen, r"logged in at")
        assert "\x1b]52;c;V0RKQi1NSkhU\x07" in said  # WDJB-MJHT in Base64
        assert process.wait(30) == 0
    assert ProfileFiles(commands.folder / "home").names() == ["default"]


@pytest.mark.parametrize(("act", "code"), [(b"\x04", 2), (b"no issuer\n", 2), (None, 130)])
def test_a_question_that_is_not_answered_keeps_nothing(commands: Commands, act: bytes | None, code: int) -> None:
    with at_terminal(commands, "login") as (process, screen):
        read_until(screen, r"\s*issuer: [^:]*(:[^:]*)*: $")
        if act is None:
            process.send_signal(signal.SIGINT)
        else:
            os.write(screen, act)
        assert process.wait(30) == code
    assert ProfileFiles(commands.folder / "home").names() == []


def test_a_login_is_chosen_by_its_number(commands: Commands) -> None:
    issuer = StrictIssuer()
    files = ProfileFiles(commands.folder / "home")
    for name in ("default", "work"):
        profile = App(issuer=issuer.issuer, client_id="cli", profile=name).profile
        run(FileVault(commands.folder / "home").save(name, issuer.log_in(profile)))
        files.save(profile)
    with at_terminal(commands, "switch") as (process, screen):
        read_until(screen, r"\[default\]: $")
        os.write(screen, b"2\n")
        assert process.wait(30) == 0
    assert files.chosen() == "work"
