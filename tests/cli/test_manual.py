"""Each command's help: its flags, its exit codes, and examples that could be typed."""

import importlib
import re
import shlex
from pathlib import Path
from typing import cast

import pytest

from keyfob import errors
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.main import COMMANDS, Command, main
from keyfob.cli.manual import MANUAL, WIDEST
from keyfob.cli.parser import Parser
from keyfob.errors import KeyfobError

EXITS = {DONE, FAILED} | {
    found.exit for found in vars(errors).values() if isinstance(found, type) and issubclass(found, KeyfobError)
}
EXAMPLES = [(name, typed) for name, page in MANUAL.items() for typed, _ in page.examples]
# What stands around keyfob in a shell: a substitution, a pipe, the next command, a file for what is said.
AROUND = re.compile(r"\$\((.*?)\)|\||&&|>")


def typed_words(example: str) -> list[list[str]]:
    """The words of each keyfob in a line of a shell."""
    inner = [found for found in AROUND.findall(example) if found]
    parts = [*inner, *AROUND.split(AROUND.sub(lambda one: "" if one[1] else one[0], example))]
    return [shlex.split(part)[1:] for part in parts if part and part.split()[:1] == ["keyfob"]]


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def test_every_command_has_a_page() -> None:
    assert MANUAL.keys() == COMMANDS.keys()
    assert all(page.examples and page.exits for page in MANUAL.values())
    assert {code for page in MANUAL.values() for code, _ in page.exits} <= EXITS


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_an_example_is_what_the_command_takes(name: str, example: str) -> None:
    found = typed_words(example)
    assert name in {words[0] for words in found}
    for command, *words in found:
        parser = Parser(prog=f"keyfob {command}")
        cast(Command, importlib.import_module(f"keyfob.cli.commands.{command}")).configure(parser)
        parser.parse_args(words)


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_flags_exit_codes_and_examples_and_fits_where_it_can(
    name: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = help_of(name, capsys)

    parts = [said.index(part) for part in ("usage: keyfob", "options:", "exit codes:", "examples:", "\nMore: ")]
    assert parts == sorted(parts)
    assert all(f"  {typed}\n" in said for typed, _ in MANUAL[name].examples)
    prose = said[said.index("exit codes:") : said.index("examples:")].splitlines()
    assert max(map(len, prose)) <= min(columns - 2, WIDEST)


def test_the_pages_that_help_points_at_are_there() -> None:
    root = Path(__file__).parents[2]
    for page in MANUAL.values():
        file, _, part = page.more.partition("#")
        text = (root / file).read_text(encoding="utf-8")
        assert not part or f"\n## {part}\n" in text


def test_the_help_of_a_verb_has_its_notes_and_says_them_again(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(["tenant", "users", "add", "--help"])
        assert "never an argument" in " ".join(capsys.readouterr().out.split())
