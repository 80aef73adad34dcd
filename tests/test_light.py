"""A light dataclass is a frozen one without the run-time refusal; tests/typing/api_guard.py has what mypy refuses."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields, replace

import pytest

from keyfob.light import light_dataclass


@light_dataclass(frozen=True, slots=True)
class Light:
    name: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    size: int = 0


def test_it_is_equal_hashed_shown_replaced_and_matched_like_a_frozen_one() -> None:
    light, frozen = Light("a", 1), Frozen("a", 1)

    assert light == Light("a", 1) != Light("a", 2)
    assert hash(light) == hash(Light("a", 1)) == hash(frozen)
    assert repr(light) == repr(frozen).replace("Frozen", "Light")
    assert replace(light, size=2) == Light("a", 2)
    assert [one.name for one in fields(light)] == [one.name for one in fields(frozen)]
    assert Light.__slots__ == Frozen.__slots__
    assert Light.__match_args__ == Frozen.__match_args__


def test_its_fields_may_be_keyword_only() -> None:
    @light_dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        name: str

    with pytest.raises(TypeError):
        Named("a")  # type: ignore[misc]


def test_it_says_frozen_where_type_checkers_read_it() -> None:
    """Without `frozen=True`, neither mypy nor pyright would refuse an assignment."""
    source = "from keyfob.light import light_dataclass\n@light_dataclass(frozen=False)\nclass A: ..."
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)

    assert ran.returncode
    assert "frozen for type checkers" in ran.stderr
