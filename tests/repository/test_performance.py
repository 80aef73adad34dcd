"""The figures of docs/performance.md are those of docs/sizing.json, and no row that misses its aim is left out."""

import json
import re
import sys
from xml.etree import ElementTree as ET

import pytest

from tools import performance, sizing

FOUND = json.loads(sizing.DATA.read_text(encoding="utf-8"))


def test_the_page_and_the_plot_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["performance", "--check"])
    assert performance.main(check=True) == 0, "make docs"


def test_every_work_is_in_its_tables() -> None:
    """Each work in process and over HTTP, whether it meets its aim or not."""
    works, http = FOUND["stages"]["works"], FOUND["http"]["work"]

    assert works.keys() >= performance.IN_PROCESS.keys() | {"mint RS256"}
    assert http.keys() == performance.OVER_HTTP.keys()
    assert all(f"| {work} |" in performance.in_process(FOUND) for work in works)
    assert all(performance.latency(FOUND).count(f"| {work} |") == 1 for work in http)
    for work, servers in http.items():
        assert performance.over_http(FOUND).count(f"| {work} |") == len(servers)


def test_a_missed_aim_is_shown() -> None:
    slow = json.loads(json.dumps(FOUND))
    slow["stages"]["works"]["pending poll"]["now"] = 10_000.0
    slow["http"]["work"]["mint RS256"]["SQLite"]["ratios"] = [0.1, 0.1, 0.1]

    lines = (performance.in_process(slow) + performance.over_http(slow)).splitlines()

    assert [line for line in lines if line.startswith("| pending poll |") and line.endswith("| **no** |")]
    assert [line for line in lines if line.startswith("| mint RS256 | keyfob |") and line.endswith("| **no** |")]


def test_the_plot_can_be_read_in_light_and_dark() -> None:
    """Every colour has a counterpart, and each bar its length and its name."""
    root = ET.fromstring(performance.plot(FOUND))
    light, dark = root.findtext("{*}style", "").split("@media(prefers-color-scheme:dark)")
    assert len(re.findall(r"#[0-9a-f]{3,6}", light)) == len(re.findall(r"#[0-9a-f]{3,6}", dark))
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    shown = [name for servers in FOUND["http"]["work"].values() for name in servers if name in performance.SERVERS]
    assert len(bars) == len(shown)
    assert all(0 < float(bar.attrib["width"]) <= 330 for bar in bars)
