"""Issuers by a short name, and logins at issuers that are not as others, scripted as their documents say."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.client.model.notices import FlowRefused, ScopeNarrowed
from keyfob.client.model.presets import expand, habits_of
from keyfob.client.model.source import Source
from keyfob.errors import LoginDeclined, Malformed, Misuse, Refused, TimedOut
from keyfob.login import App
from keyfob.protocol.http import Request, Response, json_response
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld

GUID = "72f988bf-86f1-41af-91ab-2d7cd011db47"
AT_MICROSOFT = f"https://login.microsoftonline.com/{GUID}/v2.0"
DEVICE, TOKEN = "/login/device/code", "/login/oauth/access_token"
GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"


@pytest.mark.parametrize(
    ("said", "issuer"),
    [
        ("auth0:acme.eu", "https://acme.eu.auth0.com/"),
        ("auth0:acme", "https://acme.auth0.com/"),
        ("auth0:login.acme.example", "https://login.acme.example/"),
        ("auth0:ACME.eu", "https://acme.eu.auth0.com/"),
        ("google", "https://accounts.google.com"),
        (f"microsoft:{GUID}", AT_MICROSOFT),
        (f"microsoft:{GUID.upper()}", AT_MICROSOFT),
        ("microsoft:consumers", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
        ("github", "https://github.com/login/oauth"),
        ("github:git.acme.example", "https://git.acme.example/login/oauth"),
        ("okta:acme.okta.com", "https://acme.okta.com"),
        ("okta:acme.okta.com/default", "https://acme.okta.com/oauth2/default"),
        ("keycloak:https://sso.acme.example/staff", "https://sso.acme.example/realms/staff"),
        ("keycloak:https://sso.acme.example/auth/staff/", "https://sso.acme.example/auth/realms/staff"),
        ("keycloak:https://sso.acme.example/realms/staff", "https://sso.acme.example/realms/staff"),
        ("keycloak:http://127.0.0.1:8080/staff", "http://127.0.0.1:8080/realms/staff"),
    ],
)
def test_a_short_name_stands_for_an_issuer_letter_for_letter(said: str, issuer: str) -> None:
    """[C-8414-02]: with the slash that its metadata has, or without."""
    assert expand(said).issuer == issuer
    assert expand(issuer).issuer == issuer


@pytest.mark.parametrize(
    "said", ["https://login.example/", "http://127.0.0.1:8790/", "https://auth0:x@y/", "", "x", "gitlab:x", "//google"]
)
def test_what_is_no_short_name_stays_as_it_is(said: str) -> None:
    assert expand(said).issuer == said
    assert not expand(said).endpoints


@pytest.mark.parametrize(
    "said",
    [
        "auth0", "auth0:", "auth0:a b", "auth0:https://acme.eu.auth0.com", "auth0:acme/eu", "auth0:-x.", "google:x",
        "microsoft", "microsoft:common", "microsoft:organizations", "microsoft:acme.onmicrosoft.com", "okta", "okta:/x",
        "github:https://git.acme.example", "keycloak", "keycloak:sso.acme.example/staff", "keycloak:https://sso",
        "keycloak:https:///staff", "okta:a@b", "auth0:" + "a" * 300,
    ],
)  # fmt: skip
def test_a_short_name_that_lacks_something_says_what(said: str) -> None:
    with pytest.raises(Misuse) as raised:
        expand(said)
    assert raised.value.hint


def app_at(issuer: str, world: ScriptedWorld, **more: object) -> App:
    return App(issuer=issuer, client_id="cli", vault=MemoryVault(), world=world, **more)  # type: ignore[arg-type]


def said_by_github(**members: object) -> Response:
    return json_response(200, members)


def at_github(*polls: Response) -> ScriptedWorld:
    codes = said_by_github(
        device_code="d", user_code="WDJB-MJHT", verification_uri="https://github.com/login/device", expires_in=899,
        interval=5,
    )  # fmt: skip
    return ScriptedWorld({DEVICE: [codes], TOKEN: list(polls)})


def form_of(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


TOKENS = said_by_github(access_token="gho_1", token_type="bearer", scope="gist,repo")


def test_github_needs_no_metadata_and_no_openid() -> None:
    """Its device login: 200 with an error while the person thinks, and scopes with commas between."""
    world = at_github(said_by_github(error="authorization_pending"), TOKENS)
    stored = app_at("github", world, scopes=("repo", "gist")).log_in()
    assert [request.path for _, request in world.sent] == [DEVICE, TOKEN, TOKEN]
    assert form_of(world.requests(DEVICE)[0]) == {"client_id": "cli", "scope": "gist offline_access repo"}
    assert all(request.header("accept") == "application/json" for _, request in world.sent)
    assert stored.scope.names == {"repo", "gist"}
    assert not any(isinstance(notice, ScopeNarrowed) for notice in world.notices)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("access_denied", LoginDeclined),
        ("expired_token", TimedOut),
        ("incorrect_device_code", Refused),
        ("incorrect_client_credentials", Refused),
    ],
)
def test_an_error_that_comes_with_200_ends_a_device_login(code: str, kind: type[Exception]) -> None:
    """[C-8628-06]"""
    world = at_github(said_by_github(error=code, error_description="no", error_uri="https://x"))
    with pytest.raises(kind) as raised:
        app_at("github", world).log_in()
    assert getattr(raised.value, "oauth_code", code) == code
    assert len(world.requests(TOKEN)) == 1


def test_slow_down_that_comes_with_200_slows_down() -> None:
    """[C-8628-04]"""
    world = at_github(said_by_github(error="slow_down", interval=10), TOKENS)
    app_at("github", world).log_in()
    first, second = world.moments(TOKEN)
    assert second - first >= 10


def test_an_application_without_device_login_is_told_so() -> None:
    world = ScriptedWorld({DEVICE: [said_by_github(error="device_flow_disabled")]})
    with pytest.raises(Refused, match="device_flow_disabled"):
        app_at("github", world, flow="device").log_in()


def test_github_wants_a_secret_for_a_browser_and_takes_it_in_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-8252-01]: a public program logs in by code, and is never asked to bring a secret unless the issuer insists."""
    monkeypatch.setenv("SECRET", "word")
    without = at_github(TOKENS)
    with pytest.raises(Misuse, match="secret"):
        app_at("github", without, flow="browser").log_in()
    assert without.sent == []
    world = at_github(TOKENS)
    world.brings = {"code": "c"}
    app_at("github", world, flow="browser", credential=Source("secret", "env", "SECRET")).log_in()
    asked = form_of(world.requests(TOKEN)[0])
    assert (asked["client_id"], asked["client_secret"], asked["code"]) == ("cli", "word", "c")
    assert world.requests(TOKEN)[0].header("authorization") is None
    assert world.address.startswith("https://github.com/login/oauth/authorize?")
    assert "openid" not in world.address


def test_an_error_that_comes_with_200_ends_a_login_by_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "word")
    world = at_github(said_by_github(error="bad_verification_code", error_description="The code is incorrect."))
    world.brings = {"code": "c"}
    with pytest.raises(Refused, match="bad_verification_code"):
        app_at("github", world, flow="browser", credential=Source("secret", "env", "SECRET")).log_in()


def test_without_a_secret_a_login_at_github_is_by_code_whatever_is_here() -> None:
    world = at_github(TOKENS)
    app_at("github", world).log_in()
    assert world.requests(DEVICE)
    assert not any(isinstance(notice, FlowRefused) for notice in world.notices)


def at_google(answer: Response) -> ScriptedWorld:
    metadata = {
        "issuer": "https://accounts.google.com",
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
        "token_endpoint": GOOGLE_TOKEN,
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["plain", "S256"],
    }
    return ScriptedWorld({"/.well-known/openid-configuration": [json_response(200, metadata)], "/token": [answer]})


def test_google_is_asked_for_a_lasting_login_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses offline_access, and calls two scopes by another name."""
    monkeypatch.setenv("SECRET", "word")
    named = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile"
    world = at_google(json_response(200, {"access_token": "a", "token_type": "Bearer", "scope": named}))
    world.brings = {"code": "c"}
    stored = app_at("google", world, flow="browser", credential=Source("secret", "env", "SECRET")).log_in()
    asked = parse_qs(urlsplit(world.address).query)
    assert (asked["access_type"], asked["scope"]) == (["offline"], ["email openid profile"])
    assert stored.scope.names == {"openid", "email", "profile"}


@pytest.mark.parametrize("way", ["auto", "browser", "device", "paste"])
def test_google_wants_a_secret_and_that_is_said_before_anything_is_asked(way: str) -> None:
    world = at_google(Response(200))
    with pytest.raises(Misuse, match="secret"):
        app_at("google", world, flow=way).log_in()
    assert world.sent == []


@pytest.mark.parametrize("issuer", ["google", "github", f"microsoft:{GUID}"])
def test_an_issuer_without_audiences_is_told_none(issuer: str) -> None:
    with pytest.raises(Misuse, match="audience"):
        app_at(issuer, ScriptedWorld({}), audience="https://api.example")


def test_microsoft_takes_a_platforms_token_as_assertion_made_out_to_it() -> None:
    identity = Source("identity", "github", "")
    app = app_at(f"microsoft:{GUID}", ScriptedWorld({}), is_machine=True, identity=identity)
    assert app.profile.identity_as == "assertion"
    assert habits_of(AT_MICROSOFT).identity_audience == "api://AzureADTokenExchange"
    assert app_at("okta:x.okta.com", ScriptedWorld({}), is_machine=True, identity=identity).profile.identity_as == (
        "exchange"
    )


@pytest.mark.parametrize(
    ("issuer", "scopes"),
    [
        ("github", {"offline_access"}),
        ("google", {"openid", "profile", "email"}),
        (f"microsoft:{GUID}", {"openid", "profile", "email", "offline_access"}),
        ("https://login.example/", {"openid", "profile", "email", "offline_access"}),
    ],
)
def test_a_person_is_asked_for_what_the_issuer_knows(issuer: str, scopes: set[str]) -> None:
    assert app_at(issuer, ScriptedWorld({})).profile.added_scope.names == scopes


@pytest.mark.parametrize("named", ["{tenantid}", "other"])
def test_microsofts_metadata_must_name_the_tenant_that_was_meant(named: str) -> None:
    """[C-8414-02]: that of `common` names a pattern, and no issuer."""
    metadata: Mapping[str, object] = {
        "issuer": f"https://login.microsoftonline.com/{named}/v2.0",
        "token_endpoint": "x",
    }
    path = f"/{GUID}/v2.0/.well-known/openid-configuration"
    with pytest.raises(Malformed) as raised:
        app_at(f"microsoft:{GUID}", ScriptedWorld({path: [json_response(200, metadata)]})).log_in()
    assert raised.value.code == "wrong-issuer"
