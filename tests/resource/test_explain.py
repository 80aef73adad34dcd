"""A token explained check by check says what `verify` says, and more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import InvalidToken, Misuse
from keyfob.guard import KeyNeeded, Policy, Principal, explain, fetch_keys, verify
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.secret import Secret
from keyfob.resource.explain import CHECKS, Check, Explanation
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW

POLICY = Policy(ISSUER, AUDIENCE)


def said_by(explanation: Explanation) -> dict[str, bool | None]:
    return {check.name: check.holds for check in explanation.checks}


def first_failure(explanation: Explanation) -> Check | None:
    return next((check for check in explanation.checks if not check.holds), None)


def agree(token: Secret, keys: KeySet, policy: Policy) -> None:
    """Both say the same of a token, down to the words."""
    explanation = explain(token, keys, policy, NOW)
    first = first_failure(explanation)
    assert [check.name for check in explanation.checks] == list(CHECKS)
    try:
        found = verify(token, keys, policy, NOW)
    except InvalidToken as refused:
        assert not explanation.holds
        assert first is not None
        assert (first.name, first.holds, first.why) == (refused.check, False, refused.message)
    else:
        assert explanation.holds is isinstance(found, Principal)
        assert isinstance(found, Principal) or first is not None


def test_every_check_of_a_good_token_holds(mint: TokenMaker) -> None:
    found = explain(mint.good(), KeySet((mint.key.public_key(),)), POLICY, NOW)
    assert found.holds
    assert first_failure(found) is None
    assert set(said_by(found).values()) == {True}
    assert found.header is not None
    assert found.claims is not None
    assert (found.header["kid"], found.claims["sub"]) == (mint.key.key_id, "auth0|person")


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("profile", ["auth0", "rfc9068"])
def test_the_first_check_that_fails_is_what_verify_refuses_for(mint: TokenMaker, flaw: str, profile: str) -> None:
    keys = KeySet((mint.key.public_key(), SigningKey.generate("ES256").public_key()))
    agree(FLAWS[flaw](mint), keys, replace(POLICY, profile=profile))


@settings(max_examples=150, deadline=None)
@given(
    changed=st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "scope", "azp", "permissions", "jti", "cnf"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.just(ISSUER) | st.lists(st.text()),
    ),
    strict=st.booleans(),
)
def test_whatever_a_token_says_both_agree(mint: TokenMaker, changed: dict[str, object], strict: bool) -> None:
    policy = replace(POLICY, profile="rfc9068" if strict else "auth0", required=("sub", "azp"))
    agree(mint.saying(changed), KeySet((mint.key.public_key(),)), policy)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.text("eyJ.-_=", max_size=60))
def test_any_text_is_explained(text: str) -> None:
    agree(Secret(text), KeySet(), POLICY)


def test_what_stands_behind_the_first_failure_is_told_too(mint: TokenMaker) -> None:
    """Somebody with a token for another API, that has expired as well, need not come twice."""
    late = mint.saying({"aud": "https://elsewhere.example/", "exp": int((NOW - timedelta(hours=1)).timestamp())})
    said = said_by(explain(late, KeySet(), replace(POLICY, algorithms=("ES256",)), NOW))
    assert (said["algorithm"], said["key"], said["signature"]) == (False, False, None)
    assert (said["issuer"], said["audience"], said["exp"], said["nbf"]) == (True, False, False, True)


def test_a_missing_key_is_told_as_one(mint: TokenMaker) -> None:
    found = explain(mint.good(), KeySet(), POLICY, NOW)
    assert first_failure(found) is not None
    assert first_failure(found).name == "key"
    assert verify(mint.good(), KeySet(), POLICY, NOW) == KeyNeeded(mint.key.key_id)


def test_without_keys_nothing_is_held_against_a_token_but_what_it_says(mint: TokenMaker) -> None:
    said = said_by(explain(mint.good(), None, POLICY, NOW))
    assert [name for name, holds in said.items() if holds is None] == ["key", "signature"]
    late = mint.saying({"exp": int((NOW - timedelta(hours=1)).timestamp())})
    assert said_by(explain(late, None, POLICY, NOW))["exp"] is False


def test_keys_are_fetched_from_nobody_who_could_be_overheard() -> None:
    """[C-9728-02]."""
    for issuer in ("http://login.example/", "ftp://login.example/", "login.example", ""):
        with pytest.raises(Misuse):
            fetch_keys(issuer)


def test_what_cannot_be_read_is_neither_right_nor_wrong() -> None:
    found = explain(Secret("opaque"), KeySet(), POLICY, NOW)
    said = said_by(found)
    assert said.pop("form") is False
    assert set(said.values()) == {None}
    assert (found.header, found.claims) == (None, None)


def test_nothing_of_a_token_is_in_the_words_or_in_what_is_printed(mint: TokenMaker) -> None:
    """[RS-9700-02]."""
    for make in FLAWS.values():
        token = make(mint)
        shown = repr(explain(token, KeySet((mint.key.public_key(),)), POLICY, NOW))
        assert token.reveal() not in shown
        assert "auth0|person" not in shown


def test_a_principal_does_not_print_what_the_token_says(mint: TokenMaker) -> None:
    """[RS-9700-02]."""
    token = mint.saying({"email": "pat@example.com"})
    found = verify(token, KeySet((mint.key.public_key(),)), POLICY, NOW)
    assert token.reveal() not in repr(found)
    assert "pat@example.com" not in repr(found)


def test_an_unsigned_payload_is_looked_at_only_as_what_it_says(mint: TokenMaker) -> None:
    forged = sign(mint.claims().write("auth0"), replace(mint.other_key, key_id=mint.key.key_id), token_type="JWT")
    said = said_by(explain(forged, KeySet((mint.key.public_key(),)), POLICY, NOW))
    assert said["signature"] is False
    assert said["issuer"] is True
