"""Generate docs/reference/commands.md from the argument parsers and `cli/manual.py`.

python -m tools.commands            bring docs/reference/commands.md up to date
python -m tools.commands --check    only report whether the page is up to date
"""

import importlib
import sys
from argparse import SUPPRESS, Action, ArgumentParser
from collections.abc import Iterator
from typing import cast

from keyfob.cli.commands.completion import NAMES
from keyfob.cli.main import COMMANDS, Command
from keyfob.cli.manual import MANUAL, ManualPage
from keyfob.cli.parser import sentence
from tools.source import ROOT, cell, settle, table

PAGE = ROOT / "docs" / "reference" / "commands.md"
TOP = """\
# Commands

Every command with its flags, as `keyfob COMMAND --help` prints them. `make docs` writes this page from the parsers; the
[guide](../commands.md) says how to use the commands. All take `--help`.

Exit codes that mean the same for every command: 1 failed, 2 used wrongly, 130 interrupted by Ctrl-C. All codes are in
[errors](../errors.md).
"""


def verbs_of(parser: ArgumentParser) -> dict[str, tuple[str, ArgumentParser]]:
    """Return the verbs below a command: their descriptions and parsers."""
    for action in parser._actions:  # noqa: SLF001  argparse has no public list of actions
        offered: object = action.choices
        if isinstance(offered, dict):
            below = cast("dict[str, ArgumentParser]", offered)
            helps = {one.dest: one.help or "" for one in cast("list[Action]", getattr(action, "_choices_actions", []))}
            return {name: (helps.get(name, ""), verb) for name, verb in below.items()}
    return {}


def tables(parser: ArgumentParser) -> Iterator[str]:
    """Yield a table of a command's arguments, and for each group of flags a table with a title."""
    usual, *groups = [(group.title or "", group._group_actions) for group in parser._action_groups]  # noqa: SLF001
    together = [*usual[1], *groups.pop(0)[1]]  # argparse's own groups: arguments without and with dashes
    for title, actions in [("", together), *groups]:
        rows = [row for action in actions for row in argument(action)]
        if rows:
            yield f"{sentence(title).rstrip('.')}:" if title else ""
            yield table(["argument", ""], rows)


def argument(action: Action) -> Iterator[tuple[str, str]]:
    """Yield the row of an argument, unless it is `--help` or the name of a verb."""
    if action.dest == "help" or action.help == SUPPRESS or isinstance(cast(object, action.choices), dict):
        return
    choices = [str(one) for one in action.choices or () if str(one) != NAMES]
    value = action.metavar if isinstance(action.metavar, str) else "|".join(choices) or action.dest.upper()
    names = " ".join(f"`{name}`" for name in action.option_strings)
    yield (names if action.nargs == 0 else f"{names} `{cell(value)}`".strip()), cell(action.help or "")


def section(path: str, does: str, parser: ArgumentParser) -> Iterator[str]:
    """Yield the blocks about a command and its verbs."""
    yield f"{'#' * (path.count(' ') + 1)} {path}"
    yield sentence(does.rstrip("."))
    yield from tables(parser)
    verbs = verbs_of(parser)
    if parser.epilog and not verbs:
        yield "\n\n".join(filter(None, parser.epilog.splitlines()))
    if page := MANUAL.get(path.removeprefix("keyfob ")):
        yield from manual(page)
    for name, (words, verb) in verbs.items():
        yield from section(f"{path} {name}", words, verb)


def manual(page: ManualPage) -> Iterator[str]:
    """Yield the exit codes, the examples and the page to read."""
    yield table(["exit code", ""], [(str(code), cell(meaning)) for code, meaning in page.exits])
    examples = [f"# {purpose}\n$ {typed}" for typed, purpose in page.examples]
    yield "\n".join(["```console", *examples, "```"])
    address = page.more.removeprefix("docs/")
    yield f"More: [{address.partition('#')[0]}](../{address})"


def page() -> str:
    """Return docs/reference/commands.md."""
    blocks = [TOP.rstrip()]
    for name, does in COMMANDS.items():
        parser = ArgumentParser(prog=f"keyfob {name}")
        cast(Command, importlib.import_module(f"keyfob.cli.commands.{name}")).configure(parser)
        blocks += section(f"keyfob {name}", does, parser)
    return "\n\n".join(block.rstrip() for block in blocks if block) + "\n"


if __name__ == "__main__":
    sys.exit(settle(PAGE, page(), check="--check" in sys.argv, remedy="make docs"))
