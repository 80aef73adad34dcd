"""Whose address that is, as far as a login can tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.io.origin_files import OriginFiles
from keyfob.client.session.destination import Destination, Origins, is_worth_keeping, judge_destination
from keyfob.protocol.target import Target
from tests.client.scripts import PROFILE

NAME = Target("https://orders.example/")
RESOURCE = Target("https://orders.example/v1", is_resource=True)
HERE, THERE = "https://orders.example:443", "https://there.example:443"

CASES: list[tuple[Target, tuple[str, ...], str, Destination]] = [
    (Target(), (), "https://there.example/x", "first"),
    (Target(), (HERE,), "https://there.example/x", "strange"),
    (Target(), (HERE, THERE), "https://there.example/x", "ours"),
    (NAME, (), "https://orders.example/x", "ours"),
    (NAME, (), "https://there.example/x", "unproven"),
    (NAME, (HERE,), "https://there.example/x", "strange"),
    (NAME, (THERE,), "https://orders.example/x", "ours"),
    (RESOURCE, (), "https://orders.example/v1/x", "ours"),
    (RESOURCE, (), "https://orders.example/v2", "strange"),
    (RESOURCE, (), "https://there.example/v1", "strange"),
    (RESOURCE, (THERE,), "https://there.example/v1", "ours"),
    (RESOURCE, (), "http://orders.example/v1", "strange"),
    (Target("urn:orders", is_resource=True), (), "https://there.example/", "first"),
    (Target("orders"), (), "https://there.example/", "first"),
    (NAME, (HERE,), "https://login.example/userinfo", "ours"),
    (RESOURCE, (), "https://login.example/userinfo", "ours"),
    (NAME, (HERE,), "http://login.example/userinfo", "strange"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_resource_decides_and_a_name_only_speaks_for(case: tuple[Target, tuple[str, ...], str, Destination]) -> None:
    """[C-6750-01] [C-8707-01]."""
    target, known, url, expected = case
    profile = replace(PROFILE, audience=target.audience, is_resource=target.is_resource)
    assert judge_destination(profile, known, url) == expected


@pytest.mark.parametrize(
    ("target", "url", "is_kept"),
    [
        (NAME, "https://orders.example/x", True), (NAME, "https://there.example/x", True),
        (NAME, "https://login.example/userinfo", False), (RESOURCE, "https://orders.example/v1/x", False),
        (RESOURCE, "https://there.example/v1/x", True),
    ],
)  # fmt: skip
def test_what_says_nothing_about_apis_is_not_remembered(target: Target, url: str, is_kept: bool) -> None:
    profile = replace(PROFILE, audience=target.audience, is_resource=target.is_resource)
    assert is_worth_keeping(profile, url) is is_kept


@given(st.binary(max_size=100))
def test_a_damaged_memory_is_no_memory(raw: bytes) -> None:
    assert all(isinstance(origin, str) for origin in Origins.read(raw).known)


def test_what_took_a_token_is_remembered_for_that_login_only(tmp_path: Path) -> None:
    """[C-6750-01]."""
    files = OriginFiles(tmp_path)
    assert files.load(PROFILE).known == ()
    for origin in (HERE, THERE, HERE):
        files.add(PROFILE, origin)
    assert OriginFiles(tmp_path).load(PROFILE).known == (HERE, THERE)
    for other in (replace(PROFILE, name="b"), replace(PROFILE, client_id="b"), replace(PROFILE, audience="b"),
                  replace(PROFILE, issuer="https://b.example/")):  # fmt: skip
        assert files.load(other).known == ()


def test_of_two_origins_at_once_only_one_is_the_first(tmp_path: Path) -> None:
    """[FC-04]: the second process has judged before the first one wrote."""
    files = OriginFiles(tmp_path)
    assert files.add(PROFILE, HERE, only_first=True)
    assert files.add(PROFILE, HERE, only_first=True)
    assert not files.add(PROFILE, THERE, only_first=True)
    assert files.load(PROFILE).known == (HERE,)


def test_where_nothing_can_be_written_nothing_is_remembered_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "origins").write_text("in the way")
    files = OriginFiles(tmp_path)
    assert not files.add(PROFILE, HERE)
    assert files.load(PROFILE).known == ()
