"""The linters report a violation of each import rule, in a copy of the source."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import cast

import pytest

from tools.source import ROOT, SOURCE

TOOLS = Path(sys.executable).parent

# Violations of the contracts in pyproject.toml: the contract, the added file, and its import.
PLANTED = [
    ("layers", "client/flows/planted.py", "import keyfob.server"),
    ("layers", "server/planted.py", "import keyfob.resource"),
    ("layers", "resource/planted.py", "import keyfob.client"),
    ("layers", "protocol/planted.py", "import keyfob.jose"),
    ("layers", "jose/planted.py", "import keyfob.client"),
    ("layers", "client/planted.py", "import keyfob.login"),
    ("layers", "resource/io/planted.py", "import keyfob.testing"),
    ("layers", "io/planted.py", "import keyfob.client"),
    ("layers", "testing/planted.py", "import keyfob.cli"),
    ("layers", "planted.py", ""),
    ("client", "client/model/planted.py", "import keyfob.client.ports"),
    ("client", "client/auth/planted.py", "import keyfob.client.flows"),
    ("client", "client/flows/planted.py", "import keyfob.client.session"),
    ("client", "client/planted.py", ""),
    ("io", "client/flows/planted.py", "import keyfob.client.io"),
    ("io", "server/planted.py", "from keyfob.server import io"),
    ("io", "resource/planted.py", "import keyfob.resource.io"),
    ("io", "client/session/planted.py", "from keyfob.client.io import world"),
    ("shared-io", "client/planted.py", "import keyfob.io"),
    ("shared-io", "cli/planted.py", "from keyfob import io"),
    ("pure-protocol", "protocol/planted.py", "import time"),
    ("pure-protocol", "protocol/planted.py", "from os import environ"),
    ("pure-protocol", "protocol/planted.py", "import logging"),
    ("pure-decisions", "server/decide/planted.py", "import sqlite3"),
    ("pure-decisions", "jose/planted.py", "import time"),
    ("cryptography", "client/planted.py", "import joserfc.jwk"),
    ("cryptography", "server/io/planted.py", "from cryptography.fernet import Fernet"),
    ("network", "client/planted.py", "import httpx2"),
    ("network", "cli/planted.py", "from httpx2 import Client"),
    ("no-cycles", "client/planted.py", "import keyfob.client.planted_too"),
]

# The names that ruff bans, each with a statement that uses it.
CALLS = {
    "asyncio": "import asyncio",
    "cryptography": "import cryptography.fernet",
    "datetime.date.today": "import datetime; datetime.date.today()",
    "datetime.datetime.now": "import datetime; datetime.datetime.now(datetime.UTC)",
    "datetime.datetime.today": "import datetime; datetime.datetime.today()",
    "datetime.datetime.utcnow": "import datetime; datetime.datetime.utcnow()",
    "httpx2": "import httpx2",
    "joserfc": "from joserfc import jwt",
    "os": "from os import environ",
    "random": "import random",
    "secrets": "from secrets import token_bytes",
    "aiohttp": "import aiohttp",
    "httpx": "import httpx",
    "requests": "import requests",
    "socket": "import socket",
    "sqlite3": "import sqlite3",
    "subprocess": "import subprocess",
    "time": "from time import monotonic",
    "unittest.mock": "from unittest.mock import Mock",
    "urllib.request": "from urllib.request import urlopen",
    "uuid.uuid1": "import uuid; uuid.uuid1()",
    "uuid.uuid4": "import uuid; uuid.uuid4()",
    "webbrowser": "import webbrowser",
}
PURE = [
    "protocol",
    "client",
    "client/flows",
    "client/session",
    "server",
    "server/decide",
    "server/endpoints",
    "resource",
]
WITH_INPUT_AND_OUTPUT = ["io", "client/io", "client/io/vault", "server/io", "resource/io", "testing", "jose", "cli"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the source, in which a test can violate the rules."""
    shutil.copytree(SOURCE, tmp_path / "src" / "keyfob", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(copy: Path, tool: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TOOLS / tool), *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "src"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def plant(copy: Path, place: str, line: str) -> Path:
    path = copy / "src" / "keyfob" / place
    path.write_text(f'"""Planted."""\n{line}\n', encoding="utf-8")
    return path


def contracts() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return {contract["id"] for contract in cast("list[dict[str, str]]", listed)}


def bans() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return set(tomllib.load(file)["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])


@pytest.mark.parametrize("contract", sorted({contract for contract, _, _ in PLANTED}))
def test_an_import_against_the_rules_is_reported(copy: Path, contract: str) -> None:
    """All of one contract at once: each is named in the report."""
    rows = [(place, line) for broken, place, line in PLANTED if broken == contract]
    names = [f"planted_{number}" for number in range(len(rows))]
    for name, (place, line) in zip(names, rows, strict=True):
        plant(copy, place.replace("planted", name), line)
    plant(copy, "client/planted_too.py", "import keyfob.client.planted_0" if contract == "no-cycles" else "")

    ran = run(copy, "lint-imports", "--no-cache", "--no-logo", "--contract", contract)

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "BROKEN" in ran.stdout
    reported = ran.stdout.partition("Broken contracts")[2]
    assert [name for name in names if not re.search(rf"\b{name}\b", reported)] == []


def test_every_contract_is_broken_once() -> None:
    assert {contract for contract, _, _ in PLANTED} == contracts()


def test_every_ban_is_broken_once() -> None:
    assert set(CALLS) == bans()


@pytest.mark.parametrize("package", PURE)
def test_a_banned_name_is_reported_in_a_pure_package(copy: Path, package: str) -> None:
    path = plant(copy, f"{package}/planted.py", "\n".join(CALLS.values()))

    ran = run(copy, "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise", str(path))

    for banned in CALLS:
        assert f"`{banned}` is banned" in ran.stdout


@pytest.mark.parametrize("place", ["login/__init__.py", "login/planted.py", "serve.py", "guard.py"])
def test_a_banned_name_is_reported_in_a_public_module(copy: Path, place: str) -> None:
    path = plant(copy, place, "import time\nimport socket")

    ran = run(copy, "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise", str(path))

    assert "`time` is banned" in ran.stdout
    assert "`socket` is banned" in ran.stdout


@pytest.mark.parametrize("package", WITH_INPUT_AND_OUTPUT)
def test_a_banned_name_is_allowed_in_a_package_that_touches_the_world(copy: Path, package: str) -> None:
    path = plant(copy, f"{package}/planted.py", "import time")

    ran = run(copy, "ruff", "check", "--no-cache", "--select", "TID251", str(path))

    assert ran.returncode == 0, ran.stdout + ran.stderr
