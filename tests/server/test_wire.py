"""Both dialects, row by row, as a program sees them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.jose.tokens import take_apart
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.grants import DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.http import JSON, Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Application, ready_config
from keyfob.server.settings.config import Wire
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

NO_DEVICE = Application("no-device", "No device", grants=())


def scene_of(wire: Wire) -> Scene:
    ready = ready_config(ISSUER, wire)
    return Scene(replace(ready, applications=(*ready.applications, NO_DEVICE)))


@pytest.fixture(params=["auth0", "rfc"])
def both(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def begin(scene: Scene, **more: str) -> Fields:
    response = scene.post("oauth/device/code", client_id=READY_CLIENT_ID, **{"scope": "openid offline_access", **more})
    assert response.status == 200
    return read_json(response.body, "answer")


def poll(scene: Scene, code: str, client_id: str = READY_CLIENT_ID) -> Response:
    return scene.post("oauth/token", grant_type=DEVICE_CODE, device_code=code, client_id=client_id)


def decide(scene: Scene, user_code: str, button: str = "confirm") -> Person:
    person = scene.person()
    person.open(f"{ISSUER}activate?user_code={user_code}")
    person.press(button)
    if button == "confirm":
        person.press("login", email=EMAIL, password=PASSWORD)
    return person


def told(response: Response) -> tuple[int, str]:
    return response.status, json.loads(response.body)["error"]


POLLS = {
    "pending": {"auth0": (403, "authorization_pending"), "rfc": (400, "authorization_pending")},
    "early": {"auth0": (429, "slow_down"), "rfc": (400, "slow_down")},
    "denied": {"auth0": (403, "access_denied"), "rfc": (400, "access_denied")},
    "lapsed": {"auth0": (403, "expired_token"), "rfc": (400, "expired_token")},
    "lapsed before": {"auth0": (403, "invalid_grant"), "rfc": (400, "expired_token")},
    "redeemed": {"auth0": (403, "invalid_grant"), "rfc": (400, "invalid_grant")},
    "unknown": {"auth0": (403, "invalid_grant"), "rfc": (400, "invalid_grant")},
}


@pytest.mark.parametrize("state", POLLS)
def test_a_poll_is_answered_as_its_dialect_has_it(both: Scene, state: str) -> None:
    """[AS-8628-02] [AS-6749-06]."""
    answer = begin(both)
    code = answer.text("device_code")
    if state == "early":
        poll(both, code)
    elif state == "denied":
        decide(both, answer.text("user_code"), "decline")
    elif state.startswith("lapsed"):
        both.time.go(timedelta(minutes=15))
        if state == "lapsed before":
            poll(both, code)
    elif state == "redeemed":
        decide(both, answer.text("user_code"))
        assert poll(both, code).status == 200
    elif state == "unknown":
        code = "never given"
    response = poll(both, code)
    assert told(response) == POLLS[state][both.config.wire]
    assert response.header("cache-control") == "no-store"


def test_when_a_login_ends_is_told_by_our_own_dialect_alone(both: Scene) -> None:
    answer = begin(both)
    decide(both, answer.text("user_code"))
    first = read_json(poll(both, answer.text("device_code")).body, "answer")
    lives = [first.optional_text("refresh_token") is not None and first.values.get("refresh_expires_in")]
    token = first.text("refresh_token")
    # 25 days on the next token lives 30 days again, but for those of the last year: the login itself ends then.
    for _ in range(14):
        both.time.go(timedelta(days=25))
        response = both.post("oauth/token", grant_type=REFRESH_TOKEN, refresh_token=token, client_id=READY_CLIENT_ID)
        again = read_json(response.body, "answer")
        token = again.text("refresh_token")
        lives.append(again.values.get("refresh_expires_in"))

    day = 24 * 60 * 60
    expected = [30 * day] * 14 + [15 * day]
    assert [life and round(life, -2) for life in lives] == (expected if both.config.wire == "rfc" else [None] * 15)
    # [FC-31] the draft's names: until it has to be used, and until it ends in any case
    drafts = [again.values.get(name) for name in ("refresh_token_timeout", "authorization_expires_in")]
    assert [life and round(life, -2) for life in drafts] == (
        [15 * day] * 2 if both.config.wire == "rfc" else [None] * 2
    )
    metadata = both.send(Request("GET", f"{ISSUER}.well-known/openid-configuration"))
    assert (b"refresh_token_expiration_types_supported" in metadata.body) is (both.config.wire == "rfc")


def test_auth0s_texts_are_auth0s() -> None:
    scene = scene_of("auth0")
    code = begin(scene).text("device_code")
    assert json.loads(poll(scene, code).body)["error_description"] == "User has yet to authorize device code."
    early = json.loads(poll(scene, code).body)["error_description"]
    assert early == "You are polling faster than the specified interval of 5 seconds."


def test_a_device_answer_has_what_the_standard_and_auth0_say(both: Scene) -> None:
    """[AS-8628-01] [AS-8628-09] [AS-8628-10]."""
    answer = begin(both)
    code = answer.text("user_code")
    assert len(code) == 9
    assert set(code.replace("-", "")) <= set("BCDFGHJKLMNPQRSTVWXZ")
    assert answer.text("verification_uri") == f"{ISSUER}activate"
    link = rf"{re.escape(ISSUER)}activate\?user_code={code}&proof=[A-Za-z0-9_-]{{16}}"
    assert re.fullmatch(link, answer.text("verification_uri_complete"))
    assert (answer.values["expires_in"], answer.values["interval"]) == (900, 5)
    assert len(answer.text("device_code")) >= 43


REFUSED = [
    ("oauth/device/code", {"client_id": "nobody"}, (403, "unauthorized_client"), (401, "invalid_client")),
    ("oauth/device/code", {"client_id": "no-device"}, (403, "unauthorized_client"), (401, "invalid_client")),
    (
        "oauth/device/code",
        {"client_id": READY_CLIENT_ID, "client_secret": "s"},
        (403, "unauthorized_client"),
        (401, "invalid_client"),
    ),
    (
        "oauth/device/code",
        {"client_id": READY_CLIENT_ID, "audience": "https://other.example/"},
        (403, "access_denied"),
        (400, "invalid_target"),
    ),
    ("oauth/device/code", {}, (400, "invalid_request"), (400, "invalid_request")),
    (
        "oauth/device/code",
        {"client_id": READY_CLIENT_ID, "scope": 'a"b'},
        (400, "invalid_scope"),
        (400, "invalid_scope"),
    ),
    ("oauth/token", {"client_id": READY_CLIENT_ID}, (400, "invalid_request"), (400, "invalid_request")),
    (
        "oauth/token",
        {"client_id": READY_CLIENT_ID, "grant_type": "magic"},
        (403, "unsupported_grant_type"),
        (400, "unsupported_grant_type"),
    ),
    (
        "oauth/token",
        {"client_id": "nobody", "grant_type": DEVICE_CODE, "device_code": "x"},
        (401, "access_denied"),
        (401, "invalid_client"),
    ),
    (
        "oauth/token",
        {"client_id": "no-device", "grant_type": DEVICE_CODE, "device_code": "x"},
        (403, "unauthorized_client"),
        (400, "unauthorized_client"),
    ),
    (
        "oauth/token",
        {"client_id": READY_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": "v1.Mx"},
        (403, "invalid_grant"),
        (400, "invalid_grant"),
    ),
    (
        "oauth/token",
        {"client_id": READY_CLIENT_ID, "grant_type": "refresh_token"},
        (400, "invalid_request"),
        (400, "invalid_request"),
    ),
    ("oauth/revoke", {"client_id": READY_CLIENT_ID}, (400, "invalid_request"), (400, "invalid_request")),
    ("oauth/revoke", {"client_id": "nobody", "token": "x"}, (401, "access_denied"), (401, "invalid_client")),
]


@pytest.mark.parametrize(("path", "parameters", "auth0", "rfc"), REFUSED)
def test_a_refusal_is_each_dialects_own(
    both: Scene, path: str, parameters: dict[str, str], auth0: tuple[int, str], rfc: tuple[int, str]
) -> None:
    """[AS-6749-09] [AS-6749-11] [AS-9700-03]."""
    assert told(both.post(path, **parameters)) == (auth0 if both.config.wire == "auth0" else rfc)


def test_a_missing_parameter_is_named_in_auth0s_words() -> None:
    body = json.loads(scene_of("auth0").post("oauth/token", client_id="x").body)
    assert body["error_description"] == "Missing required parameter: grant_type"


def test_json_with_nulls_is_as_good_as_a_form(both: Scene) -> None:
    """[AS-6749-03] [AS-6749-05]: unknown members are ignored, null and "" are absent."""
    members = {"client_id": READY_CLIENT_ID, "scope": None, "audience": "", "organization": None, "extra": "value"}
    request = Request(
        "POST",
        f"{ISSUER}oauth/device/code",
        (("content-type", JSON + "; charset=utf-8"),),
        json.dumps(members).encode(),
    )
    assert both.send(request).status == 200


@pytest.mark.parametrize("path", ["oauth/device/code", "oauth/token", "oauth/revoke"])
def test_a_repeated_parameter_is_refused(both: Scene, path: str) -> None:
    """[AS-6749-04]."""
    request = form_request(f"{ISSUER}{path}", {})
    twice = replace(request, body=b"client_id=keyfob-cli&scope=a&scope=b&token=a&grant_type=x")
    assert told(both.send(twice)) == (400, "invalid_request")


def test_parameters_in_the_query_are_not_looked_at(both: Scene) -> None:
    """[AS-6749-02]."""
    request = Request("POST", f"{ISSUER}oauth/device/code?client_id={READY_CLIENT_ID}")
    assert told(both.send(request)) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["oauth/device/code", "oauth/token", "oauth/revoke"])
def test_a_get_where_a_post_belongs_is_told_so(both: Scene, path: str) -> None:
    """[AS-6749-02]."""
    response = both.send(Request("GET", f"{ISSUER}{path}"))
    assert response.status == 405
    assert response.header("allow") == "POST"


def test_an_unknown_address_and_a_huge_body_are_answered_in_json(both: Scene) -> None:
    assert told(both.send(Request("GET", f"{ISSUER}nowhere"))) == (404, "not_found")
    huge = Request("POST", f"{ISSUER}oauth/token", (), b"x" * 70_000)
    assert both.send(huge).status == 413


def test_metadata_says_only_what_is_so(both: Scene) -> None:
    """[AS-8414-01] [AS-8414-02] [AS-9700-02]."""
    spoofed = (("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http"))
    openid = both.send(Request("GET", f"{ISSUER}.well-known/openid-configuration", spoofed))
    oauth = both.send(Request("GET", f"{ISSUER}.well-known/oauth-authorization-server"))
    assert openid.body == oauth.body
    document = json.loads(openid.body)
    assert document["issuer"] == ISSUER
    assert b"evil" not in openid.body
    assert {"read:orders", "openid"} <= set(document["scopes_supported"])
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            path = address.removeprefix(ISSUER)
            assert both.send(Request("GET", address)).status in {200, 303, 400, 401, 405}, path
    keys = json.loads(both.send(Request("GET", document["jwks_uri"])).body)["keys"]
    assert not {"d", "p", "q"} & keys[0].keys()


def tokens(scene: Scene, **more: str) -> Fields:
    answer = begin(scene, **more)
    decide(scene, answer.text("user_code"))
    return read_json(poll(scene, answer.text("device_code")).body, "tokens")


def test_an_access_token_has_auth0s_profile() -> None:
    scene = scene_of("auth0")
    found = tokens(scene, scope="openid email offline_access read:orders unknown")
    assert found.text("scope") == "email offline_access openid read:orders"
    unverified = take_apart(Secret(found.text("access_token")))
    claims = json.loads(unverified.payload)
    assert unverified.type == "JWT"
    assert claims["aud"] == [READY_AUDIENCE, f"{ISSUER}userinfo"]
    assert claims["azp"] == READY_CLIENT_ID
    assert claims["sub"].startswith("auth0|")
    assert claims["exp"] - claims["iat"] == 86400
    assert not {"jti", "client_id", "nbf", "gty"} & claims.keys()


def test_an_api_may_have_the_profile_of_rfc_9068() -> None:
    """[AS-9068-01]."""
    ready = ready_config(ISSUER)
    scene = Scene(replace(ready, apis=tuple(replace(api, profile="rfc9068") for api in ready.apis)))
    unverified = take_apart(Secret(tokens(scene, scope="read:orders").text("access_token")))
    claims = json.loads(unverified.payload)
    assert unverified.type == "at+jwt"
    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "scope", "client_id", "jti", "auth_time", "sid"}
    assert claims["aud"] == READY_AUDIENCE


def test_an_id_token_and_a_refresh_token_come_only_when_asked_for(both: Scene) -> None:
    """[AS-OIDC-04]."""
    bare = tokens(both, scope="read:orders")
    assert bare.values.keys() == {"access_token", "expires_in", "scope", "token_type"}
    full = tokens(both, scope="openid profile offline_access")
    assert {"id_token", "refresh_token"} <= full.values.keys()
    claims = json.loads(take_apart(Secret(full.text("id_token"))).payload)
    assert claims["aud"] == READY_CLIENT_ID
    assert claims["updated_at"].endswith("Z")
    assert "email" not in claims


def test_a_code_belongs_to_the_program_that_asked(both: Scene) -> None:
    """[AS-8628-04]."""
    other = Application("other", "Other")
    scene = Scene(replace(both.config, applications=(*both.config.applications, other)))
    answer = begin(scene)
    decide(scene, answer.text("user_code"))
    code = answer.text("device_code")
    assert told(poll(scene, code, "other"))[1] == "invalid_grant"
    assert poll(scene, code).status == 200


def test_early_polls_slow_a_program_down_but_never_for_ever(both: Scene) -> None:
    """[AS-8628-03]."""
    answer = begin(both)
    code = answer.text("device_code")
    assert told(poll(both, code))[1] == "authorization_pending"
    both.time.go(timedelta(seconds=1))
    assert told(poll(both, code))[1] == "slow_down"
    both.time.go(timedelta(seconds=7))
    assert told(poll(both, code))[1] == "authorization_pending", "eight seconds are ten, less a fifth"
    for _ in range(20):
        both.time.go(timedelta(seconds=10))
        assert told(poll(both, code))[1] == "authorization_pending"
    decide(both, answer.text("user_code"))
    assert poll(both, code).status == 200, "what is decided is told at once"


def test_userinfo_says_who_it_is_now(both: Scene) -> None:
    """[AS-OIDC-06]."""
    token = tokens(both, scope="openid email").text("access_token")
    response = both.send(Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {token}"),)))
    assert json.loads(response.body).keys() == {"sub", "email", "email_verified"}
    bare = tokens(both, scope="read:orders").text("access_token")
    refused = both.send(Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {bare}"),)))
    assert (refused.status, refused.body) == (200, b"{}") if both.config.wire == "auth0" else refused.status == 403
    for header in ((), (("authorization", "Bearer rubbish"),), (("authorization", f"Basic {token}"),)):
        denied = both.send(Request("POST", f"{ISSUER}userinfo", header))
        assert denied.status == 401
        assert denied.header("www-authenticate")


def test_an_id_token_is_no_access_token(both: Scene) -> None:
    """[C-ASVS-02]."""
    token = tokens(both, scope="openid").text("id_token")
    response = both.send(Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {token}"),)))
    assert response.status == 401


def refresh(scene: Scene, token: str, **more: str) -> Response:
    return scene.post("oauth/token", grant_type="refresh_token", refresh_token=token, client_id=READY_CLIENT_ID, **more)


def test_a_narrower_refresh_narrows_that_token_only(both: Scene) -> None:
    """[AS-6749-35]."""
    first = tokens(both, scope="openid offline_access read:orders").text("refresh_token")
    narrow = read_json(refresh(both, first, scope="read:orders").body, "x")
    assert narrow.text("scope") == "read:orders"
    full = read_json(refresh(both, narrow.text("refresh_token")).body, "x")
    assert full.text("scope") == "offline_access openid read:orders"
    assert told(refresh(both, full.text("refresh_token"), scope="write:orders"))[1] == "invalid_scope"


@pytest.mark.parametrize(("wait", "alive"), [(timedelta(days=29), True), (timedelta(days=30), False)])
def test_an_idle_login_ends(both: Scene, wait: timedelta, *, alive: bool) -> None:
    """[AS-9700-14]."""
    token = tokens(both).text("refresh_token")
    both.time.go(wait)
    assert (refresh(both, token).status == 200) is alive


def test_a_login_ends_after_a_year_however_busy(both: Scene) -> None:
    """[AS-9700-14]."""
    token = tokens(both).text("refresh_token")
    for _ in range(18):
        both.time.go(timedelta(days=20))
        token = read_json(refresh(both, token).body, "x").text("refresh_token")
    both.time.go(timedelta(days=6))
    assert told(refresh(both, token))[1] == "invalid_grant"


def test_revoking_anothers_or_an_unknown_token_tells_nothing(both: Scene) -> None:
    """[AS-7009-02] [AS-7009-01]."""
    other = Application("other", "Other")
    scene = Scene(replace(both.config, applications=(*both.config.applications, other)))
    token = tokens(scene).text("refresh_token")
    body = b"" if scene.config.wire == "auth0" else b"{}"
    for attempt in ({"client_id": "other", "token": token}, {"client_id": READY_CLIENT_ID, "token": "x"}):
        response = scene.post("oauth/revoke", **attempt, token_type_hint="nonsense")
        assert (response.status, response.body) == (200, body)
    alive = refresh(scene, token)
    assert alive.status == 200
    token = read_json(alive.body, "x").text("refresh_token")
    assert (
        scene.post("oauth/revoke", client_id=READY_CLIENT_ID, token=token, token_type_hint="access_token").status == 200
    )
    assert told(refresh(scene, token))[1] == "invalid_grant"


def test_a_made_up_token_does_not_end_a_login(both: Scene) -> None:
    token = tokens(both).text("refresh_token")
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    assert told(refresh(both, forged))[1] == "invalid_grant"
    assert refresh(both, token).status == 200


@pytest.mark.parametrize(
    ("header", "passes"),
    [
        ("Basic a2V5Zm9iLWNsaTo=", True),
        ("Basic a2V5Zm9iLWNsaTpzZWNyZXQ=", False),
        ("Basic %%%", False),
        ("basic eA==", False),
    ],
)
def test_a_public_program_must_not_authenticate_but_an_empty_secret_is_none(
    both: Scene, header: str, *, passes: bool
) -> None:
    """[AS-6749-15]: malformed base64 is refused, never a stumble."""
    request = form_request(f"{ISSUER}oauth/device/code", {"client_id": READY_CLIENT_ID})
    response = both.send(replace(request, headers=(*request.headers, ("authorization", header))))
    assert response.status == (200 if passes else 403 if both.config.wire == "auth0" else 401)
