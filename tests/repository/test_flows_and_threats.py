"""docs/flows.md and docs/threats.md name flows, flags and promises that exist."""

from __future__ import annotations

import re
from argparse import ArgumentParser

from keyfob.cli.commands import login
from tools.source import ROOT

FLOWS = (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")
THREATS = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
PROMISES = set(re.findall(r"^- \*\*(S-\d+)\*\*", (ROOT / "SECURITY.md").read_text(encoding="utf-8"), re.MULTILINE))


def test_each_promise_of_the_threat_model_stands_in_the_security_page() -> None:
    named = set(re.findall(r"S-\d+", THREATS))
    assert len(named) > 20
    assert named <= PROMISES


def test_each_attacker_of_the_security_page_is_in_the_threat_model() -> None:
    """Each section of promises has a number in the table, alone or within a range."""
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    covered = set(re.findall(r"S-\d+", THREATS))
    for first, last in re.findall(r"S-(\d+) to S-(\d+)", THREATS):
        covered |= {f"S-{number:02}" for number in range(int(first), int(last) + 1)}
    sections = [part for part in page.split("\n### ")[1:] if part.startswith("Against")]
    assert [part.splitlines()[0] for part in sections if not covered & set(re.findall(r"S-\d+", part))] == []


def test_each_flow_of_the_page_is_one_that_can_be_chosen_and_none_is_left_out() -> None:
    parser = ArgumentParser()
    login.configure(parser)
    [flow] = [action for action in parser._actions if action.dest == "flow"]
    assert flow.choices is not None
    table = FLOWS.partition("## Browser redirect")[0]
    assert set(re.findall(r"\(`(?:--flow )?([a-z]+)`", table)) == set(flow.choices)


def test_each_flag_of_the_page_about_flows_exists() -> None:
    parser = ArgumentParser()
    login.configure(parser)
    known = {option for action in parser._actions for option in action.option_strings}
    assert set(re.findall(r"--[a-z][a-z-]*", FLOWS)) <= known
