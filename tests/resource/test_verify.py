"""Judging access tokens: what passes, and each way not to."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import InvalidToken, Misuse
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import Policy
from keyfob.resource.verify import KeyNeeded, Principal, verify
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW

POLICY = Policy(ISSUER, AUDIENCE)
STRICT = replace(POLICY, profile="rfc9068")


def keys_of(mint: TokenMaker) -> KeySet:
    return KeySet((mint.key.public_key(),))


def test_a_good_token_says_who_calls_and_what_they_may(mint: TokenMaker) -> None:
    found = verify(mint.good(), keys_of(mint), POLICY, NOW)
    assert isinstance(found, Principal)
    assert (found.issuer, found.subject, found.client_id) == (ISSUER, "auth0|person", "program")
    assert "read:orders" in found.scope
    assert not found.is_machine


def test_a_principal_is_like_any_other_and_nobody_writes_into_it(mint: TokenMaker) -> None:
    """It is filled before it is frozen; nothing of that shows."""
    found = verify(mint.good(), keys_of(mint), POLICY, NOW)
    assert isinstance(found, Principal)
    assert type(found) is Principal

    written = Principal(**{each.name: getattr(found, each.name) for each in fields(Principal)})
    assert (found, repr(found)) == (written, repr(written))
    assert found == copy.copy(found) == pickle.loads(pickle.dumps(found)) == replace(found)
    assert replace(found, subject="another") != found
    for each in fields(Principal):
        with pytest.raises(FrozenInstanceError):
            setattr(found, each.name, None)
    assert found == written


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_token_with_a_flaw_is_refused(mint: TokenMaker, flaw: str) -> None:
    """[RS-8725-01] [RS-8725-02] [RS-9068-02] [RS-9068-03] [RS-9068-04] [RS-7519-01] [RS-7515-01] [RS-7515-02]."""
    keys = KeySet((mint.key.public_key(), SigningKey.generate("ES256").public_key()))
    said = ""
    try:
        found: object = verify(FLAWS[flaw](mint), keys, POLICY, NOW)
    except InvalidToken as refused:
        found, said = None, refused.message
    assert found is None or isinstance(found, KeyNeeded), "a foreign key may be asked for, never accepted"
    assert "person" not in said


def test_a_token_of_an_unknown_key_asks_for_that_key(mint: TokenMaker) -> None:
    assert verify(mint.good(), KeySet(), POLICY, NOW) == KeyNeeded(mint.key.key_id)


@pytest.mark.parametrize("audience", [[AUDIENCE], [AUDIENCE, ISSUER + "userinfo"], AUDIENCE])
def test_the_audience_may_be_one_or_several(mint: TokenMaker, audience: object) -> None:
    """[RS-9068-03]."""
    assert isinstance(verify(mint.saying({"aud": audience}), keys_of(mint), POLICY, NOW), Principal)


@pytest.mark.parametrize(
    ("after", "passes"), [(3599, True), (3629, True), (3630, False), (7200, False), (-30, True), (-31, False)]
)
def test_time_is_judged_with_a_leeway_of_thirty_seconds(mint: TokenMaker, after: int, *, passes: bool) -> None:
    """[RS-9068-04]."""
    now = NOW + timedelta(seconds=after)
    if passes:
        assert isinstance(verify(mint.good(), keys_of(mint), POLICY, now), Principal)
    else:
        with pytest.raises(InvalidToken):
            verify(mint.good(), keys_of(mint), POLICY, now)


def test_the_strict_profile_wants_its_own_type_and_claims(mint: TokenMaker) -> None:
    """[RS-9068-01] [RS-9068-05]."""
    claims = replace(mint.claims(), token_id="one").write("rfc9068")
    assert isinstance(verify(sign(claims, mint.key, token_type="at+jwt"), keys_of(mint), STRICT, NOW), Principal)
    assert isinstance(
        verify(sign(claims, mint.key, token_type="application/AT+JWT"), keys_of(mint), STRICT, NOW), Principal
    )
    for missing in ("client_id", "jti"):
        short = {name: value for name, value in claims.items() if name != missing}
        with pytest.raises(InvalidToken):
            verify(sign(short, mint.key, token_type="at+jwt"), keys_of(mint), STRICT, NOW)
    for other in ("JWT", "", "id_token", "dpop+jwt"):
        with pytest.raises(InvalidToken):
            verify(sign(claims, mint.key, token_type=other), keys_of(mint), STRICT, NOW)


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
@pytest.mark.parametrize("value", [None, 7.5, True, "", [], {}, ["x", 1]])
def test_what_the_strict_profile_requires_is_there_and_of_its_type(mint: TokenMaker, name: str, value: object) -> None:
    """[RS-9068-05] [RS-9068-04]: a time may have a fraction, and 7.5 is long ago."""
    claims = {**replace(mint.claims(), token_id="one").write("rfc9068"), name: value}
    if value is None:
        del claims[name]
    token = sign(claims, mint.key, token_type="at+jwt")
    if (name, value) == ("iat", 7.5):
        assert isinstance(verify(token, keys_of(mint), STRICT, NOW), Principal)
    else:
        with pytest.raises(InvalidToken):
            verify(token, keys_of(mint), STRICT, NOW)


def test_an_algorithm_off_the_list_is_refused_though_the_key_is_known() -> None:
    """[RS-8725-01]."""
    curve = SigningKey.generate("ES256")
    mint = TokenMaker(ISSUER, AUDIENCE, curve, curve, NOW)
    with pytest.raises(InvalidToken):
        verify(mint.good(), keys_of(mint), POLICY, NOW)
    allowed = replace(POLICY, algorithms=("ES256",))
    assert isinstance(verify(mint.good(), keys_of(mint), allowed, NOW), Principal)


@pytest.mark.parametrize(
    ("claims", "is_machine"),
    [
        ({"sub": "program"}, True),
        ({"sub": "program@clients"}, True),
        ({"gty": "client-credentials"}, True),
        ({"idtyp": "app"}, True),
        ({"gty": "password", "idtyp": "user"}, False),
    ],
)
def test_a_program_is_told_from_a_person(mint: TokenMaker, claims: dict[str, object], *, is_machine: bool) -> None:
    """[RS-ASVS-01]."""
    found = verify(mint.saying(claims), keys_of(mint), POLICY, NOW)
    assert isinstance(found, Principal)
    assert found.is_machine is is_machine


@pytest.mark.parametrize(
    ("token_type", "says"), [("", "has no typ, and this API requires one"), ("dpop+jwt", "is not an access token")]
)
def test_a_token_of_another_type_is_told_from_one_without_a_type(mint: TokenMaker, token_type: str, says: str) -> None:
    """RFC 9068 §4."""
    with pytest.raises(InvalidToken, match=says) as refused:
        verify(sign(mint.claims().write("auth0"), mint.key, token_type=token_type), keys_of(mint), POLICY, NOW)
    assert refused.value.check == "typ"


@pytest.mark.parametrize(
    ("changed", "after", "check"),
    [
        ({"iss": "https://other.example/"}, 0, "issuer"),
        ({"aud": "https://other.example/"}, 0, "audience"),
        ({}, 3630, "exp"),
        ({"nbf": int(NOW.timestamp()) + 31}, 0, "nbf"),
        ({}, -31, "iat"),
        ({"nonce": "n", "scope": None}, 0, "profile"),
        ({"org": None}, 0, "required"),
        ({"iss": "https://other.example/", "org": None}, 3630, "issuer"),
    ],
)
def test_the_first_check_that_fails_is_named(
    mint: TokenMaker, changed: dict[str, object], after: int, check: str
) -> None:
    claims = {name: value for name, value in {**mint.claims().write("auth0"), "org": "a", **changed}.items() if value}
    token, policy = sign(claims, mint.key, token_type="JWT"), replace(POLICY, required=("org",))
    with pytest.raises(InvalidToken) as refused:
        verify(token, keys_of(mint), policy, NOW + timedelta(seconds=after))
    assert refused.value.check == check


def test_the_strict_profile_asks_for_its_claims_in_tokens_of_any_type(mint: TokenMaker) -> None:
    """RFC 9068 §2.2."""
    policy = replace(STRICT, token_types=("jwt",))
    claims = replace(mint.claims(), token_id="one").write("rfc9068")
    assert isinstance(verify(sign(claims, mint.key, token_type="JWT"), keys_of(mint), policy, NOW), Principal)
    del claims["jti"]
    with pytest.raises(InvalidToken, match="lacks client_id or jti"):
        verify(sign(claims, mint.key, token_type="JWT"), keys_of(mint), policy, NOW)


def test_a_token_with_no_more_than_the_claims_that_are_asked_for_passes(mint: TokenMaker) -> None:
    claims = mint.claims().write("auth0")
    policy = replace(POLICY, required=tuple(claims))
    assert isinstance(verify(sign(claims, mint.key, token_type="JWT"), keys_of(mint), policy, NOW), Principal)


def test_a_token_may_begin_to_be_valid_as_late_as_the_leeway_allows(mint: TokenMaker) -> None:
    """RFC 9068 §4."""
    token = mint.saying({"nbf": int((NOW + POLICY.leeway).timestamp())})
    assert isinstance(verify(token, keys_of(mint), POLICY, NOW), Principal)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    with pytest.raises(InvalidToken):
        verify(Secret(text), KeySet(), POLICY, NOW)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "scope", "azp", "permissions", "jti", "gty"]),
    value=st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.none() | st.text()),
)
def test_a_claim_of_any_value_is_read_or_refused(mint: TokenMaker, name: str, value: object) -> None:
    """[RS-7519-01] [RS-9068-05]."""
    try:
        found = verify(mint.saying({name: value}), keys_of(mint), POLICY, NOW)
    except InvalidToken:
        return
    assert isinstance(found, Principal)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"algorithms": ()},
        {"leeway": timedelta(hours=1)},
        {"jwks_uri": "http://keys.example/"},
        {"token_types": ("JWT",)},
    ],
)
def test_a_policy_that_could_never_be_safe_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        Policy(**{"issuer": ISSUER, "audience": AUDIENCE, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("leeway", [timedelta(), timedelta(minutes=5)])
def test_a_leeway_is_between_none_and_five_minutes(leeway: timedelta) -> None:
    assert Policy(ISSUER, AUDIENCE, leeway=leeway).leeway == leeway
    for wrong in (timedelta(microseconds=-1), timedelta(minutes=5, microseconds=1)):
        with pytest.raises(Misuse, match="leeway"):
            Policy(ISSUER, AUDIENCE, leeway=wrong)
