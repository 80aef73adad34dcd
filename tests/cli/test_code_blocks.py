"""The TOML, JSON and shell blocks of the pages are what they seem to be.

Commands and their flags are checked in test_pages.py, Python in test_documented_imports.py; whole guides are run in
tests/stories/real.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from keyfob.cli.settings import CONFIG_FILE, PROJECT_FILE, find_settings
from keyfob.login import App
from tests.repository.test_pages import PAGES
from tools.source import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "tenant.schema.json").read_text(encoding="utf-8"))


def blocks(*languages: str) -> list[object]:
    """Return the blocks in one of these languages, as parameters of a test."""
    found = [(page, *one) for page in PAGES for one in BLOCK.findall(page.read_text(encoding="utf-8"))]
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for number, (page, language, text) in enumerate(found)
        if language in languages
    ]


def without_required(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a part of a tenant.toml: a page shows only the keys that it is about."""
    return {
        key: without_required(part) if isinstance(part, dict) else part
        for key, part in schema.items()
        if key != "required"
    }


TENANT = Draft202012Validator(without_required(SCHEMA))


@pytest.mark.parametrize("text", blocks("toml"))
def test_a_toml_block_is_accepted_by_its_reader(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = tomllib.loads(text)
    if text.startswith((f"# {PROJECT_FILE}", f"# {CONFIG_FILE}")):
        name = text.removeprefix("# ").partition("\n")[0]
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
        assert find_settings(Namespace()).find("flow") is not None
    elif "client_id" in members:
        (tmp_path / "login.toml").write_text(text)
        assert App.from_toml(tmp_path / "login.toml").profile.client_id == members["client_id"]
    else:
        assert [error.message for error in TENANT.iter_errors(members)] == []


@pytest.mark.parametrize("text", blocks("json"))
def test_a_json_block_has_one_object_on_each_line(text: str) -> None:
    assert all(isinstance(json.loads(line), dict) for line in text.splitlines())


@pytest.mark.parametrize("text", blocks("sh", "bash"))
def test_a_shell_block_can_be_parsed(text: str) -> None:
    parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)

    assert parsed.stderr == ""


@pytest.mark.parametrize("text", ["[tenant]\nnmae = 'x'", "[[applications]]\nkind = 'odd'", "[tenants]"])
def test_a_mistake_in_a_block_of_a_tenant_is_found(text: str) -> None:
    assert list(TENANT.iter_errors(tomllib.loads(text)))
