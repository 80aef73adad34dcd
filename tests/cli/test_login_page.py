"""What docs/login.md tells a person to type is typed, at an issuer on this machine."""

from __future__ import annotations

import io
import json
import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

from keyfob.cli.commands import login
from keyfob.cli.main import main
from keyfob.login import App
from tests.cli.issuer import granted, issuer

PAGE = (Path(__file__).parents[2] / "docs" / "login.md").read_text(encoding="utf-8")
LINES = [
    line[2:]
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line[0] == "$"
]
LOGINS = [line for line in LINES if line.startswith("keyfob login")]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.mark.parametrize("line", LOGINS)
def test_every_login_on_the_page_is_one_that_can_be_typed(line: str) -> None:
    parser = ArgumentParser()
    login.configure(parser)
    flags = parser.parse_args(shlex.split(line)[2:])
    assert flags.flow in {None, "browser", "device", "machine", "password"}


def test_the_logins_by_code_and_by_password_do_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    monkeypatch.setenv("KEYFOB_CLIENT_ID", "cli")
    with issuer(granted()) as server:
        monkeypatch.setenv("KEYFOB_ISSUER", f"{server.url}/")
        for line in ("keyfob login --flow device --no-wait", "keyfob login --resume"):
            assert line in LOGINS
            assert main(shlex.split(line)[1:]) == 0
        line = "keyfob login --flow password --allow-password"
        assert line in LOGINS
        monkeypatch.setattr("sys.stdin", io.StringIO("pat@example.com\nsecret\n"))
        assert main(shlex.split(line)[1:]) == 0
        line = "keyfob login --flow password --username pat@example.com"
        assert line in LOGINS
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
        assert main(shlex.split(line)[1:]) == 0
        capsys.readouterr()
        assert main(["login", "--flow", "device", "--json"]) == 0
    events = [json.loads(said)["event"] for said in capsys.readouterr().out.splitlines()]
    assert events[0] == "device_code"
    assert events[-1] == "granted"
    assert all(f'"{event}"' in PAGE or f"`{event}`" in PAGE for event in events)


def test_what_the_page_says_in_python_is_there() -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "login.md", "exec"), names)
    app = names["app"]
    assert isinstance(app, App)
    assert all(callable(getattr(app, name)) for name in re.findall(r"app\.([a-z_]+)\(", block))
