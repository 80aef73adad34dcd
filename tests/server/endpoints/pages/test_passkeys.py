"""Passkeys at the pages: added, used in every login, and refused; with an authenticator that makes real signatures."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from keyfob.login import CodeShown, Notice
from keyfob.protocol.http import Request
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.secret import Secret
from keyfob.serve import ready_config
from keyfob.server.decide.passkey import MOST, id_of
from keyfob.server.endpoints.pages.account import FRESH_FOR
from keyfob.server.endpoints.routes import handle
from keyfob.server.keyed_hash import read_token_bytes
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.person import Page, Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from keyfob.testing.software_authenticator import SoftwareAuthenticator, options_of
from tests.server.endpoints.oauth.test_password import bearer, code_for
from tests.server.endpoints.pages.test_account import ACCOUNT, at_account, enrolled
from tests.server.wires import scene_of, told, with_password

ORIGIN = ISSUER.rstrip("/")


def device() -> SoftwareAuthenticator:
    return SoftwareAuthenticator(ORIGIN)


def add_passkey(person: Person, authenticator: SoftwareAuthenticator, name: str = "Laptop") -> Page:
    """Add a passkey in a session that is logged in."""
    person.open(ACCOUNT)
    page = person.press("passkey")
    return person.press(passkey=authenticator.create(page), name=name)


def with_passkey(scene: Scene, authenticator: SoftwareAuthenticator | None = None) -> SoftwareAuthenticator:
    """Give the user of a scene a passkey."""
    authenticator = authenticator or device()
    assert "The passkey is added" in add_passkey(at_account(scene), authenticator).text
    return authenticator


def at_login(scene: Scene) -> Person:
    person = scene.person()
    person.open(ACCOUNT)
    return person


def factors_of(scene: Scene) -> tuple[Authenticator, ...]:
    user_id = next(event["user_id"] for event in scene.events if event["type"] == "s")
    return asyncio.run(scene.store.read(lambda transaction: transaction.authenticators(str(user_id))))


def stored(scene: Scene) -> list[Authenticator]:
    return [one for one in factors_of(scene) if one.factor == "passkey"]


def why(scene: Scene) -> str:
    """Return the reason of the last refusal in the audit log."""
    refused = [event for event in scene.events if event["type"] == "gd_webauthn_challenge_failed"]
    return str(refused[-1]["description"])


def test_a_passkey_is_added_named_and_shown_once_with_a_recovery_code(scene: Scene) -> None:
    """[AS-ASVS-06]: and its owner is told by e-mail."""
    page = add_passkey(at_account(scene), device(), "  Pat's\n laptop ")
    assert "Passkey: Pat's laptop" in page.text
    assert "Keep this recovery code" in page.text
    assert [mail.subject for mail in scene.outbox.sent] == ["A passkey was added at Example"]
    assert "Name: Pat's laptop" in scene.outbox.sent[0].text
    assert [event["description"] for event in scene.events if event["type"] == "gd_enrollment_complete"] == ["passkey"]
    [saved] = stored(scene)
    assert saved.credential_id is not None
    assert saved.authenticator_id == id_of(saved.credential_id)


def test_a_login_with_a_passkey_needs_neither_a_password_nor_a_code(scene: Scene) -> None:
    """[AS-ASVS-06]: the authenticator verifies its user, so the passkey is two factors at once."""
    authenticator = with_passkey(scene)
    person = at_login(scene)
    page = person.press(passkey=authenticator.get(person.page))
    assert page.url.startswith(ACCOUNT)
    assert EMAIL in page.text
    assert "last used" in page.text
    assert stored(scene)[0].sign_count == 1


def test_a_device_login_is_approved_with_a_passkey(scene: Scene) -> None:
    authenticator = with_passkey(scene)

    def approve(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            person = scene.person()
            person.open(notice.verification_uri)
            person.press("continue", user_code=notice.user_code)
            page = person.press("confirm")
            assert "Approve with a passkey" in page.text
            person.press(passkey=authenticator.get(page))

    assert scene.app(approve).log_in().person == EMAIL


def test_an_authorization_request_is_answered_after_a_passkey(scene: Scene) -> None:
    authenticator = with_passkey(scene)
    asked = {
        "client_id": READY_CLIENT_ID, "redirect_uri": "http://127.0.0.1:8484/callback", "response_type": "code",
        "scope": "openid read:orders", "audience": READY_AUDIENCE, "state": "x",
        "code_challenge": challenge_of(Secret("x" * 43)), "code_challenge_method": "S256",
    }  # fmt: skip
    person = scene.person()
    page = person.open(f"{ISSUER}authorize?{urlencode(asked)}")
    page = person.press(passkey=authenticator.get(page))
    assert page.url.startswith(f"{ISSUER}u/consent")
    assert "wants to sign in" in page.text


def test_a_password_alone_no_longer_opens_an_account_with_a_passkey(scene: Scene) -> None:
    """With `mfa = "enrolled"`, the usual: a passkey is a second factor of its own."""
    authenticator = with_passkey(scene)
    page = at_account(scene).page
    assert page.url.startswith(f"{ISSUER}u/mfa")
    assert EMAIL not in page.text
    person = at_account(scene)
    assert [one["id"] for one in options_of(person.page)["allowCredentials"]] != []
    page = person.press(passkey=authenticator.get(person.page))
    assert page.url.startswith(ACCOUNT)


def test_a_tenant_that_demands_a_second_factor_is_content_with_a_passkey() -> None:
    scene = Scene(replace(ready_config(ISSUER), mfa="always", name="Example"))
    person = scene.person()
    enrolled(scene, person)
    authenticator = device()
    add_passkey(person, authenticator)
    other = at_login(scene)
    assert EMAIL in other.press(passkey=authenticator.get(other.page)).text


def test_a_used_challenge_is_refused(scene: Scene) -> None:
    """[AS-ASVS-06]: who records a login cannot repeat it, in the same browser neither."""
    authenticator = with_passkey(scene, SoftwareAuthenticator(ORIGIN, has_counter=False))
    person = at_login(scene)
    before, cookies, answer = person.page, dict(person.cookies), authenticator.get(person.page)
    assert EMAIL in person.press(passkey=answer).text
    person.page, person.cookies = before, cookies
    page = person.press(passkey=answer)
    assert page.url.startswith(f"{ISSUER}u/login")
    assert "opens no account here" in page.text
    assert why(scene) == "the challenge was used before"


def test_an_answer_for_another_page_or_browser_is_refused(scene: Scene) -> None:
    """The challenge belongs to one login in one browser session."""
    authenticator = with_passkey(scene)
    victim, attacker = at_login(scene), at_login(scene)
    answer = authenticator.get(victim.page)
    assert "opens no account here" in attacker.press(passkey=answer).text
    assert why(scene) == "the signature does not fit the challenge or the page"


def test_an_answer_of_another_origin_is_refused(scene: Scene) -> None:
    """A phisher's page that relays the challenge gets an answer that names the phisher."""
    authenticator = with_passkey(scene)
    authenticator.origin = "https://login.example.evil.example"
    person = at_login(scene)
    assert "opens no account here" in person.press(passkey=authenticator.get(person.page)).text


def test_an_authenticator_that_did_not_verify_its_user_is_refused(scene: Scene) -> None:
    authenticator = with_passkey(scene)
    authenticator.verifies_user = False
    person = at_login(scene)
    assert "opens no account here" in person.press(passkey=authenticator.get(person.page)).text
    page = at_account(scene)
    assert "/u/mfa" in page.page.url
    assert "opens no account here" in page.press(passkey=authenticator.get(page.page)).text
    weak = Scene()
    person = at_account(weak)
    assert "could not be added" in add_passkey(person, SoftwareAuthenticator(ORIGIN, verifies_user=False)).text


def test_a_copied_passkey_is_noticed_by_its_counter(scene: Scene) -> None:
    """WebAuthn §6.1.1: of two copies, the one that was used less is refused, and the audit log says why."""
    authenticator = with_passkey(scene)
    copy = deepcopy(authenticator)
    for _ in range(2):
        person = at_login(scene)
        person.press(passkey=authenticator.get(person.page))
    person = at_login(scene)
    assert "opens no account here" in person.press(passkey=copy.get(person.page)).text
    assert "may have been copied" in why(scene)
    assert stored(scene)[0].sign_count == 2


def test_a_passkey_without_a_counter_is_used_again_and_again(scene: Scene) -> None:
    authenticator = with_passkey(scene, SoftwareAuthenticator(ORIGIN, has_counter=False))
    for _ in range(3):
        person = at_login(scene)
        assert EMAIL in person.press(passkey=authenticator.get(person.page)).text


def test_a_removed_passkey_opens_nothing(scene: Scene) -> None:
    """And its owner is told by e-mail. The recovery code goes with it, since it stands in for nothing any more."""
    authenticator, person = device(), at_account(scene)
    add_passkey(person, authenticator)
    page = person.press("remove")
    assert "The passkey is removed" in page.text
    assert "There is none" in page.text
    assert scene.outbox.sent[-1].subject == "A passkey was removed at Example"
    other = at_login(scene)
    assert "opens no account here" in other.press(passkey=authenticator.get(other.page)).text
    assert why(scene) == "unknown passkey"


def test_an_altered_answer_is_refused(scene: Scene) -> None:
    authenticator = with_passkey(scene)
    person = at_login(scene)
    good = json.loads(authenticator.get(person.page))
    handle = dict(good["response"], userHandle="AAAA")
    none = {name: value for name, value in good["response"].items() if name != "userHandle"}
    signature = dict(good["response"], signature=good["response"]["signature"][::-1])
    for response in (handle, none, signature):
        assert "opens no account here" in person.press(passkey=json.dumps({**good, "response": response})).text
        good["response"] = json.loads(authenticator.get(person.page))["response"]
        none = {name: value for name, value in good["response"].items() if name != "userHandle"}
        signature = dict(good["response"], signature=good["response"]["signature"][::-1])
    assert stored(scene)[0].sign_count == 0


@pytest.mark.parametrize(
    "answer", ["", "x", "{}", "[]", '{"id": 1}', '{"id": "é"}', '{"id": "AAAA"}', '{"id": "AAAA", "response": []}']
)
def test_what_is_no_answer_is_refused(scene: Scene, answer: str) -> None:
    person = at_login(scene)
    page = person.press(passkey=answer)
    assert page.status == 403
    assert "opens no account here" in page.text
    assert person.press("login", email=EMAIL, password=PASSWORD).url.startswith(ACCOUNT)
    page = person.press("passkey")
    assert "could not be added" in person.press(passkey=answer, name="x").text
    assert stored(scene) == []


def test_a_blocked_user_does_not_log_in_with_a_passkey(scene: Scene) -> None:
    authenticator = with_passkey(scene)

    async def block() -> None:
        async def work(transaction: Transaction) -> None:
            user = await transaction.user_by_email(EMAIL)
            assert user is not None
            await transaction.save_user(replace(user, is_blocked=True))

        await scene.store.write(work)

    asyncio.run(block())
    person = at_login(scene)
    assert "opens no account here" in person.press(passkey=authenticator.get(person.page)).text


def test_a_passkey_is_added_only_soon_after_a_login(scene: Scene) -> None:
    """[AS-ASVS-06]: an open browser is not enough, at the page itself neither."""
    person, authenticator = at_account(scene), device()
    page = person.press("passkey")
    scene.time.go(FRESH_FOR + timedelta(seconds=1))
    page = person.press(passkey=authenticator.create(page), name="x")
    assert "log in once more" in page.text
    assert stored(scene) == []
    page = person.press("login", email=EMAIL, password=PASSWORD)
    assert page.url.startswith(ACCOUNT)
    assert "The passkey is added" in add_passkey(person, authenticator).text


def test_who_knows_the_password_alone_changes_no_factor_where_none_is_asked_for() -> None:
    """With `mfa = "never"` too, factors are changed by who has proven one."""
    scene = Scene(replace(ready_config(ISSUER), mfa="never", name="Example"))
    authenticator, owner = device(), at_account(scene)
    add_passkey(owner, authenticator)
    thief = at_account(scene)
    assert thief.page.url.startswith(ACCOUNT)
    for button in ("passkey", "remove", "recovery"):
        thief.open(ACCOUNT)
        assert "log in once more" in thief.press(button).text
        assert thief.press("login", email=EMAIL, password=PASSWORD).url.startswith(f"{ISSUER}u/mfa")
    assert thief.press(passkey=authenticator.get(thief.page)).url.startswith(ACCOUNT)
    assert "The passkey is removed" in thief.press("remove").text


def test_an_authenticator_is_asked_for_one_passkey_of_an_account(scene: Scene) -> None:
    authenticator, person = device(), at_account(scene)
    add_passkey(person, authenticator)
    person.open(ACCOUNT)
    excluded = options_of(person.press("passkey"))["excludeCredentials"]
    assert len(excluded) == 1
    for _ in range(MOST - 1):
        add_passkey(person, device(), "")
    assert len(stored(scene)) == MOST
    assert "as many passkeys" in add_passkey(person, device()).text
    assert len(stored(scene)) == MOST


def test_a_registration_that_is_sent_twice_adds_one_passkey(scene: Scene) -> None:
    authenticator, person = device(), at_account(scene)
    page = person.press("passkey")
    answer = authenticator.create(page)
    person.press(passkey=answer, name="One")
    person.page = page
    assert "page was too old" in person.press(passkey=answer, name="Two").text
    assert [one.name for one in stored(scene)] == ["One"]


def test_two_registrations_of_one_page_at_once_add_one_passkey(scene: Scene) -> None:
    """Both are sent before either is answered: the challenge is used once, and the session goes on once."""
    person = at_account(scene)
    page = person.press("passkey")
    forms = [{**page.forms[0].values, "passkey": device().create(page), "name": name} for name in ("One", "Two")]
    headers = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", "; ".join(f"{name}={value}" for name, value in person.cookies.items())),
    )
    requests = [Request("POST", f"{ACCOUNT}/passkey", headers, urlencode(form).encode()) for form in forms]

    async def both() -> None:
        await asyncio.gather(*(handle(scene.tenant._site, request) for request in requests))

    asyncio.run(both())
    assert len(stored(scene)) == 1


def test_a_passkey_that_another_account_has_is_refused(scene: Scene) -> None:
    """WebAuthn §7.1 step 26: else a login with it could mean either."""
    person = at_account(scene)
    answer = device().create(person.press("passkey"))
    name = id_of(read_token_bytes(json.loads(answer)["id"]))
    theirs = Authenticator(name, "auth0|another", "passkey", b"", scene.time.now(), is_active=True)
    asyncio.run(scene.store.write(lambda transaction: transaction.save_authenticator(theirs)))
    assert "in use already" in person.press(passkey=answer, name="x").text
    assert stored(scene) == []


def test_a_new_first_passkey_ends_what_the_password_has_opened(scene: Scene) -> None:
    """[AS-ASVS-10]: as any first second factor does; this browser stays."""
    other, person = at_account(scene), at_account(scene)
    add_passkey(person, device())
    assert "/u/login" in other.open(ACCOUNT).url
    assert person.open(ACCOUNT).url == ACCOUNT


def test_a_person_chooses_among_several_factors(scene: Scene) -> None:
    """The page of its own: passkey, authenticator, recovery code; and back."""
    person = scene.person()
    secret = enrolled(scene, person)
    authenticator = device()
    assert "The passkey is added" in add_passkey(person, authenticator).text
    person = at_account(scene)
    assert "Choose how you prove that it is you." in person.page.text
    page = person.press("otp")
    assert "from your authenticator" in page.text
    assert "Choose how" in person.press("other").text
    page = person.press("recovery-code")
    assert "Enter your recovery code" in page.text
    assert "wrong, too old" in person.press("verify", code="000000").text
    assert "Choose how" in person.press("other").text
    person.press("otp")
    scene.time.go(timedelta(seconds=30))
    assert person.press("verify", code=code_for(scene, secret)).url.startswith(ACCOUNT)


def test_a_recovery_code_opens_what_a_lost_passkey_would(scene: Scene) -> None:
    """And its owner is told by e-mail that it was used."""
    page = add_passkey(at_account(scene), device())
    words = page.text.split()
    at = words.index("Example", words.index("Recovery"))
    code = "".join(words[at + 1 : at + 7])
    person = at_account(scene)
    person.press("recovery-code")
    page = person.press("verify", code=code)
    assert "Keep this recovery code" in page.text
    assert "recovery code" in scene.outbox.sent[-1].subject


def test_the_script_is_the_only_one_and_runs_only_where_it_is_needed(scene: Scene) -> None:
    """The policy names its address. Pages without passkeys allow no script at all."""
    page = at_login(scene).page
    assert f"script-src {ORIGIN}/assets/passkey.js;" in str(page.response.header("content-security-policy"))
    answer = scene.send(Request("GET", f"{ISSUER}assets/passkey.js"))
    assert answer.status == 200
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("x-content-type-options") == "nosniff"
    other = scene.person().open(f"{ISSUER}activate")
    assert "script-src" not in str(other.response.header("content-security-policy"))
    assert b"<script" not in other.response.body


@pytest.mark.parametrize(
    ("issuer", "factors"),
    [
        ("http://127.0.0.1:8080/", ("passkey", "otp")),
        ("https://192.0.2.1/", ("passkey", "otp")),
        (ISSUER, ("otp", "recovery-code")),
    ],
)
def test_where_there_are_no_passkeys_no_page_speaks_of_them(issuer: str, factors: tuple[str, ...]) -> None:
    scene = Scene(replace(ready_config(issuer), factors=factors, name="Example"))  # type: ignore[arg-type]
    person = scene.person()
    page = person.open(f"{issuer}account")
    assert "passkey" not in page.response.body.decode()
    page = person.press("login", email=EMAIL, password=PASSWORD)
    assert "passkey" not in page.response.body.decode()
    assert person.open(f"{issuer}account/passkey").url == f"{issuer}account"


def test_the_password_grant_and_the_mfa_api_know_no_passkeys() -> None:
    """A program cannot use one. It does not count as none either: a password alone adds no second factor."""
    scene = scene_of(mfa="enrolled", name="Example")
    add_passkey(at_account(scene), device())
    answer = json.loads(with_password(scene).body)
    assert answer["mfa_requirements"] == {"challenge": [{"type": "recovery-code"}]}
    pending = answer["mfa_token"]
    listed = json.loads(bearer(scene, "GET", "mfa/authenticators", pending).body)
    assert [one["authenticator_type"] for one in listed] == ["recovery-code"]
    refused = bearer(scene, "POST", "mfa/associate", pending, {"authenticator_types": ["otp"]})
    assert told(refused) == (403, "access_denied", "User is already enrolled.")


@pytest.mark.parametrize("is_by_passkey", [True, False])
def test_a_person_with_a_passkey_sets_up_an_authenticator_after_proving_the_passkey(
    scene: Scene, *, is_by_passkey: bool
) -> None:
    """The recovery code that came with the passkey stays, and no second one is made."""
    authenticator = with_passkey(scene)
    person = scene.person()
    person.open(f"{ISSUER}u/enrol")
    if not is_by_passkey:
        page = person.press("login", email=EMAIL, password=PASSWORD)
        assert "Choose how" in page.text
    page = person.press(passkey=authenticator.get(person.page))
    assert "Set up a second factor" in page.text
    words = person.press("enrol").text.split()
    at = words.index("Then")
    page = person.press("verify", code=code_for(scene, "".join(words[at - 8 : at])))
    assert "Your second factor is set up" in page.text
    assert scene.outbox.sent[-1].subject == "A second factor was added to your account at Example"
    page = person.open(ACCOUNT)
    assert "Passkey: Laptop" in page.text
    assert "Authenticator since" in page.text
    assert page.text.count("Recovery code since") == 1


def test_a_password_alone_does_not_set_up_an_authenticator_beside_a_passkey(scene: Scene) -> None:
    with_passkey(scene)
    thief = scene.person()
    thief.open(f"{ISSUER}u/enrol")
    page = thief.press("login", email=EMAIL, password=PASSWORD)
    assert "Choose how" in page.text
    for button in ("enrol", "verify", "otp"):
        form = next(form for form in page.forms if "state" in form.values)
        body = urlencode({**form.values, "button": button, "code": "000000"}).encode()
        cookies = "; ".join(f"{name}={value}" for name, value in thief.cookies.items())
        headers = (("content-type", "application/x-www-form-urlencoded"), ("cookie", cookies))
        scene.send(Request("POST", f"{ISSUER}u/mfa", headers, body))
    assert [one.factor for one in factors_of(scene)] == ["passkey", "recovery-code"]
