"""`keyfob switch` and a first login without words: what is offered and what may be answered."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from keyfob.client.io.vault.vault_file import ProfileFiles
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def typed(text: str) -> None:
        screen = io.TextIOWrapper(io.BytesIO(text.encode()))
        monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(sys, "stdin", screen)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return typed


@pytest.fixture
def two(desk: Desk) -> Desk:
    desk.save("https://a.example/")
    desk.save("https://b.example/", "work", person="kim@example.com", subject="auth0|kim")
    return desk


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("2\n", "work"), ("work\n", "work"), ("kim@example.com\n", "work"), ("https://b.example/\n", "work"), ("\n", "")],
)
def test_a_login_is_chosen_by_its_number_name_person_or_issuer(
    two: Desk, types: Callable[[str], None], typed: str, chosen: str
) -> None:
    types(typed)
    ran = two.type("switch")
    assert ran.code == 0, ran.err
    assert "pat@example.com" in ran.err
    assert "kim@example.com" in ran.err
    assert "at-1" not in ran.err
    assert ProfileFiles().chosen() == chosen


@pytest.mark.parametrize("typed", ["3\n", "0\n", "nobody\n", "²\n", "../x\n"])
def test_what_names_no_login_changes_nothing(two: Desk, types: Callable[[str], None], typed: str) -> None:
    types(typed)
    ran = two.type("switch")
    assert (ran.code, ProfileFiles().chosen()) == (2, "")
    assert "default, work" in ran.err


def test_a_word_is_taken_without_a_question_and_the_next_command_means_it(two: Desk) -> None:
    ran = two.type("switch", "kim@example.com", "--json")
    assert ran.members() == {"profile": "work", "in_use": "work", "issuer": "https://b.example/",
                             "name": "kim@example.com", "state": "logged-in"}  # fmt: skip
    assert two.type("whoami").out.startswith("kim@example.com")
    assert two.type("switch", "default").code == 0
    assert ProfileFiles().chosen() == ""


def test_two_logins_of_one_person_are_told_apart_by_name(two: Desk) -> None:
    two.save("https://c.example/", "other")
    ran = two.type("switch", "pat@example.com")
    assert (ran.code, "default, other" in ran.err) == (2, True)


def test_without_a_terminal_the_names_are_said(two: Desk) -> None:
    ran = two.type("switch")
    assert (ran.code, "default, work" in ran.err) == (2, True)


def test_without_a_login_there_is_nothing_to_choose(desk: Desk) -> None:
    assert desk.type("switch").code == 4


def test_where_a_file_says_otherwise_that_is_said(two: Desk) -> None:
    two.says('profile = "default"\n')
    ran = two.type("switch", "work")
    assert "but in this folder or shell" in ran.err
    assert ".keyfob.toml selects default" in ran.err


def test_a_login_without_words_asks_for_both_and_offers_the_last_issuers(
    desk: Desk, types: Callable[[str], None]
) -> None:
    """[FC-23]"""
    with issuer() as server:
        desk.save("https://a.example/", "old")
        desk.save(f"{server.url}/", "newer")
        types("\n\n")
        ran = desk.type("login", "--flow", "device")
        assert ran.code == 0, ran.err
        assert f"1  {server.url}/" in ran.err
        assert "2  https://a.example/" in ran.err
        assert "[cli]" in ran.err
        profile = ProfileFiles().load("default")
    assert profile is not None
    assert profile.issuer == f"{server.url}/"


@pytest.mark.parametrize("typed", ["7\n", "http://elsewhere.example/\n", "login.example.com\n", "\n", ""])
def test_what_is_no_issuer_is_refused_before_anything_is_sent(
    desk: Desk, types: Callable[[str], None], typed: str
) -> None:
    types(typed)
    ran = desk.type("login")
    assert (ran.code, ran.out) == (2, ""), ran.err
