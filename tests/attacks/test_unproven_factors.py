"""A second factor that nobody has proven yet: whose it is, how long it lives, and what ends when it is proven."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import Request, form_request
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.factors import send_message
from keyfob.server.keyed_hash import keyed_hash
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.attacks.browsers import (
    OTP,
    associate,
    at_password,
    bearer,
    code_for,
    device,
    error_of,
    mfa_token,
    polled,
    prove,
    recover,
    shown_secret,
)
from tests.server.wires import body_of, log_in, person_of, scene_of, stored, token, told, with_password


@pytest.fixture
def strict() -> Scene:
    return scene_of(mfa="always", name="Example")


def recovery_of(found: dict[str, object]) -> str:
    codes = found["recovery_codes"]
    assert isinstance(codes, list)
    return str(codes[0])


def test_who_began_first_knows_nothing_of_what_the_owner_proves(strict: Scene) -> None:
    """[FS-02]: the attacker's secret and recovery code are worth nothing once the owner has proven another."""
    early = mfa_token(strict)
    planted = associate(strict, early)
    owner = person_of(strict)
    at_password(strict, owner)
    secret = shown_secret(owner.press("enrol").text)
    assert secret != planted["secret"]
    assert "recovery code" in owner.press("verify", code=code_for(strict, secret)).text
    strict.time.go(timedelta(seconds=30))
    for shown in (early, mfa_token(strict)):
        assert prove(strict, shown, str(planted["secret"])).status == 403
        assert recover(strict, shown, recovery_of(planted)).status == 403


def test_an_enrolment_begun_at_a_page_is_not_shown_to_the_next_login(strict: Scene) -> None:
    """[FS-02]: every login draws a new secret, and its code is accepted there alone."""
    attacker, owner = person_of(strict), person_of(strict)
    at_password(strict, attacker)
    planted = shown_secret(attacker.press("enrol").text)
    at_password(strict, owner)
    assert "Set one up" in owner.page.response.body.decode()
    secret = shown_secret(owner.press("enrol").text)
    assert secret != planted
    assert "wrong" in owner.press("verify", code=code_for(strict, planted)).text
    assert "recovery code" in owner.press("verify", code=code_for(strict, secret)).text
    late = attacker.press("verify", code=code_for(strict, planted))
    assert "Keep this" not in late.text
    strict.time.go(timedelta(seconds=30))
    assert prove(strict, mfa_token(strict), planted).status == 403


def test_an_unproven_factor_of_another_login_is_neither_listed_nor_accepted(strict: Scene) -> None:
    """[FS-02]."""
    first, second = mfa_token(strict), mfa_token(strict)
    planted = associate(strict, first)
    assert json.loads(bearer(strict, "GET", "mfa/authenticators", second).body) == []
    assert [one["active"] for one in json.loads(bearer(strict, "GET", "mfa/authenticators", first).body)] == [False] * 2
    assert told(prove(strict, second, str(planted["secret"])))[1] == "invalid_grant"
    assert prove(strict, first, str(planted["secret"])).status == 200


def test_an_unproven_factor_lives_as_long_as_its_login(strict: Scene) -> None:
    """[FS-02]: and is swept away after that."""
    shown = mfa_token(strict)
    planted = associate(strict, shown)
    strict.time.go(timedelta(minutes=10))
    assert prove(strict, shown, str(planted["secret"])).status == 403
    strict.time.go(timedelta(hours=2))
    device(strict, "native")
    assert stored(strict)["authenticator"] == []


def test_a_message_to_an_unproven_address_is_its_logins_alone(strict: Scene) -> None:
    """[FS-02]: an e-mail factor that another login began is not made active by it."""
    early, late = mfa_token(strict), mfa_token(strict)
    associate(strict, early, "oob")
    mine = associate(strict, late)
    assert prove(strict, late, str(mine["secret"])).status == 200
    strict.time.go(timedelta(seconds=30))
    listed = json.loads(bearer(strict, "GET", "mfa/authenticators", mfa_token(strict)).body)
    assert {one["authenticator_type"] for one in listed} == {"otp", "recovery-code"}


def test_a_spent_mfa_token_does_not_live_again_by_a_message(strict: Scene) -> None:
    """[FS-20]: the message was asked for before the token was spent, and stored after."""
    shown = mfa_token(strict)
    site = strict.tenant._site
    hashed = keyed_hash(site.hash_keys.codes, Secret(shown))
    stale = asyncio.run(site.store.read(lambda transaction: transaction.mfa_login(hashed)))
    user = asyncio.run(site.store.read(lambda transaction: transaction.user_by_email(EMAIL)))
    assert stale is not None
    assert user is not None
    planted = associate(strict, shown)
    assert prove(strict, shown, str(planted["secret"])).status == 200
    sent = asyncio.run(send_message(site, Request("POST", f"{ISSUER}mfa/challenge"), stale, user, "email|dev_x"))
    assert sent == "mfa_token_refused", "there is nothing left to send a code for"
    after = asyncio.run(site.store.read(lambda transaction: transaction.mfa_login(hashed)))
    assert after is not None
    assert after.is_spent
    strict.time.go(timedelta(seconds=30))
    assert prove(strict, shown, str(planted["secret"])).status == 403


def test_a_spent_mfa_token_begins_no_enrolment(strict: Scene) -> None:
    """[FS-20]."""
    shown = mfa_token(strict)
    planted = associate(strict, shown)
    assert prove(strict, shown, str(planted["secret"])).status == 200
    assert bearer(strict, "POST", "mfa/associate", shown, {"authenticator_types": ["otp"]}).status == 401


def willing() -> Scene:
    """A tenant that asks those for a second factor who have one, which is the default."""
    return scene_of(name="Example")


def test_a_person_enrols_at_a_page_and_is_asked_from_then_on() -> None:
    """[FS-10]: with `mfa = "enrolled"`."""
    scene = willing()
    person = person_of(scene)
    person.open(f"{ISSUER}u/enrol")
    log_in(person)
    secret = shown_secret(person.press("enrol").text)
    assert "recovery code" in person.press("verify", code=code_for(scene, secret)).text
    assert "second factor is set up" in person.press("kept").text
    assert with_password(scene).status == 403
    scene.time.go(timedelta(seconds=30))
    assert prove(scene, mfa_token(scene), secret).status == 200
    other = person_of(scene)
    at_password(scene, other)
    assert "One more step" in other.page.text


def test_who_has_a_factor_proves_it_before_the_page_says_so() -> None:
    """[FS-10]: the page adds no second one with a password alone."""
    scene = willing()
    person = person_of(scene)
    person.open(f"{ISSUER}u/enrol")
    log_in(person)
    secret = shown_secret(person.press("enrol").text)
    person.press("verify", code=code_for(scene, secret))
    scene.time.go(timedelta(seconds=30))
    again = person_of(scene)
    again.open(f"{ISSUER}u/enrol")
    assert "One more step" in log_in(again).text
    assert "second factor is set up" in again.press("verify", code=code_for(scene, secret)).text


def enrolling_token(scene: Scene) -> str:
    wanted = {"audience": f"{ISSUER}mfa/", "scope": "enroll read:authenticators remove:authenticators"}
    return str(body_of(with_password(scene, **wanted))["access_token"])


def test_a_person_enrols_by_the_api_and_is_asked_from_then_on() -> None:
    """[FS-10]: an access token with the scope `enroll` begins it and proves it, as at Auth0."""
    scene = willing()
    shown = enrolling_token(scene)
    added = associate(scene, shown)
    assert with_password(scene).status == 200, "not proven yet"
    done = body_of(prove(scene, shown, str(added["secret"])))
    assert done["expires_in"] == 600
    assert with_password(scene).status == 403
    scene.time.go(timedelta(seconds=30))
    assert prove(scene, mfa_token(scene), str(added["secret"])).status == 200
    assert recover(scene, mfa_token(scene), recovery_of(added)).status == 200
    assert prove(scene, shown, str(added["secret"])).status == 403, "once"


def test_an_enrolment_token_is_no_second_factor_and_no_mfa_token() -> None:
    """[FS-10]: what began with an access token is only good for the factor that it added."""
    scene = willing()
    shown = enrolling_token(scene)
    first = associate(scene, shown)
    assert prove(scene, shown, str(first["secret"])).status == 200
    scene.time.go(timedelta(seconds=30))
    fresh = mfa_token(scene, audience=f"{ISSUER}mfa/", scope="enroll")
    access = str(body_of(prove(scene, fresh, str(first["secret"])))["access_token"])
    scene.time.go(timedelta(seconds=30))
    second = associate(scene, access)
    assert prove(scene, access, str(first["secret"])).status == 403, "not the one that is there already"
    assert prove(scene, access, str(second["secret"])).status == 200


@pytest.mark.parametrize("way", ["page", "api"])
def test_enrolling_ends_what_was_logged_in_with_a_password_alone(way: str) -> None:
    """[FS-10] [FS-26]: sessions and refresh tokens from before."""
    scene = willing()
    before = person_of(scene)
    codes = at_password(scene, before)
    scene.time.go(timedelta(seconds=5))
    refresh = str(polled(scene, "native", codes)["refresh_token"])
    if way == "api":
        shown = enrolling_token(scene)
        assert prove(scene, shown, str(associate(scene, shown)["secret"])).status == 200
    else:
        person = person_of(scene)
        person.open(f"{ISSUER}u/enrol")
        log_in(person)
        secret = shown_secret(person.press("enrol").text)
        person.press("verify", code=code_for(scene, secret))
    answer = token(scene, grant_type="refresh_token", client_id="native", refresh_token=refresh)
    assert told(answer)[1] == "invalid_grant"
    later = device(scene, "native")
    before.open(str(later["verification_uri_complete"]))
    assert EMAIL not in before.page.text
    before.press("confirm")
    scene.time.go(timedelta(seconds=5))
    assert error_of(polled(scene, "native", later)) == "authorization_pending"


def test_by_policy_enrolling_ends_nothing() -> None:
    """[FS-26]: `enrolment_ends_logins = false`."""
    scene = scene_of(name="Example", enrolment_ends_logins=False)
    before = person_of(scene)
    codes = at_password(scene, before)
    scene.time.go(timedelta(seconds=5))
    refresh = str(polled(scene, "native", codes)["refresh_token"])
    shown = enrolling_token(scene)
    assert prove(scene, shown, str(associate(scene, shown)["secret"])).status == 200
    assert token(scene, grant_type="refresh_token", client_id="native", refresh_token=refresh).status == 200


def wrong_factor(scene: Scene, shown: str, peer: str) -> int:
    own = {"grant_type": OTP, "client_id": "legacy", "mfa_token": shown, "otp": "000000"}
    return scene.send(form_request(f"{ISSUER}oauth/token", own), peer=peer).status


def test_wrong_factors_from_elsewhere_do_not_lock_the_owner(strict: Scene) -> None:
    """[FS-26]: ten at one address, and the owner's own address is counted apart."""
    shown = mfa_token(strict)
    secret = str(associate(strict, shown)["secret"])
    assert prove(strict, shown, secret).status == 200
    strict.time.go(timedelta(seconds=30))
    attacked = mfa_token(strict)
    tries = [wrong_factor(strict, attacked, "198.51.100.9") for _ in range(12)]
    assert tries == [403] * 10 + [429] * 2
    assert prove(strict, mfa_token(strict), secret).status == 200


def test_wrong_factors_from_everywhere_have_one_limit(strict: Scene) -> None:
    """[FS-26]: a hundred for one account, and still not for an address where the owner has proven it."""
    shown = mfa_token(strict)
    secret = str(associate(strict, shown)["secret"])
    assert prove(strict, shown, secret).status == 200
    strict.time.go(timedelta(seconds=30))
    attacked = mfa_token(strict)
    tries = [wrong_factor(strict, attacked, f"198.51.100.{number // 10}") for number in range(101)]
    assert tries == [403] * 100 + [429]
    assert wrong_factor(strict, attacked, "203.0.113.1") == 429
    assert prove(strict, mfa_token(strict), secret).status == 200


def test_two_tenants_on_one_host_have_cookies_of_their_own() -> None:
    """[FS-26]: browsers do not tell ports apart; so the name of the cookie does."""
    names = set()
    for issuer in ("http://127.0.0.1:8401/", "http://127.0.0.1:8402/", "https://localhost:8443/", "https://localhost/"):
        config = scene_of().config
        scene = Scene(replace(config, issuer=issuer))
        person = person_of(scene)
        cookie = scene.send(Request("GET", f"{issuer}activate")).header("set-cookie") or ""
        names.add(cookie.partition("=")[0])
        assert person.cookies == {}
    assert len(names) == 4
    assert {"__Host-keyfob"} < {name for name in names if name.startswith("__Host-")}


def test_acr_values_are_a_wish_that_the_tenant_does_not_claim_to_grant(strict: Scene) -> None:
    """[FS-26]: no `acr` is announced and none is said, so a client that needs one sees that it has not got it."""
    listed = body_of(strict.send(Request("GET", f"{ISSUER}.well-known/openid-configuration")))
    assert "acr_values_supported" not in listed
    shown = mfa_token(strict, scope="openid")
    answer = body_of(prove(strict, shown, str(associate(strict, shown)["secret"])))
    assert b'"acr"' not in json.dumps(answer).encode()
    assert PASSWORD not in str(answer)


@pytest.mark.parametrize("ends", [True, False], ids=["ends logins", "ends nothing"])
def test_a_token_from_before_the_factor_neither_adds_nor_removes_one(*, ends: bool) -> None:
    """[FS-02] [FS-10]: it was got with a password alone."""
    scene = scene_of(name="Example", enrolment_ends_logins=ends)
    early = enrolling_token(scene)
    planted = associate(scene, early)
    scene.time.go(timedelta(seconds=5))
    owner = enrolling_token(scene)
    mine = associate(scene, owner)
    assert prove(scene, owner, str(mine["secret"])).status == 200
    assert prove(scene, early, str(planted["secret"])).status == 403
    assert bearer(scene, "POST", "mfa/associate", early, {"authenticator_types": ["otp"]}).status in {401, 403}
    scene.time.go(timedelta(seconds=30))
    shown = mfa_token(scene)
    listed = json.loads(bearer(scene, "GET", "mfa/authenticators", shown).body)
    totp = next(one["id"] for one in listed if one["authenticator_type"] == "otp")
    assert bearer(scene, "DELETE", f"mfa/authenticators/{totp}", early).status == 401
    assert prove(scene, shown, str(mine["secret"])).status == 200
