"""The browser leg: auth0-wire A3, A2.6, A10; RFC 6749 §4.1, 7636, 8252, 9126, 9207 and OpenID Connect Core §3.1."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from keyfob.errors import Misuse
from keyfob.protocol.http import FORM, Request, Response
from keyfob.serve import Application
from keyfob.server.decide.authorization_facts import is_registered
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import CALLBACK, NATIVE, ORDERS, STOCK, WEB_CALLBACK
from keyfob.testing.pair import ask
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import (
    CHALLENGE,
    VERIFIER,
    address_of,
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
    stored,
    token,
    told,
)


@pytest.fixture(params=["auth0", "rfc"])
def both(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def visit(scene: Scene, **parameters: str) -> Response:
    return scene.send(Request("GET", address_of(**parameters)))


def sent_back(response: Response) -> dict[str, str]:
    """What stands in a redirect to the program."""
    assert response.status in {302, 303}, response.body
    query = urlsplit(response.header("location") or "").query
    return {name: values[0] for name, values in parse_qs(query).items()}


def test_a_person_lets_a_program_in_through_the_browser(both: Scene) -> None:
    """[AS-6749-21] [AS-9700-09] [AS-OIDC-04] [AS-7636-03]."""
    code = code_of(both, scope="openid email offline_access read:orders", audience=ORDERS, nonce="n-1")
    assert len(code) >= 43
    assert CHALLENGE not in code
    members = body_of(redeem(both, code))
    assert members["scope"] == "email offline_access openid read:orders"
    claims = claims_of(members["access_token"])
    assert claims["aud"] == [ORDERS, f"{ISSUER}userinfo"]
    assert "gty" not in claims
    identity = claims_of(members["id_token"])
    assert identity["nonce"] == "n-1"
    assert identity["aud"] == "native"
    assert {"sid", "auth_time", "email"} <= identity.keys()
    userinfo = Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {members['access_token']}"),))
    assert body_of(both.send(userinfo))["email"] == EMAIL


def test_the_issuer_stands_in_answers_where_the_standard_wants_it(both: Scene) -> None:
    """[AS-9207-01]: on success and on every error, and announced; Auth0 has none of it."""
    person = person_of(both)
    person.open(address_of())
    good = landed(log_in(person))
    bad = sent_back(visit(both, response_type="token"))
    worse = sent_back(visit(both, scope='a"b'))
    listed = body_of(both.send(Request("GET", f"{ISSUER}.well-known/openid-configuration")))
    for answer in (good, bad, worse):
        assert answer.get("iss") == (ISSUER if both.config.wire == "rfc" else None)
    assert listed.get("authorization_response_iss_parameter_supported", False) is (both.config.wire == "rfc")


UNPROVEN = {
    "no client": {"client_id": ""},
    "unknown client": {"client_id": "nobody"},
    "no callback": {"redirect_uri": ""},
    "a longer path": {"redirect_uri": f"{CALLBACK}/more"},
    "a path walked up": {"redirect_uri": f"{CALLBACK}/../callback"},
    "percent signs": {"redirect_uri": CALLBACK.replace("callback", "%63allback")},
    "another query": {"redirect_uri": f"{CALLBACK}?x=1"},
    "a slash": {"redirect_uri": f"{CALLBACK}/"},
    "another case": {"redirect_uri": CALLBACK.upper()},
    "a user part": {"redirect_uri": CALLBACK.replace("127.0.0.1", "127.0.0.1:80@evil.example")},
    "a host that begins alike": {"redirect_uri": CALLBACK.replace("127.0.0.1", "127.0.0.1.evil.example")},
    "another loopback address": {"redirect_uri": CALLBACK.replace("127.0.0.1", "127.0.0.2")},
    "IPv6 for IPv4": {"redirect_uri": CALLBACK.replace("127.0.0.1", "[::1]")},
    "a name for a number": {"redirect_uri": CALLBACK.replace("127.0.0.1", "localhost")},
    "https": {"redirect_uri": CALLBACK.replace("http:", "https:")},
    "another program's": {"redirect_uri": WEB_CALLBACK},
    "a fragment": {"redirect_uri": f"{CALLBACK}#x"},
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_nobody_is_sent_to_an_address_that_is_not_proven(both: Scene, case: str) -> None:
    """[AS-6749-22] [AS-9700-04] [AS-8252-02]."""
    response = visit(both, **UNPROVEN[case])
    assert response.status == 400
    assert response.header("location") is None
    assert (response.header("content-type") or "").startswith("text/html")


@pytest.mark.parametrize(
    ("wire", "switched", "passes"), [("auth0", False, False), ("auth0", True, True), ("rfc", False, True)]
)
def test_the_port_of_a_loopback_callback_is_the_dialects_to_judge(wire: Wire, switched: bool, passes: bool) -> None:
    """[AS-8252-02]: and the code must be redeemed with the exact address that was used."""
    ready = scene_of(wire).config
    changed = tuple(
        replace(one, any_loopback_port=switched) if one.client_id == "native" else one for one in ready.applications
    )
    scene, other = Scene(replace(ready, applications=changed)), CALLBACK.replace("8484", "51234")
    assert (visit(scene, redirect_uri=other).status == 303) is passes
    if passes:
        code = code_of(scene, redirect_uri=other)
        assert told(redeem(scene, code))[1] == "invalid_grant"
        assert redeem(scene, code, redirect_uri=other).status == 200


def test_no_port_beyond_the_last_one_is_a_port() -> None:
    """[AS-8252-02]."""
    assert is_registered(CALLBACK.replace("8484", "65535"), NATIVE, any_port=True)
    assert is_registered(CALLBACK.replace(":8484", ""), NATIVE, any_port=True)
    for port in ("65536", "99999", "123456", "", "-1", "8o"):
        assert not is_registered(CALLBACK.replace("8484", port), NATIVE, any_port=True), port
    web = Application("w", "W", callbacks=("https://shop.example/cb",))
    assert not is_registered("https://shop.example:444/cb", web, any_port=True)


TOLD = {
    "no response_type": ({"response_type": ""}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "grant not allowed": ({"client_id": "spa", "redirect_uri": "https://spa.example/"}, "unauthorized_client"),
    "scope": ({"scope": 'a"b'}, "invalid_scope"),
    "no challenge": ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    "a method alone": ({"code_challenge": ""}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "no method, so plain": ({"code_challenge_method": ""}, "invalid_request"),
    "a short challenge": ({"code_challenge": "x" * 42}, "invalid_request"),
    "a request object": ({"request": "x"}, "request_not_supported"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "an unknown prompt": ({"prompt": "dance"}, "invalid_request"),
    "none and more": ({"prompt": "none login"}, "invalid_request"),
    "max_age": ({"max_age": "soon"}, "invalid_request"),
    "organization": ({"organization": "org_1"}, "invalid_request"),
    "a connection of others": ({"connection": "staff"}, "invalid_request"),
    "nobody is logged in": ({"prompt": "none"}, "login_required"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_is_wrong_is_told_to_the_program(both: Scene, case: str) -> None:
    """[AS-6749-23] [AS-6749-24] [AS-7636-01] [AS-OIDC-05]."""
    parameters, error = TOLD[case]
    spa = Application("spa", "Spa", "spa", ("refresh_token",), callbacks=("https://spa.example/",))
    scene = Scene(replace(both.config, applications=(*both.config.applications, spa)))
    answer = sent_back(visit(scene, **parameters))
    assert (answer["error"], answer["state"]) == (error, "s")
    assert answer["error_description"]


@pytest.mark.parametrize(("wire", "error"), [("auth0", "access_denied"), ("rfc", "invalid_target")])
@pytest.mark.parametrize(
    "target", [{"audience": "https://nowhere.example"}, {"resource": "orders"}, {"resource": f"{ORDERS}#x"}]
)
def test_an_unknown_api_is_told_in_each_dialect(wire: Wire, error: str, target: dict[str, str]) -> None:
    """[AS-8707-01]: relative, with a fragment, or unknown."""
    assert sent_back(visit(scene_of(wire), **target))["error"] == error


@pytest.mark.parametrize("policy", ["require_grant", "deny_all"])
def test_an_api_may_be_closed_to_programs_without_a_grant(policy: str) -> None:
    """[AS-9700-03]."""
    ready = scene_of().config
    scene = Scene(replace(ready, apis=tuple(replace(api, users=policy) for api in ready.apis)))  # type: ignore[arg-type]
    answer = sent_back(visit(scene, audience=ORDERS))
    assert answer["error"] == "invalid_request"
    assert answer["error_description"] == f'Client "native" is not authorized to access resource server "{ORDERS}".'
    if policy == "require_grant":
        web = sent_back(visit(scene, audience=ORDERS, client_id="web", redirect_uri=WEB_CALLBACK, prompt="none"))
        assert web["error"] == "login_required", "its grant lets it in"


@pytest.mark.parametrize("state", ["a+b %&=é", "x" * 2048, '"<script>'])
def test_the_state_comes_back_as_it_was(both: Scene, state: str) -> None:
    """[AS-6749-24]: and what stood in the callback's query stays."""
    person = person_of(both)
    person.open(address_of(state=state, client_id="web", redirect_uri=WEB_CALLBACK))
    answer = landed(log_in(person))
    assert answer["state"] == state
    assert answer["from"] == "login"
    assert sent_back(visit(both, state=state, prompt="none"))["state"] == state


def test_a_repeated_parameter_is_for_the_person_to_read(both: Scene) -> None:
    """[AS-6749-04]."""
    response = both.send(Request("GET", f"{address_of()}&state=other"))
    assert (response.status, response.header("location")) == (400, None)


def test_the_same_request_may_come_by_post(both: Scene) -> None:
    """[AS-6749-21]."""
    body = urlsplit(address_of()).query.encode()
    response = both.send(Request("POST", f"{ISSUER}authorize", (("content-type", FORM),), body))
    assert response.status == 303
    assert (response.header("location") or "").startswith("/u/login?state=")


def test_a_mere_visit_stores_nothing_and_shows_no_cors(both: Scene) -> None:
    """[AS-ASVS-05] [AS-9700-01]."""
    before = stored(both)
    for _ in range(2):
        response = both.send(Request("GET", address_of(), (("origin", "https://shop.example"),)))
        assert not [name for name, _ in response.headers if name.startswith("access-control")]
        both.send(Request("GET", f"{ISSUER}{(response.header('location') or '')[1:]}"))
    assert before == stored(both)


def test_who_is_logged_in_is_asked_again_for_a_program_that_could_be_anybody(both: Scene) -> None:
    """[AS-6749-25]: a loopback callback proves nothing; with prompt=none that is an error."""
    person = person_of(both)
    code_of(both, person)
    page = person.open(address_of())
    assert "Native wants to sign in" in page.text
    assert "127.0.0.1:8484" in page.text
    assert "Approve only if you started this yourself" in page.text
    assert "code" in landed(person.press("approve"))
    assert landed(person.open(address_of(prompt="none")))["error"] == "interaction_required"


def test_a_program_that_is_known_by_its_address_passes_without_a_question(both: Scene) -> None:
    person = person_of(both)
    web = {"client_id": "web", "redirect_uri": WEB_CALLBACK}
    person.open(address_of(**web))
    assert "code" in landed(log_in(person))
    assert "code" in landed(person.open(address_of(**web, prompt="none")))
    assert "Shop wants to sign in" in person.open(address_of(**web, prompt="consent")).text
    assert landed(person.open(address_of(**web, prompt="none", audience=ORDERS, scope="read:orders")))["error"] == (
        "consent_required"
    )
    page = person.open(address_of(**web, audience=ORDERS, scope="read:orders"))
    assert "read your orders" in page.text
    assert "code" in landed(person.press("approve"))
    again = person.open(address_of(**web, prompt="none", audience=ORDERS, scope="read:orders"))
    assert "code" in landed(again), "what was allowed once is remembered"


def test_a_person_may_decline_at_either_page(both: Scene) -> None:
    """[AS-6749-23]."""
    person = person_of(both)
    person.open(address_of())
    assert landed(person.press("decline"))["error"] == "access_denied"
    code_of(both, person)
    person.open(address_of())
    assert landed(person.press("decline"))["error"] == "access_denied"


def test_a_fresh_login_is_had_where_it_is_wanted(both: Scene) -> None:
    """[AS-OIDC-05]."""
    person, web = person_of(both), {"client_id": "web", "redirect_uri": WEB_CALLBACK}
    person.open(address_of(**web))
    log_in(person)
    both.time.go(timedelta(minutes=5))
    for wish in ({"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "299"}, {"max_age": "0"}):
        assert "/u/login" in person.open(address_of(**web, **wish)).url, wish
    assert landed(person.open(address_of(**web, max_age="299", prompt="none")))["error"] == "login_required"
    assert "code" in landed(person.open(address_of(**web, max_age="301")))
    page = person.open(address_of(**web, prompt="login consent"))
    page = log_in(person)
    assert "Shop wants to sign in" in page.text, "and no circle"
    assert "code" in landed(person.press("approve"))


def test_the_age_of_the_login_stands_in_the_id_token(both: Scene) -> None:
    """[AS-OIDC-05]."""
    person, web = person_of(both), {"client_id": "web", "redirect_uri": WEB_CALLBACK}
    person.open(address_of(**web))
    log_in(person)
    since = int(both.time.now().timestamp())
    both.time.go(timedelta(minutes=5))
    code = landed(person.open(address_of(**web, max_age="900")))["code"]
    members = body_of(redeem(both, code, basic("web"), client_id="", redirect_uri=WEB_CALLBACK))
    assert claims_of(members["id_token"])["auth_time"] == since


def test_the_login_page_knows_whom_the_program_means(both: Scene) -> None:
    page = person_of(both).open(address_of(login_hint='pat"@example.com'))
    assert page.forms[0].values["email"] == 'pat"@example.com'


def test_a_form_carries_the_answer_where_the_program_wants_that(both: Scene) -> None:
    person = person_of(both)
    person.open(address_of(response_mode="form_post", client_id="web", redirect_uri=WEB_CALLBACK))
    page = log_in(person)
    assert page.status == 200
    assert page.forms[0].action == WEB_CALLBACK
    assert {"code", "state"} <= page.forms[0].values.keys()
    policy = page.response.header("content-security-policy") or ""
    assert "form-action 'self' https://shop.example" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'", policy)
    assert page.response.header("cache-control") == "no-store"


REDEEMED_WRONG: dict[str, tuple[dict[str, str], str]] = {
    "another verifier": ({"code_verifier": "x" * 43}, "Failed to verify code verifier"),
    "a verifier too short": ({"code_verifier": VERIFIER[:42]}, "Failed to verify code verifier"),
    "a verifier too long": ({"code_verifier": "x" * 129}, "Failed to verify code verifier"),
    "bad letters": ({"code_verifier": VERIFIER[:42] + "!"}, "Failed to verify code verifier"),
    "no verifier": ({"code_verifier": ""}, "Failed to verify code verifier"),
    "another callback": ({"redirect_uri": "app.example:/cb"}, "Invalid authorization code"),
    "no callback": ({"redirect_uri": ""}, "Invalid authorization code"),
    "a made-up code": ({"code": "x"}, "Invalid authorization code"),
}


@pytest.mark.parametrize("case", REDEEMED_WRONG)
def test_a_code_is_redeemed_as_it_was_asked_for_or_not_at_all(both: Scene, case: str) -> None:
    """[AS-6749-29] [AS-7636-02] [AS-9700-10]: and a wrong try spoils nothing for the right one."""
    parameters, text = REDEEMED_WRONG[case]
    code = code_of(both)
    answer = told(redeem(both, parameters.get("code", code), **{k: v for k, v in parameters.items() if k != "code"}))
    assert (
        answer == (403, "invalid_grant", text) if both.config.wire == "auth0" else answer[:2] == (400, "invalid_grant")
    )
    assert redeem(both, code).status == 200


def test_a_code_is_the_programs_that_asked(both: Scene) -> None:
    """[AS-6749-29]."""
    code = code_of(both)
    other = redeem(both, code, basic("web"), client_id="")
    assert told(other)[1] == "invalid_grant"
    assert redeem(both, code).status == 200


def test_a_verifier_without_a_challenge_is_a_downgrade(both: Scene) -> None:
    """[AS-9700-10]."""
    web = {"client_id": "web", "redirect_uri": WEB_CALLBACK, "code_challenge": "", "code_challenge_method": ""}
    person = person_of(both)
    person.open(address_of(**web))
    code = landed(log_in(person))["code"]
    asked = {"client_id": "", "redirect_uri": WEB_CALLBACK}
    assert told(redeem(both, code, basic("web"), **asked))[1] == "invalid_grant"
    assert redeem(both, code, basic("web"), **asked, code_verifier="").status == 200


def test_a_code_lives_a_minute(both: Scene) -> None:
    """[AS-6749-27]."""
    code = code_of(both)
    both.time.go(timedelta(minutes=1))
    assert told(redeem(both, code))[1] == "invalid_grant"


def test_a_code_that_is_shown_again_ends_what_came_of_it(both: Scene) -> None:
    """[AS-6749-28]: with everything right; a guess with a wrong verifier ends nothing."""
    code = code_of(both, scope="openid offline_access")
    refresh = {"grant_type": "refresh_token", "client_id": "native"}
    first = body_of(redeem(both, code))
    assert told(redeem(both, code, code_verifier="x" * 43))[1] == "invalid_grant"
    alive = token(both, refresh_token=str(first["refresh_token"]), **refresh)
    assert alive.status == 200
    assert told(redeem(both, code))[1] == "invalid_grant"
    dead = token(both, refresh_token=str(body_of(alive)["refresh_token"]), **refresh)
    assert told(dead)[1] == "invalid_grant"


def test_twenty_exchanges_at_once_give_one_token(both: Scene) -> None:
    """[AS-6749-28]."""
    code = code_of(both)
    own = {"grant_type": "authorization_code", "client_id": "native", "code": code, "redirect_uri": CALLBACK}
    body = urlencode({**own, "code_verifier": VERIFIER}).encode()
    request = Request("POST", f"{ISSUER}oauth/token", (("content-type", FORM),), body)

    async def race() -> list[int]:
        answers = await asyncio.gather(*(ask(both.tenant.app, request) for _ in range(20)))
        return sorted(answer.status for answer in answers)

    assert asyncio.run(race())[0] == 200
    assert asyncio.run(race())[0] != 200


def test_pages_out_of_order_or_from_elsewhere_do_nothing(both: Scene) -> None:
    """[AS-ASVS-04] [AS-ASVS-06] [AS-6749-26] [AS-9700-08]."""
    stranger, person = person_of(both), person_of(both)
    page = person.open(address_of())
    state = page.forms[0].values["state"]
    body = urlencode({"state": state, "button": "approve", "csrf": "x"}).encode()
    headers = (("content-type", FORM), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"))
    assert both.send(Request("POST", f"{ISSUER}u/consent", headers, body)).status == 400
    assert "too old" in stranger.open(f"{ISSUER}u/consent?state=made-up").text
    assert "too old" in stranger.open(f"{ISSUER}u/mfa?state={state}").text
    assert "/u/login" in stranger.open(f"{ISSUER}u/consent?state={state}").url, "nobody is logged in there"
    both.time.go(timedelta(hours=1))
    assert "too old" in log_in(person).text
    for path in ("u/login?state=x&return_to=//evil.example", "u/login?state=https://evil.example"):
        assert stranger.open(f"{ISSUER}{path}").response.header("x-callback") is None


def test_a_login_that_was_under_way_ends_with_the_application(both: Scene) -> None:
    person = person_of(both)
    person.open(address_of())
    site = both.tenant._site
    gone = replace(both.config, applications=both.config.applications[:1], grants=())
    site.reconfigure(gone, site.tenant_keys)
    assert "too old" in log_in(person).text


def push(scene: Scene, headers: tuple[tuple[str, str], ...] = (), **parameters: str) -> Response:
    own = parse_qs(urlsplit(address_of(**parameters)).query)
    body = urlencode({name: values[0] for name, values in own.items()} | {k: v for k, v in parameters.items() if v})
    return scene.send(Request("POST", f"{ISSUER}oauth/par", (("content-type", FORM), *headers), body.encode()))


def test_a_pushed_request_is_opened_by_its_name(both: Scene) -> None:
    """[AS-9126-01] [AS-6749-06]."""
    pushed = push(both, nonce="n-2")
    assert pushed.status == 201
    assert pushed.header("cache-control") == "no-store"
    person, found = person_of(both), json.loads(pushed.body)
    assert found["expires_in"] == 30
    assert found["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    short = urlencode({"client_id": "native", "request_uri": found["request_uri"]})
    person.open(f"{ISSUER}authorize?{short}")
    code = landed(log_in(person))["code"]
    assert claims_of(body_of(redeem(both, code))["id_token"])["nonce"] == "n-2"
    other = urlencode({"client_id": "web", "request_uri": found["request_uri"]})
    assert both.send(Request("GET", f"{ISSUER}authorize?{other}")).status == 400
    both.time.go(timedelta(seconds=30))
    assert both.send(Request("GET", f"{ISSUER}authorize?{short}")).status == 400


PUSHED_WRONG = {
    "no challenge": ({"code_challenge": "", "code_challenge_method": ""}, (400, "invalid_request")),
    "another callback": ({"redirect_uri": "https://evil.example/"}, (400, "invalid_request")),
    "a scope": ({"scope": 'a"b'}, (400, "invalid_scope")),
    "a name of another": ({"request_uri": "urn:x"}, (400, "invalid_request")),
}


@pytest.mark.parametrize("case", PUSHED_WRONG)
def test_a_pushed_request_is_judged_as_fully_as_any(both: Scene, case: str) -> None:
    """[AS-9126-02]."""
    parameters, expected = PUSHED_WRONG[case]
    assert told(push(both, **parameters))[:2] == expected


def test_who_pushes_shows_who_it_is(both: Scene) -> None:
    """[AS-9126-01] [AS-6749-18]."""
    web = {"client_id": "web", "redirect_uri": WEB_CALLBACK}
    assert push(both, **web).status == 401
    assert push(both, basic("web"), **web).status == 201


def test_a_code_belongs_to_an_api_of_its_own_profile(both: Scene) -> None:
    """[AS-9068-02]."""
    code = code_of(both, scope="read:stock read:orders", resource=STOCK)
    members = body_of(redeem(both, code))
    assert members["scope"] == "read:stock"
    assert claims_of(members["access_token"])["aud"] == STOCK


@pytest.mark.parametrize(
    "callback",
    ["http://shop.example/", "https://shop.example/#x", "app:/cb", "javascript:alert(1)", "https://a b/", "/cb", ""],
)
def test_a_callback_that_others_could_take_is_not_registered(callback: str) -> None:
    """[AS-9700-05]."""
    with pytest.raises(Misuse):
        replace(NATIVE, callbacks=(callback,)).check()


def test_a_client_id_that_looks_like_a_person_is_not_registered() -> None:
    """[AS-6749-19]."""
    for client_id in ("auth0|1", "x@clients", "", "a b", "x" * 65):
        with pytest.raises(Misuse):
            replace(NATIVE, client_id=client_id).check()


def test_a_session_of_another_directory_is_no_login_here() -> None:
    scene = scene_of()
    person = person_of(scene)
    code_of(scene, person)
    staff = tuple(
        replace(one, connections=("staff",)) if one.client_id == "web" else one for one in scene.config.applications
    )
    site = scene.tenant._site
    site.reconfigure(replace(scene.config, applications=staff), site.tenant_keys)
    page = person.open(address_of(client_id="web", redirect_uri=WEB_CALLBACK))
    assert "/u/login" in page.url
    only_staff = tuple(replace(one, connections=("staff",)) for one in scene.config.applications)
    site.reconfigure(replace(scene.config, applications=only_staff), site.tenant_keys)
    codes = device_codes(scene)
    assert EMAIL not in person.open(str(codes["verification_uri_complete"])).text
    assert "/u/login" in person.press("confirm").url
    assert told(poll(scene, codes["device_code"]))[1] == "authorization_pending"
    site.reconfigure(replace(scene.config, applications=staff), site.tenant_keys)
    person.open(address_of(client_id="web", redirect_uri=WEB_CALLBACK))
    assert "Wrong e-mail or password" in person.press("login", email=EMAIL, password=PASSWORD).text
