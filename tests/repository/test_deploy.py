"""The files in deploy/: what can be checked of them without a systemd or a container engine that runs."""

import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from keyfob.cli.commands.serve import configure
from tools.source import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "keyfob.service"
CONTAINER = DEPLOY / "Containerfile"
COMPOSE = DEPLOY / "compose.yaml"
# `systemd-analyze security` multiplies its exposure by ten.
MOST_EXPOSED = 12


def flags_are_known(words: list[str]) -> bool:
    """Parse the words after `keyfob serve`."""
    parser = ArgumentParser()
    configure(parser)
    file: Path = parser.parse_args(words).file
    return file == Path("/etc/keyfob/tenant.toml")


def instruction(name: str) -> list[str]:
    [found] = re.findall(rf"^{name} \[(.*)\]$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    return re.findall(r'"([^"]*)"', found)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    text = UNIT.read_text(encoding="utf-8")
    assert "/opt/keyfob/bin/keyfob" in text
    file = tmp_path / UNIT.name
    file.write_text(text.replace("/opt/keyfob/bin/keyfob", sys.executable), encoding="utf-8")
    return file


def test_systemd_accepts_the_unit(unit: Path) -> None:
    ran = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_unit_is_hardened(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}", str(unit)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if "--offline" in ran.stderr:
        pytest.skip("this systemd is older than 250")
    assert ran.returncode == 0, ran.stdout[-300:]
    rating = re.search(r"exposure level for keyfob.service: ([0-9.]+)", ran.stdout)
    assert rating is not None
    assert f" {rating[1]} (OK)" in UNIT.read_text(encoding="utf-8"), "its head says the rating"


def test_the_unit_starts_keyfob_with_flags_that_exist() -> None:
    [line] = re.findall(r"^ExecStart=\S+ serve (.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert flags_are_known(line.split())


def test_the_container_copies_what_is_here_and_starts_keyfob() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINER.read_text(encoding="utf-8"), re.MULTILINE)
    assert copied
    assert all((ROOT / name).exists() for names in copied for name in names.split())
    assert instruction("ENTRYPOINT")[-1] == "serve"
    assert flags_are_known(instruction("CMD"))


def test_the_composition_is_of_this_container() -> None:
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    words: list[str] = services["keyfob"]["command"]
    if "--database" in words:
        at = words.index("--database")
        assert words[at + 1] == "postgresql://keyfob@postgres/keyfob?sslmode=disable", "the password is in a file"
        del words[at : at + 2]
    assert flags_are_known(words)
    assert words == instruction("CMD")
    assert (DEPLOY / services["keyfob"]["build"]["context"] / services["keyfob"]["build"]["dockerfile"]).samefile(
        CONTAINER
    )


@pytest.mark.parametrize("file", [UNIT, CONTAINER, COMPOSE], ids=lambda file: file.name)
def test_each_file_says_whether_it_has_run(file: Path) -> None:
    assert "# Has it run? " in "".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:6])
