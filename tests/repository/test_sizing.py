"""The figures of docs/sizing.md are those of docs/sizing.json, and its arithmetic is right."""

import json
import re
import sys
from math import isclose
from xml.etree import ElementTree as ET

import pytest

from tools import sizing

FOUND = json.loads(sizing.DATA.read_text(encoding="utf-8"))


def test_the_page_and_the_plot_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sizing", "--check"])
    assert sizing.main(check=True) == 0, "make docs"


def test_the_example_in_words_is_that_of_the_table() -> None:
    """3,200,000 refreshes a day, a fifth of them in one hour, are 178 a second."""
    rates = sizing.peak(1_000_000)
    assert round(rates["refresh with rotation"]) == 178
    assert isclose(rates["refresh with rotation"], 3_200_000 * 0.2 / 3600)
    assert isclose(rates["pending poll"], 12 * rates["login with a password"])


def test_ten_times_the_users_need_ten_times_the_cores() -> None:
    for store in sizing.STORES:
        few, many = (sizing.cores(FOUND, users, store) for users in (1_000_000, 10_000_000))
        assert all(isclose(10 * one, other) for one, other in zip(few, many, strict=True))


def test_the_plot_can_be_read_in_light_and_dark() -> None:
    """Every colour has a counterpart, and each line has its name."""
    text = sizing.plot(FOUND)
    root = ET.fromstring(text)
    light, dark = root.findtext("{*}style", "").split("@media(prefers-color-scheme:dark)")
    assert len(re.findall(r"#[0-9a-f]{3,6}", light)) == len(re.findall(r"#[0-9a-f]{3,6}", dark))
    names = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert names >= {"refresh, SQLite", "refresh, PostgreSQL", "poll, SQLite", "poll, PostgreSQL"}


def test_the_aims_are_met() -> None:
    """A refresh and a poll take at most 1.5 × of an empty store with a million logins."""
    for work in ("refresh", "poll"):
        for store in sizing.STORES:
            assert FOUND["scale"]["cpu"][work][store][sizing.BIGGEST]["ratio"][1] <= 1.5
