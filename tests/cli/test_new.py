"""`keyfob new`: what it writes, and what it refuses to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyfob.cli.commands.new import FRAMEWORKS, project
from tests.cli.desk import Desk, desk

__all__ = ["desk"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_project_is_of_one_framework(framework: str) -> None:
    found = project("mycli", framework)
    assert sorted(found) == [
        "README.md",
        "mycli/__init__.py",
        "mycli/api.py",
        "mycli/cli.py",
        "mycli/login.toml",
        "mycli/orders.py",
        "pyproject.toml",
        "tenant.toml",
        "tests/test_login.py",
    ]
    assert "openssl" not in found["README.md"], "the password is made already"
    assert found["mycli/cli.py"].startswith('"""mycli: see and place orders. Run it: mycli list."""')
    for place, text in found.items():
        if place.endswith(".py"):
            compile(text, place, "exec")


def test_a_new_project_has_a_password_that_only_its_owner_reads(desk: Desk) -> None:
    ran = desk.type("new", "mycli", "--framework", "typer")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "cd mycli"
    secret = Path("mycli/sam.password")
    assert len(secret.read_text()) > 15
    assert secret.stat().st_mode & 0o077 == 0
    assert secret.read_text().strip() not in ran.out + ran.err
    assert "sam.password" in Path("mycli/.gitignore").read_text()


def test_its_tenant_file_has_no_mistake(desk: Desk) -> None:
    desk.type("new", "mycli")
    assert desk.type("tenant", "check", "mycli/tenant.toml").code == 0


@pytest.mark.parametrize(
    "name", ["", "-x", "a b", "../a", "Ab", "a_b", "keyfob", "json", "tests", "click", "x" * 41, "ä"]
)
def test_a_name_that_will_not_do_is_refused(desk: Desk, name: str) -> None:
    assert desk.type("new", "--", name).code == 2
    assert list(Path().iterdir()) == []


def test_nothing_is_overwritten(desk: Desk) -> None:
    Path("mycli").mkdir()
    assert desk.type("new", "mycli").code == 2
    assert list(Path("mycli").iterdir()) == []
