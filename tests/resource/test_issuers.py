"""Several issuers at once: each is judged by its own policy and its own keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken, Misuse
from keyfob.guard import Guard, Policy, Principal, choose_policy, require, verify
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import sign, take_apart
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.resource.verify import verify_parsed
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import Issuer, call, error_of

THEIRS = "https://other.example/"
POLICIES = (
    Policy(ISSUER, AUDIENCE),
    Policy(THEIRS, AUDIENCE, ("ES256",), "rfc9068", jwks_uri=THEIRS + "jwks.json"),
)


@pytest.fixture(scope="module")
def other() -> TokenMaker:
    return TokenMaker(THEIRS, AUDIENCE, SigningKey.generate("ES256"), SigningKey.generate("ES256"), NOW)


def strict(other: TokenMaker, key: SigningKey | None = None, **changed: object) -> Secret:
    claims = {**replace(other.claims(), token_id="one").write("rfc9068"), **changed}
    return sign(claims, key or other.key, token_type="at+jwt")


class Issuers:
    """Both, and who was asked what."""

    def __init__(self, mint: TokenMaker, other: TokenMaker) -> None:
        self.ours, self.theirs = Issuer(mint.key), Issuer(other.key, issuer=THEIRS)

    def __call__(self, request: Request) -> Response:
        return (self.ours if request.url.startswith(ISSUER) else self.theirs)(request)

    def guard(self, **more: object) -> Guard:
        ways: dict[str, object] = {"send": self, "clock": lambda: NOW, **more}
        return Guard(*POLICIES, **ways)  # type: ignore[arg-type]


def test_each_issuers_tokens_pass_by_its_own_policy(mint: TokenMaker, other: TokenMaker) -> None:
    """[RS-8725-03]."""
    issuers = Issuers(mint, other)
    guard = issuers.guard()
    ours, theirs = guard.check(call(mint.good())), guard.check(call(strict(other)))
    assert isinstance(ours, Principal)
    assert isinstance(theirs, Principal)
    assert (ours.issuer, theirs.issuer) == (ISSUER, THEIRS)
    assert issuers.theirs.asked == ["/jwks.json"], "its address was given: no metadata is asked for"
    assert error_of(guard.check(call(other.good()))) == (401, "invalid_token"), "it is no at+jwt"


def test_a_key_of_one_issuer_never_verifies_anothers_token(mint: TokenMaker, other: TokenMaker) -> None:
    """[RS-8725-03] [RS-8725-02]."""
    guard = Issuers(mint, other).guard()
    for token in (
        mint.saying({"iss": THEIRS}),
        strict(other, iss=ISSUER),
        sign(mint.claims().write("auth0"), other.key, token_type="JWT"),
        sign(mint.claims().write("auth0"), replace(other.key, key_id=mint.key.key_id), token_type="JWT"),
        strict(other, key=replace(mint.key, key_id=other.key.key_id)),
    ):
        assert error_of(guard.check(call(token))) == (401, "invalid_token")
    assert isinstance(guard.check(call(mint.good())), Principal)


def test_an_algorithm_of_one_issuers_policy_is_off_anothers_list(mint: TokenMaker) -> None:
    """Although the key of that algorithm is the issuer's own."""
    curve = replace(mint, key=SigningKey.generate("ES256"))
    with pytest.raises(InvalidToken, match="algorithm is not on the list") as refused:
        verify_parsed(take_apart(curve.good()), KeySet((curve.key.public_key(),)), POLICIES[0], NOW)
    assert refused.value.check == "algorithm"


@pytest.mark.parametrize("issuer", ["https://third.example/", "https://login.example", "", None, 7, ["x"], {"a": 1}])
def test_a_token_of_nobody_we_trust_makes_nobody_ask_anything(
    mint: TokenMaker, other: TokenMaker, issuer: object
) -> None:
    """[RS-9068-02] [RS-OIDC-01]."""
    issuers = Issuers(mint, other)
    assert error_of(issuers.guard().check(call(mint.saying({"iss": issuer})))) == (401, "invalid_token")
    assert issuers.ours.asked == issuers.theirs.asked == []


def test_one_issuers_silence_is_not_anothers(mint: TokenMaker, other: TokenMaker) -> None:
    """[RS-ASVS-02]."""
    issuers = Issuers(mint, other)
    issuers.theirs.silent = True
    guard = issuers.guard()
    assert error_of(guard.check(call(strict(other)))) == (503, "temporarily_unavailable")
    assert isinstance(asyncio.run(guard.check_async(call(mint.good()))), Principal)


def test_the_pure_way_with_several_issuers_is_two_steps(mint: TokenMaker, other: TokenMaker) -> None:
    """[RS-8725-03]."""
    keys = {ISSUER: KeySet((mint.key.public_key(),)), THEIRS: KeySet((other.key.public_key(),))}
    for token, issuer in ((mint.good(), ISSUER), (strict(other), THEIRS)):
        policy = choose_policy(token, POLICIES)
        assert policy.issuer == issuer
        assert isinstance(verify(token, keys[policy.issuer], policy, NOW), Principal)
    for token, check in (
        (mint.saying({"iss": "https://third.example/"}), "issuer"),
        (Secret("rubbish"), "form"),
        (Secret("a.b.c"), "form"),
    ):
        with pytest.raises(InvalidToken) as refused:
            choose_policy(token, POLICIES)
        assert refused.value.check == check


def test_a_login_is_as_old_as_the_longest_leeway_of_all_issuers_allows(mint: TokenMaker, other: TokenMaker) -> None:
    policies = (replace(POLICIES[0], leeway=timedelta()), replace(POLICIES[1], leeway=timedelta(minutes=5)))
    guard = Guard(*policies, send=Issuers(mint, other), clock=lambda: NOW)
    for age, is_fresh in ((timedelta(minutes=15), True), (timedelta(minutes=15, seconds=1), False)):
        token = mint.saying({"auth_time": int((NOW - age).timestamp())})
        found = guard.check(call(token), require(max_age=timedelta(minutes=10)))
        assert isinstance(found, Principal) is is_fresh


def test_metadata_names_every_issuer_that_is_trusted(mint: TokenMaker, other: TokenMaker) -> None:
    """[RS-9728-01]."""
    guard = Issuers(mint, other).guard(address="https://orders.example")
    found = guard.metadata(Request("GET", "/.well-known/oauth-protected-resource"))
    assert found is not None
    assert ISSUER.encode() in found.body
    assert THEIRS.encode() in found.body


def test_a_policy_may_ask_for_claims_other_types_and_another_place_for_scopes(mint: TokenMaker) -> None:
    """[RS-9068-05]: tokens of issuers that know neither profile."""
    keys = KeySet((mint.key.public_key(),))
    policy = Policy(ISSUER, AUDIENCE, required=("org_id",), token_types=("",), scope_claim="scp")
    said = {**mint.claims().write("auth0"), "org_id": "acme", "scp": ["read", "write"]}
    found = verify(sign(said, mint.key, token_type="", header={"typ": "", "kid": mint.key.key_id}), keys, policy, NOW)
    assert isinstance(found, Principal)
    assert found.scope.names == {"read", "write"}
    for changed, token_type in (({"org_id": None}, ""), ({"scp": 7}, ""), ({"scp": [1]}, ""), ({}, "JWT")):
        short = {name: value for name, value in {**said, **changed}.items() if value is not None}
        token = sign(short, mint.key, token_type=token_type, header={"typ": token_type, "kid": mint.key.key_id})
        with pytest.raises(InvalidToken):
            verify(token, keys, policy, NOW)
    without = {name: value for name, value in said.items() if name != "scp"}
    plain = sign(without, mint.key, token_type="", header={"typ": ""})
    found = verify(plain, keys, policy, NOW)
    assert isinstance(found, Principal)
    assert found.scope == Scope()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"issuer": ISSUER},
        {"audience": AUDIENCE},
        {"policies": POLICIES, "issuer": ISSUER},
        {"policies": (POLICIES[0], replace(POLICIES[0], audience="other"))},
        {"policies": POLICIES, "remember": -1},
    ],
)
def test_a_guard_that_does_not_know_whom_to_trust_is_refused(settings: dict[str, object]) -> None:
    policies = settings.pop("policies", ())
    with pytest.raises(Misuse):
        Guard(*policies, **settings)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("wrong", [{"jwks_uri": "http://login.example/jwks.json"}, {"token_types": ("JWT",)}])
def test_a_policy_that_could_never_be_right_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        Policy(ISSUER, AUDIENCE, leeway=timedelta(seconds=1), **wrong)  # type: ignore[arg-type]
