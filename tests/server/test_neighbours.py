"""Introspection, logout, headers, CORS, sealed tokens, refresh at Auth0's finer points (auth0-wire A0, A5, A9, B)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from keyfob.protocol.http import Headers, Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import RefreshPolicy
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import ORDERS, SECRET, WEB_CALLBACK
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, Scene
from tests.server.endpoints.oauth.test_password import change
from tests.server.wires import (
    address_of,
    approve,
    as_machine,
    basic,
    body_of,
    claims_of,
    code_of,
    device_codes,
    landed,
    log_in,
    person_of,
    poll,
    redeem,
    scene_of,
    token,
    told,
    with_password,
)


@pytest.fixture(params=["auth0", "rfc"])
def both(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def get(scene: Scene, path: str, headers: Headers = (), method: str = "GET") -> Response:
    return scene.send(Request(method, f"{ISSUER}{path}", headers))


def introspect(scene: Scene, shown: object, headers: Headers | None = None, **more: str) -> Response:
    own = basic("web") if headers is None else headers
    return scene.send(form_request(f"{ISSUER}oauth/introspect", {"token": str(shown), **more}, headers=own))


def test_introspection_is_off_at_auth0_and_not_advertised() -> None:
    scene = scene_of()
    assert told(introspect(scene, "x"))[:2] == (404, "endpoint_disabled")
    assert "introspection_endpoint" not in body_of(get(scene, ".well-known/openid-configuration"))
    switched = scene_of(introspection=True)
    assert body_of(introspect(switched, "x")) == {"active": False}


def web_tokens(scene: Scene, **more: str) -> dict[str, object]:
    own = {
        "client_id": "web",
        "redirect_uri": "https://shop.example/other",
        "scope": "openid offline_access read:orders",
    }
    code = code_of(scene, **{**own, "audience": ORDERS, **more})
    return body_of(redeem(scene, code, basic("web"), client_id="", redirect_uri=own["redirect_uri"]))


def test_a_living_token_is_described_to_whom_it_concerns() -> None:
    """[AS-7662-03] [AS-7662-04]: whatever the hint says."""
    scene = scene_of("rfc")
    members = web_tokens(scene)
    for hint in ("", "refresh_token", "access_token", "nonsense"):
        found = body_of(introspect(scene, members["access_token"], token_type_hint=hint))
        assert found["active"] is True
        assert found["username"] == EMAIL
        assert isinstance(found["exp"], int)
        assert found["scope"] == "offline_access openid read:orders"
        assert found["client_id"] == "web"
    assert body_of(introspect(scene, members["refresh_token"]))["active"] is True
    assert introspect(scene, "x").header("cache-control") == "no-store"


def test_a_dead_token_is_told_with_one_word_and_no_more() -> None:
    """[AS-7662-02] [AS-7009-01] [AS-7009-03]."""
    scene = scene_of("rfc")
    members = web_tokens(scene)
    machine = as_machine(scene, audience=ORDERS)
    others = introspect(scene, members["refresh_token"], (), client_id="machine", client_secret=SECRET.reveal())
    dead = {"active": False}
    assert body_of(others) == dead
    assert body_of(introspect(scene, "rubbish")) == dead
    assert body_of(introspect(scene, members["id_token"])) == dead
    revoke = {"token": str(members["refresh_token"]), "token_type_hint": "access_token"}
    assert scene.post("oauth/revoke", client_id="web", client_secret="x", **revoke).status == 401
    ended = form_request(f"{ISSUER}oauth/revoke", revoke, headers=basic("web"))
    assert scene.send(ended).status == 200
    assert body_of(introspect(scene, members["refresh_token"])) == dead
    change(scene, is_blocked=True)
    assert body_of(introspect(scene, members["access_token"])) == dead
    scene.time.go(timedelta(days=1))
    assert body_of(introspect(scene, body_of(machine)["access_token"])) == dead


def test_introspection_answers_no_stranger() -> None:
    """[AS-7662-01]."""
    scene = scene_of("rfc")
    assert introspect(scene, "x", ()).status in {400, 401}
    assert introspect(scene, "x", (), client_id="native").status == 401
    assert introspect(scene, "x", basic("web", Secret("wrong" * 10))).status == 401
    foreign = scene_of("rfc", grants=())
    shown = body_of(with_password(foreign, audience=ORDERS))["access_token"]
    assert body_of(introspect(foreign, shown)) == {"active": False}, "no API of the caller's"


def test_a_token_without_an_audience_opens_userinfo_and_only_as_it_is(both: Scene) -> None:
    sealed = str(body_of(with_password(both))["access_token"])
    bearer = (("authorization", f"Bearer {sealed}"),)
    assert body_of(get(both, "userinfo", bearer))["email"] == EMAIL
    parts = sealed.split(".")
    for at in (0, 2, 3, 4):
        spoiled = [*parts[:at], parts[at][:-2] + ("AA" if parts[at][-2:] != "AA" else "BB"), *parts[at + 1 :]]
        assert get(both, "userinfo", (("authorization", f"Bearer {'.'.join(spoiled)}"),)).status == 401
    both.time.go(timedelta(days=1))
    assert get(both, "userinfo", bearer).status == 401


def test_a_token_for_an_api_alone_says_nothing_of_the_person(both: Scene) -> None:
    """[AS-OIDC-06]."""
    shown = body_of(with_password(both, audience=ORDERS, scope="read:orders"))["access_token"]
    response = get(both, "userinfo", (("authorization", f"Bearer {shown}"),))
    assert (response.status, response.body) == (200, b"{}") if both.config.wire == "auth0" else response.status == 403
    machine = body_of(as_machine(both, audience=ORDERS))["access_token"]
    assert get(both, "userinfo", (("authorization", f"Bearer {machine}"),)).body in {b"{}", response.body}


def refreshed(scene: Scene, shown: object, **more: str) -> Response:
    return token(scene, grant_type="refresh_token", client_id="native", refresh_token=str(shown), **more)


def first_login(scene: Scene) -> str:
    codes = device_codes(scene, scope="openid offline_access read:orders", audience=ORDERS)
    approve(scene, codes)
    return str(body_of(poll(scene, codes["device_code"]))["refresh_token"])


def with_policy(scene: Scene, policy: RefreshPolicy) -> Scene:
    changed = tuple(
        replace(one, refresh=policy) if one.client_id == "native" else one for one in scene.config.applications
    )
    return Scene(replace(scene.config, applications=changed))


def test_a_login_that_does_not_rotate_keeps_its_token(both: Scene) -> None:
    scene = with_policy(both, RefreshPolicy(rotates=False))
    kept = first_login(scene)
    for _ in range(3):
        members = body_of(refreshed(scene, kept))
        assert "refresh_token" not in members
        assert claims_of(members["access_token"])["gty"] == "refresh_token"
        assert members["scope"] == "offline_access openid read:orders"


def test_within_the_leeway_the_token_before_works_and_the_one_before_that_ends_it_all(both: Scene) -> None:
    """[AS-9700-13]."""
    scene = with_policy(both, RefreshPolicy(leeway=timedelta(seconds=60)))
    first = first_login(scene)
    second = str(body_of(refreshed(scene, first))["refresh_token"])
    assert body_of(refreshed(scene, first))["refresh_token"] == second
    third = str(body_of(refreshed(scene, second))["refresh_token"])
    assert told(refreshed(scene, first))[1] == "invalid_grant"
    assert told(refreshed(scene, third))[1] == "invalid_grant"
    assert "ferrt" in {event["type"] for event in scene.events}


def test_one_login_too_many_ends_the_oldest_and_is_noted() -> None:
    scene = scene_of(refresh_limit=3)
    logins = []
    for _ in range(4):
        logins.append(first_login(scene))
        scene.time.go(timedelta(seconds=1))
    assert [refreshed(scene, login).status for login in logins] == [403, 200, 200, 200]
    assert any("too many" in str(event.get("description")) for event in scene.events)


def test_an_id_token_on_refresh_is_of_the_same_person_and_login(both: Scene) -> None:
    """[AS-OIDC-02]."""
    codes = device_codes(both, scope="openid offline_access")
    approve(both, codes)
    first = body_of(poll(both, codes["device_code"]))
    both.time.go(timedelta(hours=1))
    before, after = (
        claims_of(first["id_token"]),
        claims_of(body_of(refreshed(both, first["refresh_token"]))["id_token"]),
    )
    for name in ("iss", "sub", "aud", "auth_time", "sid"):
        assert before[name] == after[name]
    assert "nonce" not in after
    assert after["iat"] != before["iat"]


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_person_who_is_gone_is_told_apart_by_auth0(wire: Wire) -> None:
    """[AS-6749-34]."""

    scene = scene_of(wire)
    login = first_login(scene)
    user = change(scene)
    scene.store._writer.execute("DELETE FROM person WHERE user_id = ?", (user.user_id,))
    text = "The refresh_token was generated for a user who doesn't exist anymore."
    assert told(refreshed(scene, login)) == (403, "invalid_grant", text) if wire == "auth0" else True
    assert told(refreshed(scene, login))[1] == "invalid_grant"


def test_a_persons_permissions_bound_every_refresh(both: Scene) -> None:
    ready = tuple(replace(api, enforces_permissions=True) for api in both.config.apis)
    scene = Scene(replace(both.config, apis=ready))
    change(scene, roles=("buyer",))
    login = first_login(scene)
    members = body_of(refreshed(scene, login))
    assert members["scope"] == "offline_access openid read:orders"
    change(scene, roles=())
    assert body_of(refreshed(scene, members["refresh_token"]))["scope"] == "offline_access openid"


def session_of(
    scene: Scene, client_id: str = "web", callback: str = "https://shop.example/other"
) -> tuple[Person, dict[str, object]]:
    person = person_of(scene)
    code = code_of(scene, person, client_id=client_id, redirect_uri=callback)
    return person, body_of(redeem(scene, code, basic("web"), client_id="", redirect_uri=callback))


def is_logged_in(scene: Scene, person: Person) -> bool:
    page = person.open(address_of(client_id="web", redirect_uri=WEB_CALLBACK, prompt="none"))
    return "code" in landed(page)


def test_auth0s_logout_leads_to_listed_addresses_only(both: Scene) -> None:
    """[AS-ASVS-10]."""
    person, _ = session_of(both)
    for query in ("returnTo=https://evil.example/", "client_id=web&returnTo=https://evil.example/", "client_id=x"):
        assert person.open(f"{ISSUER}v2/logout?{query}").status == 400
        assert is_logged_in(both, person)
    page = person.open(f"{ISSUER}v2/logout?client_id=web&returnTo=https://shop.example/bye?x=1%23y")
    assert (page.response.header("x-callback") or "").startswith("https://shop.example/bye")
    assert not is_logged_in(both, person)
    assert person_of(both).open(f"{ISSUER}v2/logout?client_id=web").response.header("x-callback")
    bare = get(both, "v2/logout")
    assert (bare.status, bare.body) == (200, b"OK")


def test_an_id_token_of_the_session_ends_it_without_a_question(both: Scene) -> None:
    """[AS-RPIL-01]."""
    person, members = session_of(both)
    both.time.go(timedelta(hours=11))
    goal = {"post_logout_redirect_uri": "https://shop.example/bye", "state": "s&1"}
    page = person.open(f"{ISSUER}oidc/logout?{urlencode({'id_token_hint': str(members['id_token']), **goal})}")
    assert page.response.header("x-callback") == "https://shop.example/bye?state=s%261"
    assert not is_logged_in(both, person)


@pytest.mark.parametrize(
    "asked",
    [
        {"post_logout_redirect_uri": "https://shop.example/bye"},
        {"post_logout_redirect_uri": "https://evil.example/", "client_id": "web"},
        {"post_logout_redirect_uri": "https://shop.example/bye", "client_id": "native"},
        {"id_token_hint": "rubbish"},
    ],
)
def test_a_logout_leads_nowhere_that_is_not_registered(both: Scene, asked: dict[str, str]) -> None:
    """[AS-RPIL-01]."""
    person, _ = session_of(both)
    page = person.open(f"{ISSUER}oidc/logout?{urlencode(asked)}")
    assert page.status == 400
    assert is_logged_in(both, person)


def test_an_id_token_and_a_program_that_disagree_are_refused(both: Scene) -> None:
    """[AS-RPIL-01]."""
    person, members = session_of(both)
    asked = {"id_token_hint": str(members["id_token"]), "client_id": "native"}
    assert person.open(f"{ISSUER}oidc/logout?{urlencode(asked)}").status == 400


def test_without_proof_the_person_is_asked_before_they_are_logged_out(both: Scene) -> None:
    """[AS-RPIL-02]."""
    person, _ = session_of(both)
    other, members = session_of(both)
    for query in ("", f"id_token_hint={members['id_token']}"):
        assert "Log out here?" in person.open(f"{ISSUER}oidc/logout?{query}").text
        assert "still logged in" in person.press("stay").text
    assert is_logged_in(both, person)
    asked = {"client_id": "web", "post_logout_redirect_uri": "https://shop.example/bye", "state": "s"}
    person.open(f"{ISSUER}oidc/logout?{urlencode(asked)}")
    assert person.press("logout").response.header("x-callback") == "https://shop.example/bye?state=s"
    assert not is_logged_in(both, person)
    assert is_logged_in(both, other)


def test_every_answer_has_a_name_and_says_how_many_are_left(both: Scene) -> None:
    name = "x-auth0-requestid" if both.config.wire == "auth0" else "x-request-id"
    first, second = get(both, "userinfo"), get(both, "userinfo")
    assert first.header(name) != second.header(name)
    for number in ("limit", "remaining", "reset"):
        assert (first.header(f"x-ratelimit-{number}") or "").isdigit()
    assert int(first.header("x-ratelimit-remaining") or 0) == int(second.header("x-ratelimit-remaining") or 0) + 1
    assert int(second.header("x-ratelimit-reset") or 0) >= both.time.now().timestamp()
    assert get(both, "nowhere").header(name)


def test_some_of_auth0s_endpoints_name_their_characters_and_some_do_not(both: Scene) -> None:
    plain, named = as_machine(both, audience=ORDERS), get(both, "userinfo")
    assert plain.header("content-type") == "application/json"
    expected = "application/json; charset=utf-8" if both.config.wire == "auth0" else "application/json"
    assert named.header("content-type") == expected


def test_one_address_is_told_to_slow_down_and_others_are_not() -> None:
    """[AS-6749-13]."""
    scene = scene_of(requests_per_minute=5)
    statuses = [get(scene, "userinfo").status for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    limited = get(scene, "userinfo")
    assert json.loads(limited.body)["error"] == "too_many_requests"
    assert (limited.header("retry-after") or "").isdigit()
    assert as_machine(scene, audience=ORDERS).status == 200, "each endpoint counts for itself"
    elsewhere = scene.send(Request("GET", f"{ISSUER}userinfo"), peer="198.51.100.1")
    assert elsewhere.status == 401
    scene.time.go(timedelta(seconds=12))
    assert get(scene, "userinfo").status == 401


def test_scripts_of_registered_pages_may_read_the_answers(both: Scene) -> None:
    shop, evil = (("origin", "https://shop.example"),), (("origin", "https://evil.example"),)
    for path in ("oauth/token", "userinfo", "oauth/device/code"):
        asked = get(both, path, (*shop, ("access-control-request-method", "POST")), "OPTIONS")
        assert asked.status == 204
        assert asked.header("access-control-allow-origin") == "https://shop.example"
        assert "dpop" in (asked.header("access-control-allow-headers") or "")
        assert get(both, path, shop).header("access-control-allow-origin") == "https://shop.example"
        assert get(both, path, evil).header("access-control-allow-origin") is None
        assert get(both, path, evil, "OPTIONS").status == 405
    listed = get(both, ".well-known/jwks.json", evil)
    assert listed.header("access-control-allow-origin") == "*"


def test_what_the_metadata_lists_works_and_what_works_is_listed(both: Scene) -> None:
    """[AS-IMPL-01] [AS-8414-02] [AS-9700-09] [AS-9700-12]."""
    listed = body_of(get(both, ".well-known/openid-configuration"))
    assert listed["response_types_supported"] == ["code"]
    assert listed["code_challenge_methods_supported"] == ["S256"]
    grants = listed["grant_types_supported"]
    assert isinstance(grants, list)
    assert {"authorization_code", "client_credentials", "refresh_token"} <= set(grants)
    assert ("password" in grants) is (both.config.wire == "auth0")
    for algorithms in (name for name in listed if name.endswith("alg_values_supported")):
        assert "none" not in listed[algorithms], algorithms  # type: ignore[operator]
    methods = {"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}
    assert set(listed["token_endpoint_auth_methods_supported"]) == methods  # type: ignore[call-overload]


def test_what_one_tenant_hides_is_not_hidden_by_the_next() -> None:
    ready = scene_of("rfc").config
    people = tuple(one for one in ready.applications if "client_credentials" not in one.grants)
    for applications in (people, ready.applications):
        listed = body_of(
            get(Scene(replace(ready, applications=applications, grants=())), ".well-known/openid-configuration")
        )
        has_machines = any("client_credentials" in one.grants for one in applications)
        assert ("client_credentials" in str(listed["grant_types_supported"])) is has_machines


def test_a_hostile_name_is_inert_on_every_page() -> None:
    """[AS-6749-20]."""
    ready = scene_of().config
    bad = tuple(replace(one, name='"><script>alert(1)</script>') for one in ready.applications)
    scene = Scene(replace(ready, applications=bad))
    person = person_of(scene)
    pages = [person.open(address_of(state='"><script>')), log_in(person), person.open(address_of())]
    for page in pages:
        assert b"<script>alert" not in page.response.body


def test_pages_carry_their_headers_whatever_happens(both: Scene) -> None:
    """[AS-6749-26] [AS-ASVS-11]."""
    person = person_of(both)
    pages = [person.open(address_of()), log_in(person), person.open(address_of())]
    pages += [person.open(f"{ISSUER}authorize"), person.open(f"{ISSUER}u/consent?state=x")]
    pages += [person.open(f"{ISSUER}oidc/logout"), person.open(f"{ISSUER}v2/logout?client_id=x")]
    for page in (one for one in pages if one.response.header("x-callback") is None):
        policy = page.response.header("content-security-policy") or ""
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert page.response.header("x-frame-options") == "DENY"
        assert page.response.header("cache-control") == "no-store"
