"""docs/tenant.md names every key of tenant.toml, what it is and what it is if nothing is said."""

import re
from dataclasses import MISSING

import pytest

from keyfob.server.settings.schema import ARRAYS, REFRESH, TENANT, Key, Shape
from keyfob.server.settings.toml import write_value
from keyfob.server.settings.users import USER
from tools.house import ROOT

TEXT = (ROOT / "docs" / "tenant.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### \[*(\w+)\]*\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \| \S.*? \|$", re.MULTILINE)
SHAPES: dict[str, Shape] = {
    "tenant": TENANT,
    "refresh": REFRESH,
    "users": USER,
    **{name: shape for name, (_, shape, _) in ARRAYS.items()},
}


def default_of(key: Key) -> str:
    if key.default is MISSING:
        return "has to be said"
    if key.default is None:
        return "not said"
    return "see below" if key.word == "refresh" else f"`{write_value(key.kind.write(key.default))}`"


def test_every_table_has_its_section() -> None:
    assert SECTIONS.keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_every_key_is_on_the_page_with_what_it_is_and_its_default(name: str) -> None:
    rows: list[tuple[str, str, str]] = ROW.findall(SECTIONS[name])

    assert rows == [(key.word, key.kind.says, default_of(key)) for key in SHAPES[name].keys.values()]


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.apart])
def test_what_is_read_apart_is_on_the_page_too(name: str) -> None:
    assert [word for word in SHAPES[name].apart if f"`{word}`" not in SECTIONS[name]] == []
