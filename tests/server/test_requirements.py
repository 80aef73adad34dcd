"""Requirements that are about the whole server: its secrets, the risks of device logins, and what ends with what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.protocol.grants import JWT_BEARER, TOKEN_EXCHANGE
from keyfob.protocol.http import Request, form_request
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.ports import Work
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.testing.example_tenant import NATIVE, ORDERS, SECRET, WEB, WEB_CALLBACK
from keyfob.testing.scene import EMAIL, ISSUER, Scene
from tests.server.wires import (
    address_of,
    approve,
    basic,
    body_of,
    code_of,
    device_codes,
    landed,
    log_in,
    person_of,
    poll,
    redeem,
    scene_of,
    text_of,
)

OFFLINE = "openid offline_access read:orders"
LEAST = 27  # characters of base64url for 160 bits
ROUNDS = 20


class RealRandom:
    """The fake clock of a scene, with the random bytes of the operating system."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def now(self) -> datetime:
        return self._scene.time.now()

    def random(self, size: int) -> bytes:
        return SystemSurroundings().random(size)


def issued(scene: Scene) -> Iterator[tuple[str, str]]:
    """Yield one secret of each kind, with the name of the kind."""
    yield "device code", str(device_codes(scene)["device_code"])
    person = person_of(scene)
    code = code_of(scene, person, scope=OFFLINE, audience=ORDERS)
    yield "authorization code", code
    yield "refresh token", text_of(redeem(scene, code), "refresh_token")
    yield "session", next(iter(person.cookies.values()))
    yield "csrf token", person_of(scene).open(f"{ISSUER}activate").forms[0].values["csrf"]
    pushed = form_request(f"{ISSUER}oauth/par", dict(parse_qsl(urlsplit(address_of()).query)))
    yield "request uri", json.loads(scene.send(pushed).body)["request_uri"].rpartition(":")[2]


def test_no_secret_can_be_guessed() -> None:
    """[AS-6749-12] OWASP ASVS 11.5.1: 160 bits and more, no two alike, and no constant part."""
    scene = scene_of(device_requests=1000)
    scene.tenant._site.surroundings = RealRandom(scene)
    found: dict[str, list[str]] = {}
    for _ in range(ROUNDS):
        for kind, secret in issued(scene):
            found.setdefault(kind, []).append(secret)
        scene.time.go(timedelta(minutes=1))
    assert len(found) == 6
    for kind, secrets in found.items():
        assert len(set(secrets)) == ROUNDS, kind
        tails = [secret[-LEAST:] for secret in secrets]
        assert all(re.fullmatch(rf"[\w-]{{{LEAST}}}", tail) for tail in tails), kind
        # The last letter of base64url may have few values.
        assert all(len({tail[at] for tail in tails}) > 5 for at in range(LEAST - 1)), kind


def test_what_the_pages_carry_cannot_be_changed() -> None:
    """[AS-6749-12]: the encrypted login in the address is authenticated as a whole."""
    scene = scene_of()
    person = person_of(scene)
    state = person.open(address_of()).url.partition("state=")[2]
    assert person.open(f"{ISSUER}u/login?state={state}").status == 200
    for at in range(0, len(state), 7):
        changed = f"{state[:at]}{'A' if state[at] != 'A' else 'B'}{state[at + 1 :]}"
        assert person.open(f"{ISSUER}u/login?state={changed}").status == 400, at


# The risks of device logins (docs/phishing.md)


def test_a_client_that_is_not_allowed_device_logins_gets_no_code() -> None:
    """[AS-10027-01]: clients are listed for the grant one by one (RFC 10027 §6.1.8)."""
    scene = scene_of()
    assert scene.post("oauth/device/code", client_id="native").status == 200
    assert scene.post("oauth/device/code", client_id="web").status == 403


def test_a_code_is_short_lived_works_once_and_few_are_given_to_one_network() -> None:
    """[AS-10027-01] (RFC 10027 §6.1.2, §6.1.3, §6.1.11)."""
    scene = scene_of()
    codes = device_codes(scene)
    assert codes["expires_in"] == 900
    approve(scene, codes)
    assert poll(scene, codes["device_code"]).status == 200
    assert poll(scene, codes["device_code"]).status == 403
    late = device_codes(scene)
    scene.time.go(timedelta(minutes=15))
    assert b"code is waiting" not in person_of(scene).open(str(late["verification_uri_complete"])).response.body
    assert json.loads(poll(scene, late["device_code"]).body)["error"] == "expired_token"
    statuses = [
        scene.post("oauth/device/code", client_id="native").status for _ in range(scene.config.device_requests + 2)
    ]
    assert statuses[0] == 200
    assert statuses[-1] == 429


def test_an_approval_across_networks_is_worth_less_is_told_and_can_be_undone() -> None:
    """[AS-10027-01]: limited scopes, detection and revocation (RFC 10027 §6.1.4, §6.1.9, §6.1.10)."""
    rules = DeviceRules(far_lifetime=timedelta(hours=1), far_scopes=("openid", "read:orders"))
    config = scene_of().config
    scene = Scene(replace(config, device=rules, applications=(NATIVE,), grants=()))
    parameters = {"client_id": "native", "scope": OFFLINE, "audience": ORDERS}
    codes = body_of(scene.post("oauth/device/code", peer="203.0.113.77", **parameters))
    page = person_of(scene).open(str(codes["verification_uri_complete"]))
    assert "ANOTHER network" in page.text
    approve(scene, codes)
    done = body_of(poll(scene, codes["device_code"]))
    assert "refresh_token" not in done
    assert set(str(done["scope"]).split()) == {"openid", "read:orders"}
    [mail] = scene.outbox.sent
    assert mail.to == EMAIL
    reader = scene.person()
    reader.open(re.findall(rf"{ISSUER}u/end\S+", mail.text)[0])
    assert "This login has ended" in reader.press("end").text


# What ends with what


def active(scene: Scene, access_token: str) -> bool:
    request = form_request(f"{ISSUER}oauth/introspect", {"token": access_token}, headers=basic("web"))
    return bool(body_of(scene.send(request))["active"])


def test_revoking_a_refresh_token_ends_the_access_tokens_of_its_login() -> None:
    """[AS-7009-04]."""
    scene = scene_of(introspection=True)
    answer = redeem(scene, code_of(scene, scope=OFFLINE, audience=ORDERS))
    access, refresh = text_of(answer, "access_token"), text_of(answer, "refresh_token")
    assert active(scene, access)
    assert scene.post("oauth/revoke", client_id="native", token=refresh).status == 200
    assert not active(scene, access)


def test_a_revocation_without_a_token_is_refused() -> None:
    """[AS-7009-04]."""
    refused = scene_of("rfc").post("oauth/revoke", client_id="native")
    assert (refused.status, json.loads(refused.body)["error"]) == (400, "invalid_request")


class BusyStore:
    """A store that cannot be used now."""

    async def read(self, _: Work[object]) -> object:
        raise StoreUnavailable("the database is busy")

    write = read


def test_a_revocation_that_cannot_be_stored_says_when_to_come_again() -> None:
    """[AS-7009-04]: 503 and Retry-After, and not 200 for a token that still works."""
    scene = scene_of()
    refresh = text_of(redeem(scene, code_of(scene, scope=OFFLINE, audience=ORDERS)), "refresh_token")
    scene.tenant._site.store = BusyStore()  # type: ignore[assignment]
    answer = scene.post("oauth/revoke", client_id="native", token=refresh)
    assert (answer.status, int(answer.header("retry-after") or "0") > 0) == (503, True)


# A login that lasts


def test_a_login_that_lasts_takes_the_consent_of_its_user() -> None:
    """[AS-OIDC-07]: an earlier consent to less is not enough, and without a page there is no answer."""
    scene = scene_of()
    asked = {"client_id": WEB.client_id, "redirect_uri": WEB_CALLBACK, "audience": ORDERS}
    person = person_of(scene)
    person.open(address_of(scope="openid read:orders", **asked))
    page = log_in(person)
    assert "stay logged in" not in page.text
    assert "code" in landed(person.press("approve"))
    lasting = address_of(scope=OFFLINE, **asked)
    assert landed(person.open(f"{lasting}&prompt=none"))["error"] == "consent_required"
    page = person.open(lasting)
    assert "stay logged in" in page.text
    assert landed(person.press("decline"))["error"] == "access_denied"
    person.open(lasting)
    code = landed(person.press("approve"))["code"]
    answer = redeem(scene, code, basic("web"), client_id="", redirect_uri=WEB_CALLBACK)
    assert text_of(answer, "refresh_token")
    less = code_of(scene, person, scope="openid read:orders", **asked)
    assert "refresh_token" not in body_of(redeem(scene, less, basic("web"), client_id="", redirect_uri=WEB_CALLBACK))


def test_only_responses_with_a_code_are_given() -> None:
    """[AS-OIDC-07]: so that `offline_access` is never asked for where it would have to be ignored."""
    scene = scene_of()
    metadata = body_of(scene.send(Request("GET", f"{ISSUER}.well-known/openid-configuration")))
    assert metadata["response_types_supported"] == ["code"]


@pytest.mark.parametrize("grant", [TOKEN_EXCHANGE, JWT_BEARER])
def test_grants_that_are_not_offered_are_refused_and_not_in_the_metadata(grant: str) -> None:
    """So that what RFC 8693 and RFC 7523 §2.1 require of a server that offers them applies to nothing."""
    scene = scene_of("rfc")
    metadata = body_of(scene.send(Request("GET", f"{ISSUER}.well-known/openid-configuration")))
    assert grant not in str(metadata["grant_types_supported"])
    asked = {"client_id": "machine", "client_secret": SECRET.reveal(), "assertion": "x.y.z"}
    asked |= {"subject_token": "x", "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    refused = scene.post("oauth/token", grant_type=grant, **asked)
    assert (refused.status, json.loads(refused.body)["error"]) == (400, "unsupported_grant_type")
