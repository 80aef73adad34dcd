"""Every dependency is pinned by hash, and no pin contains an address or a path."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tools.source import ROOT

REQUIREMENTS = ROOT / "requirements"
PEERS = ROOT / "tests" / "wild" / "peers"
NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*", re.IGNORECASE)
PINNED = pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.txt")), ids=lambda path: path.name)


def required(lines: list[str]) -> set[str]:
    return {line.split("#")[0].strip() for line in lines if NAME.match(line)}


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(found)


@PINNED
def test_every_pin_has_its_hashes(path: Path) -> None:
    entries = re.split(r"^(?=[a-z0-9])", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@PINNED
def test_no_pin_names_an_address_or_a_path(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"--(index|extra-index|find-links)|[ =]/\w", text)


@PINNED
def test_all_pins_agree(path: Path) -> None:
    everything = pins(REQUIREMENTS / "dev.txt")

    # Third-party programs have other dependencies; shared ones have the same version.
    assert (
        path.name in {"docs.txt", "peers.txt", "postgresql.txt", "release.txt"}
        or pins(path).keys() <= everything.keys()
    )
    assert {name: version for name, version in pins(path).items() if everything.get(name, version) != version} == {}


def test_the_pinned_dependencies_are_those_of_the_package() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["serve"], *extras["postgresql"], *extras["places"], *extras["mcp"]} - {
        "keyfob[serve]"
    }

    assert required((REQUIREMENTS / "run.in").read_text(encoding="utf-8").splitlines()) == wanted


def test_every_program_from_npm_is_pinned_by_its_hash_and_with_no_address() -> None:
    text = (PEERS / "package-lock.json").read_text(encoding="utf-8")
    locked = {name.rpartition("node_modules/")[2]: one for name, one in json.loads(text)["packages"].items() if name}
    wanted = json.loads((PEERS / "package.json").read_text(encoding="utf-8"))["dependencies"]

    assert "://" not in text
    assert wanted.items() <= {name: one["version"] for name, one in locked.items()}.items(), "exact versions"
    assert [name for name, one in locked.items() if not one["integrity"].startswith("sha512-")] == []
