"""WWW-Authenticate, written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.challenge import Challenge

BEARER = Challenge("Bearer", {"realm": "api"})


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['Bearer realm="api"'], [BEARER]),
        (["bearer REALM=api"], [Challenge("bearer", {"realm": "api"})]),
        (['Bearer realm="a, b=\\"c\\""'], [Challenge("Bearer", {"realm": 'a, b="c"'})]),
        (['Basic realm="x", Bearer realm="api"'], [Challenge("Basic", {"realm": "x"}), BEARER]),
        (['Basic realm="x"', 'Bearer realm="api"'], [Challenge("Basic", {"realm": "x"}), BEARER]),
        (["Negotiate abc==, Bearer realm=api"], [Challenge("Negotiate"), BEARER]),
        (["Bearer"], [Challenge("Bearer")]),
        ([' , Bearer  realm = "api" ,, '], [BEARER]),
        (['DPoP algs="ES256 PS256", Bearer'], [Challenge("DPoP", {"algs": "ES256 PS256"}), Challenge("Bearer")]),
        ([""], []),
        (["=,=="], []),
    ],
)
def test_challenges_are_read_apart(headers: list[str], found: list[Challenge]) -> None:
    """[C-6750-03]."""
    assert list(Challenge.read_all(headers)) == found


@given(st.lists(st.text(max_size=200)))
def test_no_header_is_too_odd_to_read(headers: list[str]) -> None:
    Challenge.read_all(headers)


@given(st.dictionaries(st.sampled_from(["realm", "scope", "error_description"]), st.text(max_size=50)))
def test_nothing_breaks_out_of_the_quotes(parameters: dict[str, str]) -> None:
    """[RS-6750-06]."""
    written = Challenge("Bearer", parameters).write()
    assert written.isascii()
    assert written.isprintable()
    assert [found.parameters.keys() for found in Challenge.read_all([written])] == [parameters.keys()]
