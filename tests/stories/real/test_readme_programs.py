"""The programs of the README: an app and an API with `keyfob serve`, and a test with `keyfob tenant init`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.serve import Running, bind, url_of
from tests.stories.real.commands import EMAIL, Commands, approve, commands
from tests.stories.real.proxies import changed
from tests.stories.real.typed import Typed
from tools.source import ROOT

__all__ = ["commands"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
PROGRAM, API, TEST = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
USUAL = "http://127.0.0.1:8790/"


def test_the_program_shows_what_the_api_answers_once_its_user_has_logged_in(commands: Commands, tmp_path: Path) -> None:
    _, issuer, password = commands.serve()
    names: dict[str, object] = {}
    exec(compile(changed(API, (USUAL, issuer)), "README.md", "exec"), names)
    listener = bind("127.0.0.1", 0)
    changes = (USUAL, issuer), ("http://127.0.0.1:8000/", url_of(listener))
    (tmp_path / "shop.py").write_text(changed(PROGRAM, *changes), encoding="utf-8")
    api = Running(names["app"], listener)  # type: ignore[arg-type]
    at = Typed(
        [sys.executable, str(tmp_path / "shop.py"), "show"],
        commands.environment | {"SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"},
    )
    try:
        at.read_until(r"shop: not logged in; log in now\? \[Y/n\]")
        at.type("\n")
        code = at.read_until(r"(?:[A-Z]  ){4}-(?:  [A-Z]){4}")[0]
        approve({"verification_uri": f"{issuer}activate", "user_code": code.replace(" ", "")}, password)
        at.read_until(rf"shop: logged in as {EMAIL}")
        at.read_until(r'\["brass key","key ring"\]')
        assert at.process.wait(30) == 0
    finally:
        at.end()
        api.stop()


def test_the_test_passes_with_the_file_that_keyfob_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tenant", "init"]) == 0
    names: dict[str, object] = {}
    exec(compile(TEST, "README.md", "exec"), names)
    test = names["test_a_user_logs_in"]
    assert callable(test)
    test(tmp_path)
