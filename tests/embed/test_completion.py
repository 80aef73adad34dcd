"""Shell completion of a program with a login: it names the commands, and touches neither vault nor network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.embed.programs import Program

ASKED = {
    "click": {"_ORDERS_COMPLETE": "bash_complete", "COMP_WORDS": "orders log", "COMP_CWORD": "1"},
    "typer": {"_ORDERS_COMPLETE": "complete_bash", "COMP_WORDS": "orders log", "COMP_CWORD": "1"},
}


@pytest.mark.parametrize("framework", ASKED)
def test_completion_names_the_commands_and_asks_nobody(
    framework: str, orders_in: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = orders_in(framework)
    before = len(program.scene.pair.sent)
    for name, value in ASKED[framework].items():
        monkeypatch.setenv(name, value)
    ran = program.type(answers="")
    assert ran.code == 0
    assert "login" in ran.out
    assert "logout" in ran.out
    assert "switch" not in ran.out
    assert vars(program.login)["_app"] is None
    assert len(program.scene.pair.sent) == before


@pytest.mark.parametrize("framework", ASKED)
def test_completion_within_a_command_asks_nobody(
    framework: str, orders_in: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = orders_in(framework)
    for name, value in (ASKED[framework] | {"COMP_WORDS": "orders login --", "COMP_CWORD": "2"}).items():
        monkeypatch.setenv(name, value)
    ran = program.type(answers="")
    assert "--flow" in ran.out
    assert vars(program.login)["_app"] is None
