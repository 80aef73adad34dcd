"""What docs/commands.md tells a person to type is typed, and what it says of JSON and files is so."""

import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from keyfob.cli import settings
from keyfob.cli.commands import status
from tests.cli.desk import Desk, Ran, desk
from tests.cli.issuer import granted, issuer
from tests.cli.test_process import start

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([a-z, ]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL | re.IGNORECASE))
LINES = sorted({
    line.removeprefix("$ keyfob ")
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
})  # fmt: skip
PROJECT, CONFIG = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))


def typed(desk: Desk, line: str) -> Ran:
    words = shlex.split(line)
    if words[0] != "run":
        return desk.type(*words)
    # The program takes keyfob's place, so it is another process.
    program = start(desk.home, *words[: words.index("--")], "--", sys.executable, "-c", "")
    out, err = program.communicate(timeout=30)
    return Ran(program.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("line", LINES)
def test_every_line_does_what_it_says(desk: Desk, line: str) -> None:
    with issuer(granted(expires_in=7200)) as server:
        desk.save(f"{server.url}/")
        desk.save(f"{server.url}/", "work")

        ran = typed(desk, line)

    assert ran.code == 0, ran.err
    assert "keyfob help" not in ran.err


@pytest.mark.parametrize("line", [line for line in LINES if "--json" in line] + ["token --json", "whoami --json"])
def test_every_member_of_json_is_on_the_page(desk: Desk, line: str) -> None:
    with issuer(granted(expires_in=7200)) as server:
        desk.save(f"{server.url}/")
        desk.save(f"{server.url}/", "work")
        ran = typed(desk, line)

    command = line.split(maxsplit=1)[0]
    section = SECTIONS["token, whoami, call" if command in {"token", "whoami"} else command]
    if "profile list" in line or "logout" in line:
        section += SECTIONS["profile"]
    for told in map(json.loads, ran.out.splitlines()):
        assert [member for member in told if f"`{member}`" not in section] == []


def test_the_files_on_the_page_are_read_as_they_stand(desk: Desk) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    desk.says(blocks[0])
    desk.config(blocks[1])

    told = desk.type("explain", "--json").members()

    found = told["settings"]
    assert isinstance(found, dict)
    assert {name: setting["value"] for name, setting in found.items() if setting["from"] == "project"} == {
        **{name: value for name, value in PROJECT.items() if name != "scope"}, "scope": "read:orders",
    }  # fmt: skip
    assert {name for name, setting in found.items() if setting["from"] == "config"} == {"dpop", "ca"}


def test_the_page_names_every_setting_variable_and_state() -> None:
    section = SECTIONS["Settings"]

    assert [name for name in settings.VARIABLES.values() if f"`{name}`" not in section] == []
    assert settings._IN_PROJECT - {"resource"} == PROJECT.keys()
    assert CONFIG.keys() - {"profiles"} == settings._IN_CONFIG
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\d) \|", SECTIONS["status"], re.MULTILINE))
    assert rows == {state: str(code) for state, code in status._EXITS.items()}
