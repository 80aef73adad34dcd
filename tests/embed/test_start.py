"""What a program pays for its login before a token is needed: a few small modules, and no file."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.embed.programs import FRAMEWORKS

PROGRAMS = {
    "argparse": "from __future__ import annotations\nimport collections.abc\nfrom argparse import ArgumentParser\n"
    "parser = ArgumentParser()\ncli = parser.add_subparsers()\n",
    "click": "from __future__ import annotations\nimport click, copy\ncli = click.Group('orders')\n",
    "cyclopts": "import cyclopts\ncli = cyclopts.App('orders')\n",
    "typer": "from __future__ import annotations\nimport typer, typer.core\ncli = typer.Typer()\n",
}
# Before the budget is counted, a framework has done what it does for any command with an option.
USED = {
    "argparse": "cli.add_parser('a').add_argument('--b')\nimport functools, importlib\n",
    "click": "cli.add_command(click.Command('a', params=[click.Option(['--b'])]))\n",
    "cyclopts": "cli.command(lambda: None, name='a')\n",
    "typer": "cli.command('a')(lambda: None)\n",
}
LOGIN = (
    "from keyfob.embed import CliApp\n"
    "login = CliApp(name='orders', issuer='https://a.example/', client_id='cli', scopes='read')\n"
    "login.requires_login('read')(lambda: None)\n"
    "login.mount(cli)\n"
)
# Together these take about 2 ms.
ALLOWED = {
    "keyfob",
    "keyfob.embed",
    "keyfob.embed.cli_app",
    "keyfob.embed.command_table",
    "keyfob.embed.offered_login",
    "keyfob.lazy",
}
ADAPTERS = {
    "argparse": {"keyfob.embed.argparse_adapter"},
    "click": {"keyfob.embed.click_adapter", "keyfob.embed.attending_group", "keyfob.errors"},
    "cyclopts": {"keyfob.embed.cyclopts_adapter", "keyfob.embed.function_of_command", "keyfob.errors"},
    "typer": {
        "keyfob.embed.typer_adapter",
        "keyfob.embed.attending_group",
        "keyfob.embed.function_of_command",
        "keyfob.errors",
    },
}


def loaded_by(statement: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(ran.stdout.split())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_program_with_a_login_loads_these_modules_more_and_no_other(framework: str) -> None:
    """Not `keyfob.login`, which takes 20 ms; nor dataclasses, json, tomllib or a network."""
    without = loaded_by(PROGRAMS[framework] + USED[framework])
    assert loaded_by(PROGRAMS[framework] + USED[framework] + LOGIN) - without == ALLOWED | ADAPTERS[framework]


def test_a_settings_file_is_not_read_at_the_start() -> None:
    loaded = loaded_by("from keyfob.embed import CliApp\nCliApp.from_toml('no such file')")
    assert loaded.isdisjoint({"tomllib", "keyfob.login", "pathlib"} - loaded_by(""))
