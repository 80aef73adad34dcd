"""What the daily commands print, letter for letter, in words and as JSON: people read the files in `transcripts`.

KEYFOB_TEST_ACCEPT=1 writes them anew; read the difference before you commit it.
"""

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyfob.client.io import detect as surroundings
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import Note
from keyfob.client.session import checkup
from tests.cli.desk import Desk, Ran, desk
from tests.cli.issuer import as_json, granted, issuer
from tests.loopback import says

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TRANSCRIPTS = Path(__file__).parent / "transcripts"
NOWHERE = "http://127.0.0.1:9/"
SITUATIONS = ("logged-in", "not-logged-in", "offline", "ended", "damaged-vault")
COMMANDS = (
    "login",
    "login --issuer ISSUER --client-id cli",
    "token",
    "call ISSUERhello",
    "run -- no-such-program",
    "run -- env",
    "inspect",
    "whoami",
    "status",
    "status --online",
    "status --all",
    "explain",
    "profile list",
    "profile show default",
    "profile use default",
    "profile remove default",
    "doctor",
    "vault status",
    "vault move file",
    "vault quick off",
    "logout",
    "logout --all",
)
WITHOUT_JSON = ("run",)
REMOTE = ("CODESPACES", "GITPOD_WORKSPACE_ID", "CLOUD_SHELL", "AZUREPS_HOST_ENVIRONMENT", "VSCODE_CLI_TUNNEL",
          "VSCODE_TUNNEL_NAME", "REMOTE_CONTAINERS", "REMOTE_CONTAINERS_IPC", "VSCODE_IPC_HOOK_CLI")  # fmt: skip
PAST = {"expires_at": datetime(2020, 1, 1, tzinfo=UTC), "obtained_at": datetime(2019, 1, 1, tzinfo=UTC)}


@pytest.fixture(autouse=True)
def _anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same surroundings on every machine: an automation without a terminal."""
    seen = [name for name, _ in (*surroundings._CI, *surroundings._AGENTS)]
    for name in (*checkup.PROXIES, *(name.lower() for name in checkup.PROXIES), *checkup.TRUST, *REMOTE, *seen):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TZ", "UTC")


@contextmanager
def situated(desk: Desk, situation: str) -> Generator[str]:
    """The issuer's address; its home is as it is told."""
    (desk.home / "vault.json").write_bytes(Note("file").write())
    (desk.home / "vault.json").chmod(0o600)
    if situation == "offline":
        desk.save(NOWHERE, **PAST)
        yield NOWHERE
        return
    gone = as_json(400, error="invalid_grant")
    with issuer(gone if situation == "ended" else granted(), hello=says(200, b"hello\n")) as server:
        url = f"{server.url}/"
        if situation != "not-logged-in":
            desk.save(url, **(PAST if situation == "ended" else {}))
        if situation == "damaged-vault":
            (desk.home / "vault" / "default.json").write_bytes(b"{")
        yield url


def without_what_changes(text: str, url: str, desk: Desk) -> str:
    """Addresses, folders, times and this machine's own places by their names."""
    for found, name in ((url, "ISSUER/"), (url.rstrip("/"), "ISSUER"), (url.split("/")[2], "ISSUER-HOST"),
                        (str(desk.home), "HOME"), (str(desk.project), "PROJECT")):  # fmt: skip
        text = text.replace(found, name)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "INSTANT", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", text)
    text = re.sub(r"\d{8}T\d{6}Z", "STAMP", text)
    text = re.sub(r"keyfob \d\S*, Python \S+, \w+", "keyfob VERSION, Python VERSION, SYSTEM", text)
    text = re.sub(r"(?m)^  (keyring|systemd|kernel|passphrase)(: | +).*\n", "", text)
    text = re.sub(r'"places": \[\{.*?\}\]', '"places": ["..."]', text)
    return re.sub(r'("store": \{"place": "file", "reasons": )\[.*?\]', r'\1["..."]', text)


def written(command: str, ran: Ran) -> str:
    words = f"$ keyfob {command}\n{ran.out}" + ("" if ran.out.endswith("\n") or not ran.out else "\n")
    return words + "".join(f"! {line}\n" for line in ran.err.splitlines()) + f"= {ran.code}\n\n"


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_transcript_is_as_it_was_agreed(desk: Desk, situation: str, tmp_path: Path) -> None:
    said = ""
    for command in COMMANDS:
        for form in ("", " --json"):
            if form and command.split()[0] in WITHOUT_JSON:
                continue
            if command == "run -- env" and situation == "logged-in":
                continue  # the program would take the place of the tests
            clear(desk)
            with situated(desk, situation) as url:
                words = f"{command}{form}".replace("ISSUER", url)
                said += without_what_changes(written(words, desk.type(*words.split())), url, desk)
    path = TRANSCRIPTS / f"{situation}.txt"
    if os.environ.get("KEYFOB_TEST_ACCEPT") == "1":
        path.write_text(said, encoding="utf-8")
    assert said == path.read_text(encoding="utf-8")


def clear(desk: Desk) -> None:
    for path in sorted(desk.home.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_no_transcript_is_kept_that_nothing_shows() -> None:
    assert {path.stem for path in TRANSCRIPTS.iterdir()} == set(SITUATIONS)


def test_every_line_of_json_is_an_object_and_no_secret_but_tokens(desk: Desk) -> None:
    for situation in SITUATIONS:
        blocks = (TRANSCRIPTS / f"{situation}.txt").read_text(encoding="utf-8").split("\n\n")
        for block in filter(None, blocks):
            command, *lines = block.splitlines()
            printed = [line for line in lines if not line.startswith(("! ", "= "))]
            if command.endswith("--json") and "call" not in command:
                assert all(isinstance(json.loads(line), dict) for line in printed), command
            if not command.startswith("$ keyfob token"):
                assert "at-1" not in block
            assert "rt-1" not in block
    assert FileVault(desk.home).entries() == []
