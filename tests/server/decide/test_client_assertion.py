"""A client assertion at its edges: each claim is right to the second, and each key is tried as its name says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.secret import Secret
from keyfob.server.decide.client import (
    LONGEST_ASSERTION,
    LONGEST_CLAIM,
    LONGEST_LIFE,
    SKEW,
    Assertion,
    audiences_of,
    claimed_client_id,
    verify_assertion,
)
from keyfob.testing.example_tenant import example_config
from keyfob.testing.fake_time import NOON

ISSUER = "https://login.example/"
KEYS = [SigningKey.generate("ES256") for _ in range(2)]
CONFIG = example_config(ISSUER)
SIGNER = replace(
    next(one for one in CONFIG.applications if one.client_id == "signer"),
    public_keys=tuple(key.public_jwk() for key in KEYS),
)
SECOND = timedelta(seconds=1)
AT = int(NOON.timestamp())
LONGEST = int((LONGEST_LIFE + SKEW).total_seconds())
MARGIN = int(SKEW.total_seconds())


def assertion(
    key: SigningKey = KEYS[0], token_type: str = "JWT", header: dict[str, object] | None = None, **changed: object
) -> Secret:
    usual = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "one", "exp": AT + 60}
    return sign(usual | changed, key, token_type=token_type, header=header)


def verify(token: Secret) -> Assertion:
    return verify_assertion(token, SIGNER, frozenset({ISSUER}), NOON)


@pytest.mark.parametrize("token_type", ["", "JWT", "jwt", "client-authentication+jwt", "application/jwt"])
def test_an_assertion_has_one_of_the_types(token_type: str) -> None:
    assert verify(assertion(token_type=token_type)) == Assertion("one", NOON + timedelta(minutes=1))


@pytest.mark.parametrize("token_type", ["dpop+jwt", "at+jwt", "application/dpop+jwt"])
def test_what_was_signed_for_something_else_is_no_assertion(token_type: str) -> None:
    """RFC 8725 §3.11."""
    with pytest.raises(InvalidToken, match=r"^what was signed is no assertion$"):
        verify(assertion(token_type=token_type))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": AT + 1},
        {"exp": AT + LONGEST},
        {"iat": AT + MARGIN},
        {"nbf": AT + MARGIN},
        {"iat": 1, "nbf": 1},
        {"jti": "x" * LONGEST_CLAIM},
    ],
)
def test_an_assertion_is_taken_to_the_last_second(changed: dict[str, object]) -> None:
    assert verify(assertion(**changed)).token_id == changed.get("jti", "one")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"exp": AT}, "has lapsed, is not valid yet, or lives too long"),
        ({"exp": AT + LONGEST + 1}, "has lapsed, is not valid yet, or lives too long"),
        ({"iat": AT + MARGIN + 1}, "has lapsed, is not valid yet, or lives too long"),
        ({"nbf": AT + MARGIN + 1}, "has lapsed, is not valid yet, or lives too long"),
        ({"jti": "x" * (LONGEST_CLAIM + 1)}, "the assertion is not about this application"),
        ({"iss": "another"}, "the assertion is not about this application"),
        ({"sub": "another"}, "the assertion is not about this application"),
        ({"aud": [ISSUER, "https://other.example/"]}, "the assertion is not for this tenant alone"),
        ({"aud": "https://other.example/"}, "the assertion is not for this tenant alone"),
        ({"aud": []}, "the assertion is not for this tenant alone"),
        ({"exp": "soon"}, "exp"),
    ],
)
def test_a_second_or_a_letter_more_is_refused_with_the_reason(changed: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidToken, match=says):
        verify(assertion(**changed))


def test_an_assertion_is_as_long_as_the_limit_and_no_longer() -> None:
    padded = next(
        token for size in range(LONGEST_ASSERTION) if len(token := assertion(more="x" * size)) >= LONGEST_ASSERTION - 1
    )
    rest = LONGEST_ASSERTION - len(padded)
    assert len(padded) + rest == LONGEST_ASSERTION
    assert verify(padded).token_id == "one"
    with pytest.raises(InvalidToken, match=r"^the assertion is too long$"):
        verify(assertion(more="x" * LONGEST_ASSERTION))


def test_every_key_of_a_client_is_tried_if_none_is_named_or_the_name_is_invented() -> None:
    for key in KEYS:
        assert verify(assertion(key)).token_id == "one"
        assert verify(assertion(key, header={})).token_id == "one"
        assert verify(assertion(key, header={"kid": "mine"})).token_id == "one"


def test_a_key_that_is_named_is_the_only_one_that_is_tried() -> None:
    with pytest.raises(InvalidToken, match=r"^the assertion was not signed by a key of this application$"):
        verify(assertion(KEYS[1], header={"kid": KEYS[0].key_id}))


def test_a_key_of_another_client_signs_nothing() -> None:
    with pytest.raises(InvalidToken, match=r"^the assertion was not signed by a key of this application$"):
        verify(assertion(SigningKey.generate("ES256"), header={}))


def test_only_auth0s_sdks_may_name_an_issuer_on_plain_http_as_if_it_had_tls() -> None:
    plain = replace(CONFIG, issuer="http://127.0.0.1:8000/")
    assert audiences_of(replace(plain, wire="rfc")) == {"http://127.0.0.1:8000/"}
    assert audiences_of(replace(plain, wire="auth0")) == {"http://127.0.0.1:8000/", "https://127.0.0.1:8000/"}


def test_the_client_is_the_one_that_the_request_names_and_else_the_one_of_the_assertion() -> None:
    """RFC 7521 §4.2."""
    assert claimed_client_id(Credentials("private_key_jwt", "named", assertion())) == "named"
    assert claimed_client_id(Credentials("private_key_jwt", "", assertion())) == "signer"
    for damaged in (assertion(iss=7), assertion(iss=None), Secret("no assertion")):
        assert claimed_client_id(Credentials("private_key_jwt", "", damaged)) == ""
    assert claimed_client_id(Credentials("client_secret_post", "", assertion())) == ""
    assert claimed_client_id(Credentials("private_key_jwt", "")) == ""
