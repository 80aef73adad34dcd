"""`keyfob help`: what an error means and what a page says, without a network; and the pages are in the wheel."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from keyfob.cli import help as pages
from keyfob.cli.main import COMMANDS
from keyfob.cli.manual import MANUAL
from keyfob.cli.tenant.example import SCHEMA_FILE
from keyfob.errors import CODES
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer
from tools.source import ROOT

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
SOURCE = ROOT / "src" / "keyfob"


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(desk: Desk, code: str) -> None:
    """[FC-10]: errors pointed to a page that the wheel did not have."""
    ran = desk.type("help", code)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{code}\n\n")
    assert len(ran.out.splitlines()) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_the_commands_help(desk: Desk, command: str) -> None:
    """[FC-27]: it was the main help."""
    with pytest.raises(SystemExit) as ended:
        desk.type("help", command)
    assert ended.value.code == 0


def test_help_of_a_verb_is_the_verbs(desk: Desk, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """[FC-27]."""
    with pytest.raises(SystemExit):
        desk.type("help", "profile", "use")
    assert b"usage: keyfob profile use" in capsysbinary.readouterr().out


def test_what_is_no_topic_is_met_with_the_nearest(desk: Desk) -> None:
    ran = desk.type("help", "decline")
    assert (ran.code, ran.out) == (2, "")
    assert "Did you mean: keyfob help declined" in ran.err


def references() -> set[str]:
    """Return the topics that the program's texts name."""
    found = {page.more for page in MANUAL.values()}
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    for text in (text for text in texts if "docs/" in text):  # parsing them all would take a second
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"keyfob help (docs/[a-z.#-]*[a-z])", node.value))
    return found


@pytest.mark.parametrize("topic", sorted(references()))
def test_every_page_that_is_named_can_be_read(desk: Desk, topic: str) -> None:
    """[FC-10]."""
    assert desk.type("help", topic).code == 0


def test_no_text_names_a_page_that_only_the_repository_has() -> None:
    """[FC-10]."""
    found = []
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                bare = re.sub(r"keyfob help docs/\S+", "", node.value)
                if "docs/" in bare and node.value not in {page.more for page in MANUAL.values()}:
                    found.append((path.name, node.value))
    assert [one for one in found if one[0] != "help.py"] == []


def test_the_pages_are_in_the_wheel() -> None:
    """[FC-10]."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    files = [*(f"{name}.md" for name in pages.PAGES), SCHEMA_FILE]
    included = build["targets"]["wheel"]["force-include"]
    assert included.pop("examples/shop") == "keyfob/examples/shop"  # of `keyfob new`
    assert included == {f"docs/{name}": f"keyfob/docs/{name}" for name in files}
    assert all((ROOT / "docs" / f"{name}.md").is_file() for name in pages.PAGES)


def test_errors_have_one_shape_in_json(desk: Desk) -> None:
    """[FC-17]: without --json `error` was a text, beside `run`; with it an object, without `run`."""
    with issuer() as server:
        ran = desk.type("login", f"{server.url}/", "cli")
    problem = ran.members()["error"]
    assert isinstance(problem, dict)
    assert list(problem) == ["code", "message", "hint", "exit", "run", "run_and_show_events"]
    assert (ran.code, problem["exit"], problem["code"]) == (4, 4, "no-terminal")
    told = desk.type("token", "--profile", "nope", "--json").members()["error"]
    assert isinstance(told, dict)
    assert list(told) == ["code", "message", "hint", "exit"]
