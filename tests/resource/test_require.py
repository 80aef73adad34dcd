"""What a call needs beside a good token: scopes, permissions, a login that is strong and fresh."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

import pytest

from keyfob.errors import Misuse
from keyfob.guard import Denial, Guard, Principal, Requirement, require
from keyfob.protocol.http import JSON
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import Issuer, call, challenge_of, error_of

SECONDS = int(NOW.timestamp())


@pytest.fixture
def api(mint: TokenMaker) -> Guard:
    return Guard(issuer=ISSUER, audience=AUDIENCE, send=Issuer(mint.key), clock=lambda: NOW)


@pytest.mark.parametrize(
    ("held", "need", "passes"),
    [
        ("a b", require("a", "b"), True),
        ("a", require("a", "b"), False),
        ("A", require("a"), False),
        ("ab", require("a"), False),
        ("b", require(any_of=["a", "b"]), True),
        ("c", require(any_of=["a", "b"]), False),
        ("a c", require("a", any_of=["b", "c"]), True),
        ("c", require("a", any_of=["b", "c"]), False),
        ("", require(), True),
        ("", require("a"), False),
    ],
)
def test_scopes_are_needed_all_or_any(mint: TokenMaker, api: Guard, held: str, need: Requirement, passes: bool) -> None:
    """[RS-6749-01] [RS-6750-05]."""
    found = api.check(call(mint.saying({"scope": held or None})), need)
    if passes:
        assert isinstance(found, Principal)
    else:
        assert error_of(found) == (403, "insufficient_scope")
        named = challenge_of(found).parameters["scope"].split()
        asked = {*held.split(), *named}
        assert isinstance(api.check(call(mint.saying({"scope": " ".join(asked)})), need), Principal)


def test_a_challenge_names_one_of_several_scopes_that_would_do() -> None:
    assert require("a", any_of=["b", "c"], permissions=["d"]).named().names == {"a", "b", "d"}


def test_a_denial_says_in_json_why(api: Guard) -> None:
    found = api.check(call(None), "read:orders")
    assert isinstance(found, Denial)
    answer = found.response()
    assert (answer.status, answer.header("content-type"), answer.header("cache-control")) == (401, JSON, "no-store")
    assert json.loads(answer.body) == {"error": "unauthorized", "error_description": found.description}


ROUTES = {"GET /orders": ["read:orders"], "POST /orders": ["write:orders"], "DELETE /orders": ["write:orders", "admin"]}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "held", ["", "read:orders", "write:orders", "admin", "write:orders admin", "read:orders admin"]
)
def test_a_route_opens_to_those_who_hold_all_of_its_scopes(mint: TokenMaker, api: Guard, route: str, held: str) -> None:
    """[RS-6749-01]: route by route, scope by scope, and again at the next call."""
    token = mint.saying({"scope": held or None})
    for _ in range(2):
        found = api.check(call(token), *ROUTES[route])
        assert isinstance(found, Principal) is (set(ROUTES[route]) <= set(held.split()))
    assert error_of(api.check(call(None), *ROUTES[route])) == (401, "")


def test_permissions_are_those_of_the_token_and_not_its_scopes(mint: TokenMaker, api: Guard) -> None:
    """[RS-6749-01]: Auth0's RBAC; a scope was asked for, a permission was given."""
    need = require(permissions=["delete:orders"])
    given = mint.saying({"permissions": ["delete:orders", "x"], "scope": None})
    assert isinstance(api.check(call(given), need), Principal)
    found = api.check(call(mint.saying({"scope": "delete:orders", "permissions": ["x"]})), need)
    assert error_of(found) == (403, "insufficient_scope")
    assert challenge_of(found).parameters["scope"] == "delete:orders"


def test_several_needs_are_all_needed(mint: TokenMaker, api: Guard) -> None:
    token = mint.saying({"scope": "a b", "permissions": ["p"]})
    assert isinstance(api.check(call(token), "a", require("b"), require(permissions=["p"])), Principal)
    assert error_of(api.check(call(token), "a", require("c"))) == (403, "insufficient_scope")
    assert error_of(api.check(call(token), "c", require("b"))) == (403, "insufficient_scope")
    assert challenge_of(api.check(call(None), "a", require("b"))).parameters["scope"] == "a b"


@pytest.mark.parametrize(
    ("ago", "passes"), [(0, True), (300, True), (330, True), (331, False), (86400, False), (None, False), (-31, True)]
)
def test_a_login_that_is_too_old_is_asked_for_again(
    mint: TokenMaker, api: Guard, ago: int | None, passes: bool
) -> None:
    """[RS-9470-01]."""
    token = mint.saying({"auth_time": None if ago is None else SECONDS - ago})
    found = api.check(call(token), require("read:orders", max_age=timedelta(minutes=5)))
    if passes:
        assert isinstance(found, Principal)
    else:
        assert error_of(found) == (401, "insufficient_user_authentication")
        challenge = challenge_of(found)
        assert challenge.parameters["max_age"] == "300"
        assert "acr_values" not in challenge.parameters


@pytest.mark.parametrize(
    ("acr", "passes"), [("mfa", True), ("phr", True), ("pwd", False), (None, False), ("MFA", False)]
)
def test_a_login_that_is_too_weak_is_asked_for_again(
    mint: TokenMaker, api: Guard, acr: str | None, passes: bool
) -> None:
    """[RS-9470-01]."""
    found = api.check(call(mint.saying({"acr": acr, "auth_time": SECONDS})), require(acr=["mfa", "phr"]))
    if passes:
        assert isinstance(found, Principal)
    else:
        assert error_of(found) == (401, "insufficient_user_authentication")
        assert challenge_of(found).parameters["acr_values"] == "mfa phr"


def test_a_step_up_names_all_that_is_asked_for(mint: TokenMaker, api: Guard) -> None:
    """[RS-9470-01]."""
    need = require(acr="mfa", max_age=timedelta(0))
    found = api.check(call(mint.saying({"acr": "mfa", "auth_time": SECONDS - 60})), need)
    told = challenge_of(found).parameters
    assert (told["acr_values"], told["max_age"]) == ("mfa", "0")
    assert error_of(api.check(call(mint.saying({"scope": None})), require("a", acr="mfa"))) == (
        403,
        "insufficient_scope",
    )


@pytest.mark.parametrize("names", [("",), ("a b",), ("a", "")])
def test_a_need_that_could_never_be_met_is_refused(names: Iterable[str]) -> None:
    with pytest.raises(Misuse):
        require(*names)
    with pytest.raises(Misuse):
        require(any_of=names)
    with pytest.raises(Misuse):
        require(max_age=timedelta(seconds=-1))


@pytest.mark.parametrize(
    ("changed", "is_machine"),
    [
        ({}, False),
        ({"sub": "program"}, True),
        ({"sub": "program@clients"}, True),
        ({"sub": "pat", "azp": "pat"}, True),
        ({"sub": "pat", "gty": "client-credentials"}, True),
        ({"sub": "pat", "gty": "password"}, False),
    ],
)
def test_a_program_named_like_a_person_gets_no_persons_rights(
    mint: TokenMaker, api: Guard, changed: dict[str, object], is_machine: bool
) -> None:
    """[RS-ASVS-01]."""
    found = api.check(call(mint.saying(changed)))
    assert isinstance(found, Principal)
    assert found.is_machine is is_machine
    assert found.issuer == ISSUER
