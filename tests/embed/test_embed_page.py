"""The programs and settings of docs/embed.md."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path

import click
import pytest

from keyfob.embed import CliApp
from keyfob.errors import Misuse
from keyfob.login import App
from tools.source import ROOT

PAGE = (ROOT / "docs" / "embed.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[SETTINGS] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = {"login", "logout", "whoami", "status", "token", "switch"}


def run_block(number: int) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(PROGRAMS[number], "embed.md", "exec"), names)
    return names


def test_the_eight_lines_give_argparse_its_commands() -> None:
    names = run_block(0)
    parser = names["parser"]
    assert isinstance(parser, ArgumentParser)
    assert isinstance(names["login"], CliApp)
    assert all(f"    {command} " in parser.format_help() for command in COMMANDS)


def test_the_program_in_click_has_a_command_of_its_own_and_those_of_the_login() -> None:
    cli = run_block(1)["cli"]
    assert isinstance(cli, click.Group)
    assert set(cli.commands) == COMMANDS | {"place"}


def test_the_settings_of_the_page_are_those_of_an_app_and_its_list_of_keys_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "login.toml"
    file.write_text(SETTINGS, encoding="utf-8")
    profile = App.from_toml(file).profile
    assert (profile.client_id, profile.scope.names) == ("orders-cli", {"read:orders"})

    file.write_text("unknown = 1\n", encoding="utf-8")
    with pytest.raises(Misuse) as raised:
        App.from_toml(file)
    [keys] = re.findall(r"The keys are (.*?)\.", PAGE, re.DOTALL)
    assert raised.value.hint == f"Allowed settings: {', '.join(re.findall(r'`([a-z_]+)`', keys))}."


def test_the_test_of_the_page_is_one() -> None:
    """tests/stories/real/test_readme_programs.py runs its like."""
    assert callable(run_block(2)["test_a_user_sees_the_orders"])
