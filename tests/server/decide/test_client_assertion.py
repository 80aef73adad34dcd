"""A client assertion at its edges: each claim is right to the second, and each key is tried as its name says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken, Malformed
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
    ClientFacts,
    audiences_of,
    claimed_client_id,
    verify_assertion,
)
from keyfob.server.decide.throttle import Failures
from keyfob.testing.example_tenant import NATIVE, example_config
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


CLIENT = replace(next(one for one in CONFIG.applications if one.client_id == "web"), secret_hashes=(b"one", b"two"))
WAITING = Failures(6, NOON)
RIGHT = ClientFacts(
    Credentials("client_secret_basic", "web", Secret("secret")), None, NOON, CLIENT, b"two", failures=WAITING,
    client_id="web",
)  # fmt: skip


def test_a_client_waits_only_with_wrong_credentials_and_only_as_long_as_its_failures_say() -> None:
    wrong = replace(RIGHT, secret_hash=b"three")
    assert not RIGHT.must_wait()
    assert wrong.must_wait()
    assert not replace(wrong, now=NOON + 2 * SECOND).must_wait()
    assert replace(wrong, now=NOON + 2 * SECOND - timedelta(microseconds=1)).must_wait()
    assert not replace(wrong, failures=None).must_wait()


@pytest.mark.parametrize(
    ("changed", "is_unauthenticated", "is_a_guess"),
    [
        ({}, False, True),
        ({"secret_hash": b"one"}, False, True),
        ({"secret_hash": b"three"}, True, True),
        ({"application": None}, True, False),
        ({"application": replace(CLIENT, secret_hashes=())}, True, True),
        ({"credentials": Credentials("client_secret_post", "web", Secret("secret"))}, True, False),
        ({"credentials": Credentials("none", "web")}, True, False),
        ({"credentials": Credentials("none", "web"), "application": None}, True, False),
        ({"credentials": Credentials("none", "native"), "application": NATIVE}, False, False),
        ({"credentials": Credentials("private_key_jwt", "signer", assertion()), "application": SIGNER}, True, True),
        (
            {
                "credentials": Credentials("private_key_jwt", "signer", assertion()),
                "application": SIGNER,
                "audiences": frozenset({ISSUER}),
            },
            False,
            True,
        ),
    ],
)
def test_only_right_credentials_of_the_clients_own_method_authenticate_it(
    changed: dict[str, object], *, is_unauthenticated: bool, is_a_guess: bool
) -> None:
    """RFC 6749 §2.3."""
    facts = replace(RIGHT, **changed)  # type: ignore[arg-type]
    assert facts.is_unauthenticated() is is_unauthenticated
    assert facts.is_a_guess() is is_a_guess


def test_credentials_that_cannot_be_read_are_malformed_and_no_guess() -> None:
    header = replace(RIGHT, credentials=None, problem=Malformed("x", field="authorization"))
    body = replace(RIGHT, credentials=None, problem=Malformed("x", field="client_secret"))
    assert (header.header_is_malformed(), header.is_malformed(), header.is_a_guess()) == (True, True, False)
    assert (body.header_is_malformed(), body.is_malformed(), body.has_assertion) == (False, True, False)
    assert not any((RIGHT.header_is_malformed(), RIGHT.is_malformed(), RIGHT.is_replayed(), RIGHT.names_no_client()))
    assert replace(RIGHT, is_new=False).is_replayed()
    assert replace(RIGHT, client_id="").names_no_client()


def test_the_client_is_the_one_that_the_request_names_and_else_the_one_of_the_assertion() -> None:
    """RFC 7521 §4.2."""
    assert claimed_client_id(Credentials("private_key_jwt", "named", assertion())) == "named"
    assert claimed_client_id(Credentials("private_key_jwt", "", assertion())) == "signer"
    for damaged in (assertion(iss=7), assertion(iss=None), Secret("no assertion")):
        assert claimed_client_id(Credentials("private_key_jwt", "", damaged)) == ""
    assert claimed_client_id(Credentials("client_secret_post", "", assertion())) == ""
    assert claimed_client_id(Credentials("private_key_jwt", "")) == ""
