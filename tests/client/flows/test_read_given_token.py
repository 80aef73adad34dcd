"""A login made of an access token from elsewhere: what is read of it, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from keyfob.client.flows.given_token import LARGEST, read_given_token
from keyfob.errors import KeyfobError, Misuse, Refused
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON
from tests.client.scripts import API, ISSUER, METADATA, PROFILE

KEY = SigningKey.generate("ES256")
LATER = NOON + timedelta(minutes=10)


def jwt(**claims: object) -> str:
    usual = {"iss": ISSUER, "aud": API, "sub": "robot", "exp": int(LATER.timestamp()), "scope": "read:orders openid"}
    made = {name: claim for name, claim in (usual | claims).items() if claim is not None}
    return sign(made, KEY, token_type="JWT").reveal()


def members(**named: object) -> str:
    return json.dumps({"access_token": "opaque"} | named)


def test_the_claims_of_a_jwt_say_what_the_login_is() -> None:
    token = jwt()
    stored = read_given_token(Secret(f"{token}\n"), PROFILE, METADATA, NOON)
    assert (stored.access_token.reveal(), stored.expires_at, stored.subject) == (token, LATER, "robot")
    assert (stored.issuer, stored.audience, stored.obtained_at) == (ISSUER, API, NOON)
    assert stored.scope.write() == "openid read:orders"
    assert stored.refresh_token is None


def test_an_opaque_token_has_the_scope_that_was_asked_for_and_no_end() -> None:
    stored = read_given_token(Secret("opaque"), PROFILE, METADATA, NOON)
    assert (stored.access_token.reveal(), stored.expires_at, stored.subject) == ("opaque", None, None)
    assert stored.scope == PROFILE.scope


def test_what_stands_beside_a_token_goes_before_its_claims() -> None:
    until = NOON + timedelta(hours=1)
    given = members(access_token=jwt(), expires_at=until.isoformat(), scope="read:orders", token_type="bearer")
    stored = read_given_token(Secret(given), PROFILE, METADATA, NOON)
    assert (stored.expires_at, stored.scope.write()) == (until, "read:orders")


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ("", Misuse, "no access token"),
        (" \n", Misuse, "no access token"),
        ("two words", Misuse, "no access token"),
        ("tøken", Misuse, "no access token"),
        ("a\x07b", Misuse, "no access token"),
        ("x" * (LARGEST + 1), Misuse, "no access token"),
        ("{", Misuse, "no access token"),
        ("{}", Misuse, "no access token"),
        (members(refresh_token="r"), Misuse, "a refresh token is not accepted"),
        (members(token_type="DPoP"), Misuse, "bound to a key"),
        (jwt(cnf={"jkt": "x"}), Misuse, "bound to a key"),
        (members(expires_at="soon"), Misuse, "a claim of the token has a wrong type"),
        (members(expires_at="2099-01-01T00:00:00"), Misuse, "a claim of the token has a wrong type"),
        (jwt(iss=7), Misuse, "a claim of the token has a wrong type"),
        (jwt(sub=7), Misuse, "a claim of the token has a wrong type"),
        (jwt(iss="https://other.example/"), Refused, "by another issuer"),
        (jwt(aud=["https://other.example"]), Refused, "for another API"),
        (jwt(exp=int(NOON.timestamp())), Refused, "has expired"),
        (members(expires_at=NOON.isoformat()), Refused, "has expired"),
    ],
)
def test_what_is_no_token_for_this_login_is_refused(given: str, error: type[KeyfobError], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        read_given_token(Secret(given), PROFILE, METADATA, NOON)
    assert raised.value.hint


def test_a_token_of_the_largest_size_and_one_that_names_no_issuer_are_taken() -> None:
    largest = "x" * LARGEST
    assert read_given_token(Secret(largest), PROFILE, METADATA, NOON).access_token.reveal() == largest
    assert read_given_token(Secret(jwt(iss=None, aud=None)), PROFILE, METADATA, NOON).subject == "robot"
