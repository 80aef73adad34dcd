"""Our guard judges tokens that servers of others made, with keys and metadata fetched from them over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from keyfob.guard import Denial, Guard, Principal
from keyfob.protocol.http import Request
from tests.wild.peer import MINTS, converse
from tests.wild.stage import AUDIENCE, SECRET

BOTH = ("RS256", "ES256")
Judge = Callable[[str, dict[str, str]], None]
EVERY_MINT = pytest.mark.parametrize("mint", MINTS)


def judging(mint: str, judge: Judge) -> None:
    """Start a server, and judge its tokens while it runs."""
    judged: list[str] = []

    def answer(asked: dict[str, str]) -> dict[str, str]:
        tokens: dict[str, str] = asked["tokens"]  # type: ignore[assignment]
        judge(asked["issuer"], tokens)
        judged.append(mint)
        return {}

    converse(MINTS[mint], "mint", {"audience": AUDIENCE, "secret": SECRET}, {"judge": answer})
    assert judged == [mint]


def call(token: str) -> Request:
    return Request("GET", "/orders", (("authorization", f"Bearer {token}"),))


def guard(issuer: str, **more: object) -> Guard:
    return Guard(**{"issuer": issuer, "audience": AUDIENCE, "algorithms": BOTH, "profile": "rfc9068", **more})  # type: ignore[arg-type]


@EVERY_MINT
def test_a_token_of_somebody_else_s_server_is_taken(mint: str) -> None:
    """[RS-9068-01] [RS-9068-02]."""

    def judge(issuer: str, tokens: dict[str, str]) -> None:
        ours = guard(issuer)
        for algorithm in BOTH:
            found = ours.check(call(tokens[algorithm]), "read:orders")
            assert isinstance(found, Principal), found
            assert (found.issuer, found.client_id, found.subject) == (issuer, "machine", "machine")
            assert found.is_machine

    judging(mint, judge)


@EVERY_MINT
def test_a_token_of_somebody_else_s_server_is_refused_for_each_reason(mint: str) -> None:
    """[RS-9068-03] [RS-9068-04] [RS-8725-01]."""

    def judge(issuer: str, tokens: dict[str, str]) -> None:
        good = tokens["RS256"]
        later = datetime.now(UTC) + timedelta(days=40)
        cut = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
        for ours, token, status, words in (
            (guard(issuer), tokens["unscoped"], 403, "The token does not cover this action."),
            (guard(issuer, audience="https://stock.example/"), good, 401, "The token is for another audience."),
            (guard(issuer, clock=lambda: later), good, 401, "The token has expired."),
            (guard(issuer, algorithms=("RS256",)), tokens["ES256"], 401, None),
            (guard(issuer), cut, 401, None),
        ):
            found = ours.check(call(token), "read:orders")
            assert isinstance(found, Denial)
            assert found.status == status
            assert words in {None, found.description}

    judging(mint, judge)


def test_a_token_that_only_its_issuer_can_read_is_refused() -> None:
    def judge(issuer: str, tokens: dict[str, str]) -> None:
        found = guard(issuer).check(call(tokens["opaque"]), "read:orders")
        assert isinstance(found, Denial)
        assert (found.status, found.error) == (401, "invalid_token")

    judging("oidc-provider", judge)


def test_a_person_s_token_is_told_from_a_machine_s() -> None:
    """[RS-ASVS-01]."""

    def judge(issuer: str, tokens: dict[str, str]) -> None:
        found = guard(issuer).check(call(tokens["person"]), "read:orders")
        assert isinstance(found, Principal)
        assert (found.subject, found.is_machine) == ("person", False)

    judging("Authlib", judge)


@EVERY_MINT
def test_a_server_s_name_is_compared_letter_for_letter(mint: str) -> None:
    """[RS-9068-02]: with a slash too many, its metadata is somebody else's."""

    def judge(issuer: str, tokens: dict[str, str]) -> None:
        found = guard(f"{issuer}/").check(call(tokens["RS256"]))
        assert isinstance(found, Denial)
        assert found.status == 503

    judging(mint, judge)
