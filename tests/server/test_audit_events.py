"""Every event has a code of the table, members of the table, and no secret; the page about them is complete."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import cast, get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

from keyfob.protocol.http import Request, Response, form_request
from keyfob.server.audit_event import CODES, LIMIT_CODES, LONGEST, MEMBERS, OWN_PREFIX, write_event
from keyfob.server.ports import Limit
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.testing.example_tenant import ORDERS, SECRET, WEB_CALLBACK
from keyfob.testing.fake_time import NOON
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from keyfob.testing.software_authenticator import SoftwareAuthenticator
from tests.server.endpoints.oauth.test_password import (
    OOB,
    OTP,
    RECOVERY,
    bearer,
    by_email,
    code_for,
    enrolled,
    mfa_token,
)
from tests.server.wires import (
    address_of,
    approve,
    as_machine,
    body_of,
    code_of,
    device_codes,
    log_in,
    person_of,
    poll,
    redeem,
    scene_of,
    text_of,
    token,
    with_password,
)
from tools.source import ROOT, modules

# What commands, `keyfob serve`, its queue and a broken mail server write; other tests see them.
NEW_PASSWORD = "seven quiet otters paint the harbour"
OF_COMMANDS = {"sapi", "ss", "scp", "sdu", "keyfob_start", "keyfob_stop", "keyfob_lost", "gd_send_email_failure",
               "keyfob_notice_failure"}  # fmt: skip
MEMBERS_OF_REQUESTS = ("log_id", "date", "type", "outcome", "ip", "request_id")
SECRET_FIELDS = {
    "password", "client_secret", "code", "device_code", "user_code", "refresh_token", "access_token", "id_token",
    "code_verifier", "mfa_token", "otp", "oob_code", "binding_code", "recovery_code", "recovery_codes", "secret",
    "token", "csrf", "state", "barcode_uri", "verification_uri_complete", "link", "current", "number",
    "passkey",
}  # fmt: skip


def secrets_of(text: str, kind: str) -> Iterator[str]:
    """Yield the secrets of a body or of a query."""
    if kind == "application/json":
        found: object = json.loads(text or "null")
        pairs = cast("dict[str, object]", found).items() if isinstance(found, dict) else ()
    else:
        pairs = parse_qsl(text)
    for name, value in pairs:
        if name in SECRET_FIELDS:
            yield from cast("list[str]", value) if isinstance(value, list) else [str(value)]


def watch(scene: Scene) -> set[str]:
    """Return a set that grows with every secret that the scene sends or is sent."""
    found = {PASSWORD, SECRET.reveal()}
    send = scene.pair.send

    def watched(request: Request) -> Response:
        answer = send(request)
        for headers, body in ((request.headers, request.body), (answer.headers, answer.body)):
            kind = dict(headers).get("content-type", "").partition(";")[0]
            if kind in {"application/json", "application/x-www-form-urlencoded"}:
                found.update(secrets_of(body.decode(), kind))
            for name, value in headers:
                if name in {"authorization", "dpop"}:
                    found.add(value.partition(" ")[2] or value)
                if name in {"cookie", "set-cookie"}:
                    found.update(part.partition("=")[2] for part in value.split("; ") if len(part) > 30)
                if name == "location":
                    found.update(secrets_of(urlsplit(value).query, "query"))
        found.update(secrets_of(urlsplit(request.url).query, "query"))
        return answer

    scene.pair.send = watched  # type: ignore[method-assign]
    return found


def logins(scene: Scene) -> None:
    """Device logins, browser logins, machines, refreshes and revocations, right and wrong."""
    codes = device_codes(scene, scope="openid offline_access", audience=ORDERS)
    poll(scene, "unknown-device-code")
    approve(scene, codes)
    scene.time.go(timedelta(seconds=6))
    first = text_of(poll(scene, codes["device_code"]), "refresh_token")
    refresh = {"grant_type": "refresh_token", "client_id": "native"}
    second = text_of(token(scene, **refresh, refresh_token=first), "refresh_token")
    token(scene, **refresh, refresh_token="v1.unreadable-refresh-token")
    third = text_of(token(scene, **refresh, refresh_token=second), "refresh_token")
    token(scene, **refresh, refresh_token=first)
    token(scene, **refresh, refresh_token=third)
    person = person_of(scene)
    person.open(str(device_codes(scene)["verification_uri_complete"]))
    person.press("decline")
    person.open(f"{ISSUER}activate?user_code=BBBB-BBBB")
    scene.post("oauth/device/code", client_id="machine")
    person = person_of(scene)
    answer = redeem(scene, code_of(scene, person, scope="openid offline_access", audience=ORDERS))
    scene.post("oauth/revoke", client_id="native", token=text_of(answer, "refresh_token"))
    scene.post("oauth/revoke", client_id="native", token=text_of(answer, "access_token"))
    again = code_of(scene, person)
    redeem(scene, again)
    redeem(scene, again)
    person.open(address_of(client_id="web", redirect_uri=WEB_CALLBACK, prompt="none"))
    person.open(f"{ISSUER}v2/logout")
    person.open(address_of(prompt="none"))
    person.open(address_of(response_type="token"))
    as_machine(scene, audience=ORDERS)
    as_machine(scene, audience="https://nowhere.example")
    as_machine(scene, client_secret="a wrong secret of a client")
    with_password(scene)
    person = person_of(scene)
    person.open(address_of())
    for email in (EMAIL, "nobody@example.com"):
        log_in(person, email=email, password="a wrong password of a user")


def limits(scene: Scene) -> None:
    for number in range(120):
        scene.time.go(timedelta(seconds=1))
        with_password(scene, username=f"nobody{number % 60}@example.com", password="a wrong password of a user")
    for _ in range(10):
        scene.send(_with_peer_password(), peer="198.51.100.3")
    for _ in range(40):
        person = person_of(scene)
        person.open(f"{ISSUER}activate?user_code=CCCC-CCCC")


def _with_peer_password() -> Request:
    own = {"grant_type": "password", "client_id": "legacy"}
    fields = {**own, "username": EMAIL, "password": "a wrong password of a user"}
    return form_request(f"{ISSUER}oauth/token", fields)


def factors(scene: Scene) -> None:
    """Second factors, by the MFA API and at the pages, right and wrong."""
    secret, recovery = enrolled(scene)
    for wrong in (
        {"grant_type": OTP, "otp": "000000"},
        {"grant_type": RECOVERY, "recovery_code": "A" * 24},
        {"grant_type": OOB, "oob_code": "unknown-oob-code", "binding_code": "12345678"},
    ):
        token(scene, client_id="legacy", mfa_token=mfa_token(scene), **wrong)
    with_password(scene, password="a wrong password of a user")
    scene.time.go(timedelta(minutes=5))
    person = person_of(scene)
    person.open(address_of())
    log_in(person)
    person.press("verify", code="111111")
    person.press("verify", code=code_for(scene, secret))
    scene.time.go(timedelta(seconds=60))
    done = token(scene, grant_type=RECOVERY, client_id="legacy", mfa_token=mfa_token(scene), recovery_code=recovery)
    fresh = str(body_of(done)["recovery_code"])
    person = person_of(scene)
    person.open(address_of())
    log_in(person)
    person.press("verify", code=fresh)
    removing = mfa_token(scene, audience=f"{ISSUER}mfa/", scope="read:authenticators remove:authenticators")
    scene.time.go(timedelta(minutes=1))
    right = code_for(scene, secret)
    answer = token(scene, client_id="legacy", mfa_token=removing, grant_type=OTP, otp=right)
    shown = text_of(answer, "access_token")
    listed = json.loads(bearer(scene, "GET", "mfa/authenticators", shown).body)
    [totp] = [one["id"] for one in listed if one["authenticator_type"] == "otp"]
    bearer(scene, "DELETE", f"mfa/authenticators/{totp}", shown)


def factors_of_pages(scene: Scene) -> None:
    """An authenticator that is enrolled at the page, and too many wrong codes."""
    person = person_of(scene)
    person.open(address_of())
    log_in(person)
    page = person.press("enrol")
    secret = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", page.text)
    assert secret is not None
    person.press("verify", code=code_for(scene, secret[0].replace(" ", "")))
    for _ in range(30):
        token(scene, client_id="legacy", mfa_token=mfa_token(scene), grant_type=OTP, otp="000000")


def factors_by_email(scene: Scene) -> None:
    by_email(scene)


def accounts(scene: Scene) -> None:
    """The page of the account, and the links in e-mails."""
    person = scene.person()
    for email in ("nobody@example.com", EMAIL):
        person.open(f"{ISSUER}u/forgot")
        person.press("send", email=email)
    person.open(link_of(scene))
    person.press("save", password=NEW_PASSWORD)
    person.press("login", email=EMAIL, password=NEW_PASSWORD)
    person.press("name", name="Pat")
    user = asyncio.run(scene.store.read(lambda transaction: transaction.user_by_email(EMAIL)))
    assert user is not None
    doubted = replace(user, email_verified=False)
    asyncio.run(scene.store.write(lambda transaction: transaction.save_user(doubted)))
    person.open(f"{ISSUER}account")
    person.press("confirm")
    person.open(link_of(scene))
    person.press("confirm")
    person.open(f"{ISSUER}account")
    person.press("logout")


def link_of(scene: Scene) -> str:
    """Return the newest link in an e-mail."""
    return next(
        found[0] for mail in reversed(scene.outbox.sent) if (found := re.search(r"https://\S+link=\S+", mail.text))
    )


def devices_elsewhere(scene: Scene) -> None:
    """A device login that is undone by its link, and one from a network whose logins are refused."""
    person = person_of(scene)
    person.open(str(device_codes(scene)["verification_uri_complete"]))
    person.press("confirm")
    log_in(person)
    [link] = re.findall(r"/u/end\?link=[\w-]+", scene.outbox.sent[-1].text)
    person.open(f"{ISSUER[:-1]}{link}")
    person.press("end")
    site = scene.tenant._site
    site.reconfigure(replace(site.config, device=DeviceRules("deny")), site.tenant_keys)
    scene.pair.peer, before = "198.51.100.66", scene.pair.peer
    codes = device_codes(scene)
    scene.pair.peer = before
    person.open(str(codes["verification_uri_complete"]))
    person.page.forms[0].buttons.append(("button", "confirm"))
    person.press("confirm")


def passkeys(scene: Scene) -> None:
    """A passkey that is added, used and removed, and answers of none."""
    person, authenticator = scene.person(), SoftwareAuthenticator(ISSUER.rstrip("/"))
    person.open(f"{ISSUER}account")
    person.press(passkey="{}")
    log_in(person)
    person.press("passkey")
    person.press(passkey="{}", name="Laptop")
    person.press(passkey=authenticator.create(person.page), name="Laptop")
    person.cookies.clear()
    page = person.open(f"{ISSUER}account")
    person.press(passkey=authenticator.get(page))
    person.press("remove")


def told(scene: Scene) -> set[str]:
    return {str(event["type"]) for event in scene.events}


@pytest.fixture(scope="module")
def stories() -> list[tuple[Scene, set[str]]]:
    found: list[tuple[Scene, set[str]]] = []
    chosen = (logins, limits, factors, factors_of_pages, factors_by_email, accounts, devices_elsewhere, passkeys)
    for story in chosen:
        scene = scene_of(name="Example", mfa="always" if "factors" in story.__name__ else "enrolled")
        secrets = watch(scene)
        story(scene)
        found.append((scene, secrets))
    return found


def test_no_secret_of_any_story_is_in_an_event(stories: list[tuple[Scene, set[str]]]) -> None:
    """[FS-18] [AS-ASVS-13]: neither what users and programs send nor what they are given."""
    for scene, secrets in stories:
        assert len(secrets) > 5
        for event in scene.events:
            values = [str(value) for name, value in event.items() if name not in {"log_id", "request_id", "date"}]
            for secret in secrets:
                assert len(secret) < 6 or secret not in " ".join(values), event


def test_every_event_has_the_members_of_the_table(stories: list[tuple[Scene, set[str]]]) -> None:
    """[FS-18]: in their order, as text of limited length, with the outcome of its code."""
    for scene, _ in stories:
        for event in scene.events:
            assert list(event) == [name for name in MEMBERS if name in event]
            least = MEMBERS_OF_REQUESTS[:4] if event["type"] == "depnote" else MEMBERS_OF_REQUESTS
            assert set(least) <= set(event)
            assert event["outcome"] == CODES[str(event["type"])].outcome
            assert all(isinstance(value, str) and 0 < len(value) <= LONGEST for value in event.values())


def test_the_stories_see_every_code_of_a_tenant(stories: list[tuple[Scene, set[str]]]) -> None:
    """[FS-18]: so the table has none that does not occur."""
    seen = set[str]().union(*(told(scene) for scene, _ in stories))
    assert set(CODES) - seen - OF_COMMANDS == set()


def test_an_event_of_issued_tokens_names_the_login_as_its_tokens_do(stories: list[tuple[Scene, set[str]]]) -> None:
    """[FS-18]: so that all that a login did can be found, and it can be ended."""
    issuing = {"sede", "seacft", "sepft", "sertft", "ferrt", "seotpft", "sercft"}
    for scene, _ in stories:
        for event in scene.events:
            if event["type"] in issuing:
                assert re.fullmatch("[0-9a-f]{32}", str(event["login_id"])), event
                assert event["user_id"]


def test_a_caller_cannot_forge_a_line_or_a_member() -> None:
    """[FS-18] [AS-ASVS-13]."""
    event = write_event("f", NOON, "1", {"user_agent": 'a\r\n{"type": "s"}\x1b[2J', "type": "s", "outcome": "success"})
    assert (event["type"], event["outcome"]) == ("f", "failure")
    assert str(event["user_agent"]).isprintable()


def test_the_source_writes_every_code_and_no_other() -> None:
    """[FS-18]."""
    source = "\n".join(module.text for module in modules() if module.place != "server/audit_event.py")
    written = set(re.findall(r'(?:site|call|registry|tenant)\.(?:note|record)\(\s*"(\w+)"', source))
    assert written <= set(CODES)
    named = {code for code in CODES if f'"{code}"' in source}
    assert set(CODES) == named | set(LIMIT_CODES.values())
    assert set(get_args(Limit)) == set(LIMIT_CODES)


def test_the_page_lists_every_code_and_member() -> None:
    """[FS-18]: docs/audit.md is checked against the code."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    for code, (outcome, means) in CODES.items():
        own = " (keyfob's own)" if code.startswith(OWN_PREFIX) else ""
        assert f"| `{code}` | {outcome} | {means}{own} |\n" in page
    for name, text in MEMBERS.items():
        assert f"| `{name}` | {text} |\n" in page
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert listed == [*MEMBERS, *CODES]
