"""The answers that are written once, at import, are those that would be written for each request."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from keyfob.protocol.http import NO_STORE, json_response
from keyfob.protocol.oauth_error import speakable
from keyfob.server.settings.config import Wire
from keyfob.server.wire import TABLE, Outcome, answer, retry_after

WORDS = {
    "audience": 'https://orders.example/?"é"', "client_id": "app", "grant": "password", "interval": "5",
    "problem": "scope is missing", "realm": "staff", "scope": "read:a", "scopes": "read:a read:b",
}  # fmt: skip


@pytest.mark.parametrize("words", [WORDS, None], ids=["with words", "without words"])
@pytest.mark.parametrize("outcome", get_args(Outcome))
@pytest.mark.parametrize("wire", get_args(Wire))
def test_an_answer_is_that_of_its_row(wire: Wire, outcome: Outcome, words: dict[str, str] | None) -> None:
    """The slow text: the row's text with its words, as JSON. It is the oracle of the bytes made at import."""
    status, error, text = TABLE[outcome][wire == "rfc"]
    told = text.format_map({name: speakable(word) for name, word in WORDS.items()}) if words else text
    members = {"error": error, "error_description": told} if error else {}
    headers = retry_after(timedelta(seconds=4))

    found = answer(wire, outcome, headers=headers, words=words)

    assert found == json_response(status, members, headers=NO_STORE + headers)


def test_more_members_are_added_to_a_text_without_placeholders() -> None:
    found = answer("auth0", "mfa_required", more={"mfa_token": "abc"})

    assert found.body == (
        b'{"error":"mfa_required","error_description":"Multifactor authentication required","mfa_token":"abc"}'
    )


def test_every_outcome_has_a_row() -> None:
    assert TABLE.keys() == set(get_args(Outcome))
