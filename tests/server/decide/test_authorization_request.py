"""An authorization request: what each flaw is answered with, and what the user must do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.server.decide.authorization_checks import PUSH
from keyfob.server.decide.authorization_facts import (
    LONGEST_NONCE,
    LONGEST_STATE,
    AcceptedRequest,
    LoginState,
    PushFacts,
    is_registered,
)
from keyfob.server.decide.authorization_request import CallbackError, PageError, check_request, next_step
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.records import Consent
from keyfob.server.settings.config import TenantConfig, Wire
from keyfob.server.wire import TABLE
from keyfob.testing.example_tenant import CALLBACK, NATIVE, ORDERS, WEB, WEB_CALLBACK, example_config
from keyfob.testing.fake_time import NOON

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
NATIVE_REQUEST: dict[str, object] = {
    "client_id": "native", "redirect_uri": CALLBACK, "response_type": "code", "audience": ORDERS, "scope": "openid",
    "code_challenge": CHALLENGE, "code_challenge_method": "S256", "state": "s",
}  # fmt: skip
WEB_REQUEST: dict[str, object] = {
    "client_id": "web", "redirect_uri": WEB_CALLBACK, "response_type": "code", "audience": ORDERS, "scope": "openid",
}  # fmt: skip
INSTANT = timedelta(microseconds=1)


def config_of(wire: Wire = "rfc", **changed: object) -> TenantConfig:
    """Return the example tenant with changed settings of its web client."""
    config = example_config("https://login.example/", wire)
    applications = (replace(one, **changed) if one.client_id == "web" else one for one in config.applications)  # type: ignore[arg-type]
    return replace(config, applications=tuple(applications))


def checked(
    asked: dict[str, object], config: TenantConfig, *, is_pushed: bool = True
) -> AcceptedRequest | PageError | CallbackError:
    return check_request(config, Fields(asked, "request"), is_pushed=is_pushed)


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
@pytest.mark.parametrize(
    "asked",
    [
        NATIVE_REQUEST,
        WEB_REQUEST,
        {**NATIVE_REQUEST, "state": "s" * LONGEST_STATE, "nonce": "n" * LONGEST_NONCE},
        {**NATIVE_REQUEST, "response_mode": "form_post"},
        {**NATIVE_REQUEST, "response_mode": "query"},
        {**NATIVE_REQUEST, "connection": NATIVE.connections[0]},
    ],
)
def test_a_request_without_a_flaw_is_accepted(asked: dict[str, object], wire: Wire) -> None:
    found = checked(asked, config_of(wire))
    assert isinstance(found, AcceptedRequest)
    assert found.access.api.audience == ORDERS


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"scope": '"'}, "invalid_scope", "The scope holds a character"),
        ({"audience": 7}, "invalid_target", "Only one API can be named"),
        ({"audience": "", "resource": ["a", "b"]}, "invalid_target", "Only one API can be named"),
        ({"max_age": "soon"}, "invalid_request", "max_age is not a number of seconds"),
        ({"response_type": "token"}, "unsupported_response_type", "Only response_type=code"),
        ({"request": "x"}, "request_not_supported", "Request objects"),
        ({"request_uri": "x"}, "request_uri_not_supported", "Only pushed requests"),
        ({"registration": "x"}, "registration_not_supported", "Registration in a request"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode is query or form_post"),
        ({"organization": "x"}, "invalid_request", "This tenant has no organizations"),
        ({"state": "s" * (LONGEST_STATE + 1)}, "invalid_request", "The state is too long"),
        ({"nonce": "n" * (LONGEST_NONCE + 1)}, "invalid_request", "The nonce is too long"),
        ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request", "A code_challenge is needed"),
        ({"code_challenge_method": "plain"}, "invalid_request", "code_challenge_method is S256"),
        ({"code_challenge": "short"}, "invalid_request", "code_challenge_method is S256"),
        ({"connection": "staff"}, "invalid_request", "The connection is not enabled"),
        ({"audience": "https://other.example/"}, "invalid_target", ""),
        ({"audience": "", "resource": f"{ORDERS}#part"}, "invalid_target", ""),
    ],
)
def test_each_flaw_of_a_request_has_its_error(changed: dict[str, object], error: str, says: str) -> None:
    asked = {name: value for name, value in {**NATIVE_REQUEST, **changed}.items() if value != ""}
    found = checked(asked, config_of())
    assert isinstance(found, CallbackError)
    assert (found.redirect_uri, found.error) == (CALLBACK, error)
    assert says in found.description


def test_a_second_api_is_a_malformed_request_where_auth0_knows_no_error_for_it() -> None:
    found = checked({**NATIVE_REQUEST, "audience": 7}, config_of("auth0"))
    assert isinstance(found, CallbackError)
    assert (found.error, found.description) == ("invalid_request", "audience is not a string")


@pytest.mark.parametrize(
    "changed", [{"client_id": "another"}, {"client_id": 7}, {"redirect_uri": None}, {"redirect_uri": CALLBACK + "x"}]
)
def test_no_error_goes_to_an_address_that_is_not_the_clients(changed: dict[str, object]) -> None:
    """RFC 6749 §4.1.2.1."""
    asked = {name: value for name, value in {**NATIVE_REQUEST, **changed}.items() if value is not None}
    assert isinstance(checked(asked, config_of()), PageError)


def test_a_client_that_must_push_or_may_not_use_the_grant_is_told_so() -> None:
    pushes = config_of(requires_par=True)
    assert isinstance(checked(WEB_REQUEST, pushes), AcceptedRequest)
    found = checked(WEB_REQUEST, pushes, is_pushed=False)
    assert isinstance(found, CallbackError)
    assert "push" in found.description
    assert isinstance(checked(WEB_REQUEST, config_of(), is_pushed=False), AcceptedRequest)

    found = checked(WEB_REQUEST, config_of(grants=("refresh_token",)))
    assert isinstance(found, CallbackError)
    assert found.error == "unauthorized_client"


def test_a_client_with_a_secret_may_leave_out_the_challenge_but_not_half_of_it() -> None:
    half = checked({**WEB_REQUEST, "code_challenge_method": "S256"}, config_of())
    assert isinstance(half, CallbackError)
    assert "A code_challenge is needed" in half.description


@pytest.mark.parametrize(
    ("key", "named", "row"),
    [("key", "key", None), ("key", "another", "proof_key"), (None, "another", None), ("key", None, None)],
)
def test_a_pushed_request_names_the_key_of_its_proof_or_none(key: str | None, named: str | None, row: str) -> None:
    """RFC 9449 §10.1."""
    fields = Fields({} if named is None else {"dpop_jkt": named}, "request")
    failed = first_failed_check(PUSH, PushFacts(fields, key))
    assert (None if failed is None else failed.row) == row


@pytest.mark.parametrize(
    ("asked", "any_port", "found"),
    [
        (CALLBACK, False, True),
        ("http://127.0.0.1:1/callback", False, False),
        ("http://127.0.0.1:1/callback", True, True),
        ("http://127.0.0.1:65535/callback", True, True),
        ("http://127.0.0.1:65536/callback", True, False),
        ("http://127.0.0.1/callback", True, True),
        ("http://127.0.0.1:1/other", True, False),
        ("http://localhost:1/callback", True, False),
        ("https://127.0.0.1:1/callback", True, False),
        ("http://192.0.2.1:1/callback", True, False),
    ],
)
def test_only_the_port_of_a_loopback_address_may_differ(asked: str, *, any_port: bool, found: bool) -> None:
    """RFC 8252 §7.3."""
    assert is_registered(asked, NATIVE, any_port=any_port) is found


@pytest.mark.parametrize(
    ("wire", "kind", "is_switched_on", "is_accepted"),
    [
        ("rfc", "native", False, True),
        ("rfc", "web", False, False),
        ("rfc", "web", True, True),
        ("auth0", "native", False, False),
        ("auth0", "native", True, True),
    ],
)
def test_any_port_is_for_native_clients_or_those_that_ask_for_it(
    wire: Wire, kind: str, *, is_switched_on: bool, is_accepted: bool
) -> None:
    methods = ("none",) if kind == "native" else WEB.auth_methods
    config = config_of(
        wire, kind=kind, callbacks=(CALLBACK,), any_loopback_port=is_switched_on, auth_methods=methods,
        grants=NATIVE.grants, secrets=() if kind == "native" else WEB.secrets,
    )  # fmt: skip
    challenged = {**WEB_REQUEST, "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    found = checked({**challenged, "redirect_uri": "http://127.0.0.1:1/callback"}, config)
    assert isinstance(found, AcceptedRequest) is is_accepted


def accepted(scope: str = "openid", **more: object) -> AcceptedRequest:
    found = checked({**WEB_REQUEST, "scope": scope, **more}, config_of())
    assert isinstance(found, AcceptedRequest)
    return found


def consent(*names: str) -> Consent:
    return Consent("auth0|1", "web", ORDERS, Scope.of(names), NOON)


LOGGED_IN = LoginState("auth0|1", NOON, consent("openid", "read:orders"))


def test_an_api_that_is_closed_to_the_clients_users_is_not_named_in_a_code() -> None:
    config = config_of()
    apis = tuple(replace(api, users="deny_all") for api in config.apis)
    found = checked(WEB_REQUEST, replace(config, apis=apis))
    assert isinstance(found, CallbackError)
    assert found.error == TABLE["api_closed"][1][1]


def test_a_public_client_asks_for_consent_each_time() -> None:
    asked = accepted("openid read:orders")
    public = replace(asked, application=replace(WEB, auth_methods=("none",), secrets=(), requires_par=False))
    assert next_step(asked, LOGGED_IN, NOON) == "issue"
    assert next_step(public, LOGGED_IN, NOON) == "consent"


def test_a_login_is_as_old_as_the_request_allows_and_no_older() -> None:
    asked = accepted(max_age="60")
    minute = timedelta(minutes=1)
    assert next_step(asked, LOGGED_IN, NOON + minute) == "issue"
    assert next_step(asked, LOGGED_IN, NOON + minute + INSTANT) == "login"
    assert next_step(asked, LOGGED_IN, NOON + minute + INSTANT, just_logged_in=True) == "issue"


@pytest.mark.parametrize(
    ("state", "prompt", "step"),
    [
        (LOGGED_IN, "", "issue"),
        (LoginState(), "", "login"),
        (replace(LOGGED_IN, user_id=None), "", "login"),
        (replace(LOGGED_IN, auth_time=None), "", "login"),
        (replace(LOGGED_IN, consent=None), "", "consent"),
        (replace(LOGGED_IN, consent=consent("openid")), "", "consent"),
        (LOGGED_IN, "login", "login"),
        (LOGGED_IN, "select_account", "login"),
        (LOGGED_IN, "consent", "consent"),
        (LOGGED_IN, "none", "issue"),
        (LoginState(), "none", "login_required"),
        (replace(LOGGED_IN, consent=None), "none", "consent_required"),
    ],
)
def test_the_user_does_what_is_missing_or_the_client_is_told(state: LoginState, prompt: str, step: str) -> None:
    """OpenID Connect Core §3.1.2.3, §3.1.2.4."""
    asked = accepted("openid read:orders", **({"prompt": prompt} if prompt else {}))
    assert next_step(asked, state, NOON) == step


@pytest.mark.parametrize(
    ("scope", "skips", "is_first_party", "step"),
    [
        ("openid", False, True, "issue"),
        ("openid read:orders", False, True, "consent"),
        ("openid offline_access", False, True, "consent"),
        ("openid read:orders", True, True, "issue"),
        ("openid read:orders", True, False, "consent"),
        ("openid", False, False, "consent"),
    ],
)
def test_a_client_of_the_tenants_own_needs_consent_only_for_an_api_that_wants_it(
    scope: str, *, skips: bool, is_first_party: bool, step: str
) -> None:
    asked = accepted(scope)
    asked = replace(
        asked,
        application=replace(WEB, is_first_party=is_first_party),
        access=replace(asked.access, api=replace(asked.access.api, skips_consent=skips)),
    )
    assert next_step(asked, replace(LOGGED_IN, consent=None), NOON) == step


def test_a_code_for_an_address_that_any_app_could_claim_needs_a_click() -> None:
    """RFC 8252 §8.6."""
    found = checked(NATIVE_REQUEST, config_of())
    assert isinstance(found, AcceptedRequest)
    owned = replace(found, application=replace(WEB, is_first_party=True))
    state = replace(LOGGED_IN, consent=consent("openid"))
    assert next_step(owned, state, NOON) == "consent"
    assert next_step(owned, state, NOON, just_logged_in=True) == "issue"
