"""The legacy grants and their second factor: every row of auth0-wire A2.3, A2.4, A2.7 and A8."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.server.records import User
from keyfob.server.settings.config import IDENTITY_SCOPES, Wire
from keyfob.testing.example_tenant import LEGACY, ORDERS, SECRET
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import (
    body_of,
    claims_of,
    header_of,
    log_in,
    person_of,
    scene_of,
    send_json,
    text_of,
    token,
    told,
    with_password,
)

REALM = "http://auth0.com/oauth/grant-type/password-realm"
OTP = "http://auth0.com/oauth/grant-type/mfa-otp"
OOB = "http://auth0.com/oauth/grant-type/mfa-oob"
RECOVERY = "http://auth0.com/oauth/grant-type/mfa-recovery-code"

REFUSED: dict[str, tuple[dict[str, str], tuple[int, str, str], tuple[int, str]]] = {
    "wrong password": (
        {"password": "wrong"},
        (403, "invalid_grant", "Wrong email or password."),
        (400, "invalid_grant"),
    ),
    "unknown person": (
        {"username": "nobody@example.com"},
        (403, "invalid_grant", "Wrong email or password."),
        (400, "invalid_grant"),
    ),
    "grant not enabled": (
        {"client_id": "native"},
        (403, "unauthorized_client", "Grant type 'password' not allowed for the client."),
        (400, "unauthorized_client"),
    ),
    "missing username": (
        {"username": ""},
        (400, "invalid_request", "Missing required parameter: username"),
        (400, "invalid_request"),
    ),
    "unknown realm": (
        {"grant_type": REALM, "realm": "x"},
        (403, "invalid_request", "Unknown realm 'x'"),
        (400, "invalid_request"),
    ),
    "a realm of others": (
        {"grant_type": REALM, "realm": "staff"},
        (403, "invalid_request", "Unknown realm 'staff'"),
        (400, "invalid_request"),
    ),
    "unknown audience": (
        {"audience": "https://nowhere.example"},
        (403, "access_denied", "Service not found: https://nowhere.example"),
        (400, "invalid_target"),
    ),
}


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
@pytest.mark.parametrize("case", REFUSED)
def test_a_password_login_is_refused_in_its_dialects_words(wire: Wire, case: str) -> None:
    """[AS-6749-09] [AS-6749-32]."""
    parameters, auth0, rfc = REFUSED[case]
    answer = told(with_password(scene_of(wire), **parameters))
    assert answer == auth0 if wire == "auth0" else answer[:2] == rfc


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_the_password_grants_are_off_until_tenant_application_and_connection_allow_them(wire: Wire) -> None:
    """[AS-9700-12]."""
    ready = scene_of(wire).config
    closed = tuple(replace(one, allows_password=False) for one in ready.connections)
    for config in (replace(ready, allows_password=False), replace(ready, connections=closed)):
        refused = told(with_password(Scene(config)))
        assert refused[:2] == ((403, "unauthorized_client") if wire == "auth0" else (400, "unsupported_grant_type"))
        listed = body_of(Scene(config).send(Request("GET", f"{ISSUER}.well-known/openid-configuration")))
        assert wire == "auth0" or "password" not in str(listed["grant_types_supported"])
    assert replace(ready, allows_password=False).password_users() == ()
    assert ready.password_users() == ("legacy", "backend")


def test_without_a_default_directory_a_realm_must_be_named() -> None:
    scene = scene_of(default_directory=None)
    text = "Authorization server not configured with default connection."
    assert told(with_password(scene)) == (500, "server_error", text)
    assert told(with_password(scene, grant_type=REALM)) == (500, "server_error", text)
    named = with_password(scene, grant_type=REALM, realm="Username-Password-Authentication")
    assert claims_of(body_of(with_password(scene_of(), grant_type=REALM, audience=ORDERS))["access_token"])["gty"] == (
        "password-realm"
    )
    assert named.status == 200


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ({}, set(IDENTITY_SCOPES)),
        ({"scope": "openid"}, set(IDENTITY_SCOPES)),
        ({"scope": "openid email"}, {"openid", "email"}),
        ({"audience": ORDERS}, {"read:orders", "write:orders"}),
        ({"audience": ORDERS, "scope": "read:orders"}, {"read:orders"}),
        ({"audience": ORDERS, "scope": "openid"}, {*IDENTITY_SCOPES, "read:orders", "write:orders"}),
    ],
)
def test_a_password_is_good_for_everything_that_is_not_named(asked: dict[str, str], granted: set[str]) -> None:
    """[AS-6749-10]."""
    assert set(text_of(with_password(scene_of(), **asked), "scope").split()) == granted


def test_a_password_token_says_how_it_came_about() -> None:
    members = body_of(with_password(scene_of(), audience=ORDERS, scope="openid offline_access read:orders"))
    assert {"id_token", "refresh_token"} <= members.keys()
    claims = claims_of(members["access_token"])
    assert claims["gty"] == "password"
    assert claims["aud"] == [ORDERS, f"{ISSUER}userinfo"]


def test_roles_bound_what_even_a_password_gives() -> None:
    ready = scene_of().config
    apis = tuple(replace(api, enforces_permissions=True, lists_permissions=True) for api in ready.apis)
    scene = Scene(replace(ready, apis=apis))
    assert body_of(with_password(scene, audience=ORDERS))["scope"] == ""
    change(scene, roles=("buyer",))
    members = body_of(with_password(scene, audience=ORDERS, scope="openid write:orders read:orders"))
    assert "write:orders" not in str(members["scope"])
    assert claims_of(members["access_token"])["permissions"] == ["read:orders"]


def change(scene: Scene, **changed: object) -> User:
    """A person, changed at the tenant."""

    store = scene.store

    async def act() -> User:
        user = await store.read(lambda transaction: transaction.user_by_email(EMAIL))
        assert user is not None
        fresh = replace(user, **changed)  # type: ignore[arg-type]
        await store.write(lambda transaction: transaction.save_user(fresh))
        return fresh

    return asyncio.run(act())


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_blocked_person_is_told_so_only_by_auth0(wire: Wire) -> None:
    """[AS-6749-32]."""
    scene = scene_of(wire)
    change(scene, is_blocked=True)
    if wire == "auth0":
        assert told(with_password(scene)) == (403, "unauthorized", "user is blocked")
    else:
        assert told(with_password(scene)) == told(with_password(scene, password="wrong"))
    assert told(with_password(scene, password="wrong"))[1] == "invalid_grant"


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_wrong_passwords_are_counted_with_those_of_the_login_page(wire: Wire) -> None:
    """[AS-6749-33] [AS-6749-13]."""
    scene = scene_of(wire)
    for _ in range(5):
        assert told(with_password(scene, password="wrong"))[1] == "invalid_grant"
    limited = with_password(scene)
    assert told(limited)[:2] == (429, "too_many_attempts" if wire == "auth0" else "temporarily_unavailable")
    assert limited.header("retry-after")
    person = person_of(scene)
    codes = body_of(scene.post("oauth/device/code", client_id="native"))
    person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    assert "Too many wrong passwords" in log_in(person).text


def test_guessing_from_many_addresses_has_an_end_and_keeps_nobody_out_who_is_known() -> None:
    """[AS-NIST-07]."""
    scene = scene_of()
    assert with_password(scene).status == 200, "this address is known now"
    guess = {"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": "wrong"}
    statuses = [scene.post("oauth/token", peer=f"198.51.100.{number}", **guess).status for number in range(120)]
    assert statuses[:100] == [403] * 100
    assert statuses[100:] == [429] * 20
    assert with_password(scene).status == 200


def test_only_a_trusted_program_names_the_persons_address() -> None:
    """[AS-9700-02]."""
    scene = scene_of()
    asked = {"username": EMAIL, "password": "wrong"}
    trusted = {"grant_type": "password", "client_id": "backend", "client_secret": SECRET.reveal()}
    for _ in range(6):
        last = token(scene, (("auth0-forwarded-for", "203.0.113.5"),), **trusted, **asked)
    assert last.status == 429
    elsewhere = token(scene, (("auth0-forwarded-for", "203.0.113.6"),), **trusted, **asked)
    assert elsewhere.status == 403
    for _ in range(6):
        last = token(
            scene, (("auth0-forwarded-for", "203.0.113.7"),), grant_type="password", client_id="legacy", **asked
        )
    assert last.status == 429, "a public program's word counts for nothing"
    fresh = token(scene, (("auth0-forwarded-for", "203.0.113.8"),), grant_type="password", client_id="legacy", **asked)
    assert fresh.status == 429


def test_without_an_audience_the_token_is_sealed_and_opens_userinfo_alone() -> None:
    members = body_of(with_password(scene_of()))
    header = header_of(members["access_token"])
    assert header == {"alg": "dir", "enc": "A256GCM", "iss": ISSUER}
    assert str(members["access_token"]).split(".")[1] == ""
    assert str(members["access_token"]).count(".") == 4


def bearer(
    scene: Scene, method: str, path: str, shown: object, members: Mapping[str, object] | None = None
) -> Response:
    headers = (("authorization", f"Bearer {shown}"), ("content-type", "application/json"))
    body = b"" if members is None else json.dumps(members).encode()
    return scene.send(Request(method, f"{ISSUER}{path}", headers, body))


def mfa_token(scene: Scene, **parameters: str) -> str:
    response = with_password(scene, **parameters)
    assert response.status == 403
    found = json.loads(response.body)
    assert (found["error"], found["error_description"]) == ("mfa_required", "Multifactor authentication required")
    shown: str = found["mfa_token"]
    return shown


def code_for(scene: Scene, secret: str) -> str:

    return one_time_code(base64.b32decode(secret), step_of(scene.time.now()))


def enrolled(scene: Scene) -> tuple[str, str]:
    """An authenticator's secret and the recovery code that came with it."""
    pending = mfa_token(scene)
    added = body_of(bearer(scene, "POST", "mfa/associate", pending, {"authenticator_types": ["otp"]}))
    assert str(added["barcode_uri"]).startswith("otpauth://totp/Example:person%40example.com?secret=")
    codes = added["recovery_codes"]
    assert isinstance(codes, list)
    secret = str(added["secret"])
    assert len(secret) == 32
    first = token(scene, grant_type=OTP, client_id="legacy", mfa_token=pending, otp=code_for(scene, secret))
    assert first.status == 200
    scene.time.go(timedelta(seconds=30))
    return secret, str(codes[0])


@pytest.fixture
def strict() -> Scene:
    return scene_of(mfa="always", name="Example")


def test_a_first_factor_is_enrolled_and_proven_on_the_way(strict: Scene) -> None:
    secret, recovery = enrolled(strict)
    assert len(recovery) == 24
    assert recovery.isalnum()
    pending = mfa_token(strict, audience=ORDERS)
    done = body_of(token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp=code_for(strict, secret)))
    assert claims_of(done["access_token"])["gty"] == "password"
    again = token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp=code_for(strict, secret))
    assert told(again) == (403, "invalid_grant", "Malformed mfa_token")


def test_the_answer_says_which_factors_there_are(strict: Scene) -> None:
    found = json.loads(with_password(strict).body)
    assert found["mfa_requirements"] == {"enroll": [{"type": "otp"}, {"type": "email"}, {"type": "recovery-code"}]}
    enrolled(strict)
    found = json.loads(with_password(strict).body)
    assert found["mfa_requirements"] == {"challenge": [{"type": "otp"}, {"type": "recovery-code"}]}


def test_a_one_time_code_is_taken_once(strict: Scene) -> None:
    secret, _ = enrolled(strict)
    code = code_for(strict, secret)
    assert token(strict, grant_type=OTP, client_id="legacy", mfa_token=mfa_token(strict), otp=code).status == 200
    again = token(strict, grant_type=OTP, client_id="legacy", mfa_token=mfa_token(strict), otp=code)
    assert told(again) == (403, "invalid_grant", "Invalid otp_code.")


def test_who_has_a_factor_is_asked_for_it_everywhere() -> None:
    """[AS-6749-33]: also where the tenant asks nobody to enrol, and at the pages."""
    strict = scene_of(mfa="always", name="Example")
    secret, _ = enrolled(strict)
    assert with_password(strict).status == 403
    person = person_of(strict)
    codes = body_of(strict.post("oauth/device/code", client_id="native"))
    person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    page = log_in(person)
    assert "One more step" in page.text
    assert "wrong" in person.press("verify", code="000000").text
    strict.time.go(timedelta(seconds=30))
    assert "logged in" in person.press("verify", code=code_for(strict, secret)).text


def test_under_rfc_a_second_factor_ends_the_grant_without_a_word() -> None:
    """[AS-6749-32] [AS-6749-33]."""
    scene = scene_of("rfc", mfa="always")
    assert told(with_password(scene)) == told(with_password(scene, password="wrong"))


def test_an_application_without_the_factor_grants_gets_no_token_for_them(strict: Scene) -> None:
    bare = tuple(replace(one, grants=("password",)) if one == LEGACY else one for one in strict.config.applications)
    found = json.loads(with_password(Scene(replace(strict.config, applications=bare))).body)
    assert found["error"] == "mfa_required"
    assert "mfa_token" not in found


FACTORS: dict[str, tuple[dict[str, str], tuple[int, str, str]]] = {
    "a made-up mfa_token": (
        {"grant_type": OTP, "mfa_token": "Fe26.2*x", "otp": "123456"},
        (403, "invalid_grant", "Malformed mfa_token"),
    ),
    "a wrong code": ({"grant_type": OTP, "otp": "12345"}, (403, "invalid_grant", "Invalid otp_code.")),
    "a wrong message code": (
        {"grant_type": OOB, "oob_code": "Fe26.2*x", "binding_code": "123456"},
        (403, "invalid_grant", "Invalid binding_code."),
    ),
    "no message code": (
        {"grant_type": OOB, "oob_code": "Fe26.2*x"},
        (400, "invalid_request", "Missing required parameter: binding_code"),
    ),
    "a wrong recovery code": (
        {"grant_type": RECOVERY, "recovery_code": "A" * 24},
        (403, "invalid_grant", "MFA Authorization rejected."),
    ),
    "no code": ({"grant_type": OTP}, (400, "invalid_request", "Missing required parameter: otp")),
    "another program's mfa_token": (
        {"grant_type": OTP, "otp": "123456", "client_id": "native"},
        (403, "unauthorized_client", f"Grant type '{OTP}' not allowed for the client."),
    ),
}


@pytest.mark.parametrize("case", FACTORS)
def test_a_second_factor_is_refused_in_auth0s_words(strict: Scene, case: str) -> None:
    parameters, expected = FACTORS[case]
    enrolled(strict)
    own = {"client_id": "legacy", "mfa_token": mfa_token(strict)}
    assert told(token(strict, **{**own, **parameters})) == expected


def test_an_mfa_token_lapses_after_ten_minutes(strict: Scene) -> None:
    pending = mfa_token(strict)
    strict.time.go(timedelta(minutes=10))
    lapsed = token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp="123456")
    assert told(lapsed) == (403, "expired_token", "mfa_token is expired")
    assert told(bearer(strict, "GET", "mfa/authenticators", pending)) == (
        401,
        "invalid_grant",
        "The mfa_token provided is invalid. Try getting a new token.",
    )


def test_ten_wrong_codes_are_enough(strict: Scene) -> None:
    """[AS-6749-13]."""
    enrolled(strict)
    pending = mfa_token(strict)
    tries = [
        token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp="000000").status for _ in range(12)
    ]
    assert tries == [403] * 10 + [429] * 2
    strict.time.go(timedelta(minutes=6))
    assert told(token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp="000000"))[0] == 403


def test_a_recovery_code_works_once_and_brings_the_next_one(strict: Scene) -> None:
    _, recovery = enrolled(strict)
    spaced = f"{recovery[:6]} {recovery[6:].lower()}"
    done = body_of(
        token(strict, grant_type=RECOVERY, client_id="legacy", mfa_token=mfa_token(strict), recovery_code=spaced)
    )
    fresh = str(done["recovery_code"])
    assert fresh != recovery
    for code, status in ((recovery, 403), (fresh, 200)):
        answer = token(strict, grant_type=RECOVERY, client_id="legacy", mfa_token=mfa_token(strict), recovery_code=code)
        assert answer.status == status


def by_email(scene: Scene) -> None:
    pending = mfa_token(scene)
    asked = {"authenticator_types": ["oob"], "oob_channels": ["email"]}
    sent = body_of(bearer(scene, "POST", "mfa/associate", pending, asked))
    assert (sent["authenticator_type"], sent["binding_method"], sent["oob_channel"]) == ("oob", "prompt", "email")
    done = token(
        scene,
        grant_type=OOB,
        client_id="legacy",
        mfa_token=pending,
        oob_code=str(sent["oob_code"]),
        binding_code=mailed(scene),
    )
    assert done.status == 200


def mailed(scene: Scene) -> str:
    mail = scene.outbox.sent[-1]
    assert mail.to == EMAIL
    return mail.text.partition("code is ")[2][:6]


def test_a_code_by_email_is_a_second_factor(strict: Scene) -> None:
    by_email(strict)
    pending = mfa_token(strict)
    listed = json.loads(bearer(strict, "GET", "mfa/authenticators", pending).body)
    assert {one["authenticator_type"] for one in listed} == {"oob", "recovery-code"}
    assert next(one["name"] for one in listed if one["authenticator_type"] == "oob") == "pe****@example.com"
    asked = {"client_id": "legacy", "mfa_token": pending, "challenge_type": "oob"}
    sent = body_of(send_json(strict, "mfa/challenge", asked))
    assert (sent["challenge_type"], sent["binding_method"]) == ("oob", "prompt")
    own = {"grant_type": OOB, "client_id": "legacy", "mfa_token": pending, "oob_code": str(sent["oob_code"])}
    assert told(token(strict, binding_code="0000000", **own))[2] == "Invalid binding_code."
    assert token(strict, binding_code=mailed(strict), **own).status == 200
    assert token(strict, binding_code=mailed(strict), **own).status == 403, "once"


def test_a_code_by_email_lapses_after_five_minutes(strict: Scene) -> None:
    by_email(strict)
    pending = mfa_token(strict)
    sent = body_of(send_json(strict, "mfa/challenge", {"client_id": "legacy", "mfa_token": pending}))
    strict.time.go(timedelta(minutes=5))
    own = {"grant_type": OOB, "client_id": "legacy", "mfa_token": pending, "oob_code": str(sent["oob_code"])}
    assert told(token(strict, binding_code=mailed(strict), **own))[2] == "Invalid binding_code."


def test_a_challenge_is_refused_where_it_cannot_be_met(strict: Scene) -> None:
    own = {"client_id": "legacy", "mfa_token": mfa_token(strict)}
    assert told(send_json(strict, "mfa/challenge", own))[:2] == (400, "association_required")
    assert told(send_json(strict, "mfa/challenge", {**own, "challenge_type": "push"}))[:2] == (
        400,
        "unsupported_challenge_type",
    )
    assert told(send_json(strict, "mfa/challenge", {**own, "mfa_token": "x"}))[:2] == (401, "invalid_grant")
    enrolled(strict)
    own = {"client_id": "legacy", "mfa_token": mfa_token(strict)}
    assert body_of(send_json(strict, "mfa/challenge", own)) == {"challenge_type": "otp"}


def test_an_mfa_token_adds_no_second_authenticator(strict: Scene) -> None:
    enrolled(strict)
    asked = {"authenticator_types": ["otp"]}
    refused = bearer(strict, "POST", "mfa/associate", mfa_token(strict), asked)
    assert told(refused) == (403, "access_denied", "User is already enrolled.")


def test_an_access_token_for_the_mfa_api_manages_factors(strict: Scene) -> None:
    secret, _ = enrolled(strict)
    pending = mfa_token(strict, audience=f"{ISSUER}mfa/", scope="enroll read:authenticators remove:authenticators")
    done = body_of(token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp=code_for(strict, secret)))
    assert done["expires_in"] == 600
    shown = done["access_token"]
    listed = json.loads(bearer(strict, "GET", "mfa/authenticators", shown).body)
    totp = next(one["id"] for one in listed if one["authenticator_type"] == "otp")
    assert totp.startswith("totp|dev_")
    assert bearer(strict, "POST", "mfa/associate", shown, {"authenticator_types": ["otp"]}).status == 200
    assert bearer(strict, "DELETE", f"mfa/authenticators/{totp}", mfa_token(strict)).status == 401
    assert bearer(strict, "DELETE", f"mfa/authenticators/{totp.replace('|', '%7C')}", shown).status == 204
    assert bearer(strict, "DELETE", f"mfa/authenticators/{totp}", shown).status == 404
    elsewhere = body_of(scene_token(strict))["access_token"]
    assert bearer(strict, "GET", "mfa/authenticators", elsewhere).status == 401


def test_a_user_is_told_by_e_mail_of_what_a_program_does_to_the_factors(strict: Scene) -> None:
    """NIST SP 800-63B-4 §4.6: as at the pages."""

    def subject() -> str:
        [mail] = strict.outbox.sent
        strict.outbox.sent.clear()
        return mail.subject

    secret, recovery = enrolled(strict)
    assert subject() == "A second factor was added to your account at Example"
    used = mfa_token(strict)
    assert token(strict, grant_type=RECOVERY, client_id="legacy", mfa_token=used, recovery_code=recovery).status == 200
    assert subject() == "Your recovery code for Example was used"
    strict.time.go(timedelta(seconds=1))  # a token manages no factor that is newer than it
    pending = mfa_token(strict, audience=f"{ISSUER}mfa/", scope="read:authenticators remove:authenticators")
    done = body_of(token(strict, grant_type=OTP, client_id="legacy", mfa_token=pending, otp=code_for(strict, secret)))
    assert strict.outbox.sent == []
    listed = json.loads(bearer(strict, "GET", "mfa/authenticators", done["access_token"]).body)
    totp = next(one["id"] for one in listed if one["authenticator_type"] == "otp")
    assert bearer(strict, "DELETE", f"mfa/authenticators/{totp}", done["access_token"]).status == 204
    assert subject() == "A second factor was removed from your account at Example"


def scene_token(scene: Scene) -> Response:
    return token(
        scene, grant_type="client_credentials", client_id="machine", client_secret=SECRET.reveal(), audience=ORDERS
    )


def test_at_the_pages_everybody_can_set_up_a_factor_where_one_is_due(strict: Scene) -> None:
    person = person_of(strict)
    codes = body_of(strict.post("oauth/device/code", client_id="native"))
    person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    assert "Set up a second factor" in log_in(person).text
    page = person.press("enrol")
    words = page.text.split()
    at = words.index("Then")
    secret = "".join(words[at - 8 : at])
    assert len(secret) == 32
    kept = person.press("verify", code=code_for(strict, secret))
    assert "Keep this recovery code" in kept.text
    assert "logged in" in person.press("kept").text
    strict.time.go(timedelta(seconds=30))
    found = json.loads(with_password(strict).body)
    assert found["mfa_requirements"] == {"challenge": [{"type": "otp"}, {"type": "recovery-code"}]}


def test_the_tenant_says_who_logged_in_and_who_could_not(strict: Scene) -> None:
    """[AS-ASVS-13]: and no password, code or secret stands in the log."""
    secret, recovery = enrolled(strict)
    with_password(strict, password="wrong\r\nsepft")
    kinds = [event["type"] for event in strict.events]
    assert {"fepft", "mfar", "gd_start_enroll", "seotpft"} <= set(kinds)
    log = json.dumps(strict.events)
    for hidden in (PASSWORD, "wrong", secret, recovery):
        assert hidden not in log.replace("wrong e-mail or password", "")


def test_a_password_of_any_length_is_checked_whole() -> None:
    """[AS-NIST-02]."""

    scene = scene_of()
    long = " ".join(["correct horse battery staple"] * 4)
    asyncio.run(scene.tenant.add_user("long@example.com", Secret(long), "Long"))
    assert with_password(scene, username="long@example.com", password=long).status == 200
    assert with_password(scene, username="long@example.com", password=long[:72]).status == 403
