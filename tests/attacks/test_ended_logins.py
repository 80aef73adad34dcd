"""An access token is inactive at once when its login has ended, it was revoked, or its user may no longer log in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.guard import Denial, Guard, Introspection
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.server.io.registry import Registry
from keyfob.server.settings.users import PersonWanted
from keyfob.testing.example_tenant import ORDERS, SECRET
from keyfob.testing.scene import EMAIL, ISSUER, Scene, quick_passwords
from keyfob.testing.surroundings import FakeSurroundings
from tests.server.wires import (
    approve,
    as_machine,
    basic,
    body_of,
    code_of,
    device_codes,
    poll,
    redeem,
    scene_of,
    stored,
    token,
    told,
    with_password,
)

NEW_PASSWORD = Secret("quite another battery staple")
WEB = {"client_id": "web", "redirect_uri": "https://shop.example/other"}


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param, introspection=True)


def log_in(scene: Scene, scope: str = "openid offline_access read:orders", **more: str) -> dict[str, object]:
    code = code_of(scene, **{**WEB, "audience": ORDERS, "scope": scope, **more})
    return body_of(redeem(scene, code, basic("web"), client_id="", redirect_uri=WEB["redirect_uri"]))


def is_active(scene: Scene, shown: object) -> bool:
    asked = form_request(f"{ISSUER}oauth/introspect", {"token": str(shown)}, headers=basic("web"))
    return body_of(scene.send(asked))["active"] is True


def userinfo(scene: Scene, shown: object) -> int:
    return scene.send(Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {shown}"),))).status


def revoke(scene: Scene, shown: object) -> Response:
    return scene.send(form_request(f"{ISSUER}oauth/revoke", {"token": str(shown)}, headers=basic("web")))


def change_user(scene: Scene, **changed: object) -> None:
    """Change the user as `keyfob tenant users` does."""
    registry = Registry(scene.store, FakeSurroundings().random(32), passwords=quick_passwords())
    registry.carry_out(registry.plan_person(PersonWanted(EMAIL, **changed)))  # type: ignore[arg-type]


def change_password(scene: Scene) -> None:
    change_user(scene, password=NEW_PASSWORD)


def block(scene: Scene) -> None:
    change_user(scene, is_blocked=True)


def delete_user(scene: Scene) -> None:
    registry = Registry(scene.store, FakeSurroundings().random(32))
    registry.drop_user(registry.user(EMAIL))


def test_after_logout_the_access_token_is_inactive(scene: Scene) -> None:
    """[FS-08]: the client revokes its refresh token, as at `keyfob logout`."""
    members = log_in(scene)
    other = log_in(scene)
    assert is_active(scene, members["access_token"])
    assert userinfo(scene, members["access_token"]) == 200
    assert revoke(scene, members["refresh_token"]).status == 200
    assert not is_active(scene, members["access_token"])
    assert userinfo(scene, members["access_token"]) == 401
    assert is_active(scene, other["access_token"]), "another login"
    assert is_active(scene, other["refresh_token"])


def test_a_revoked_access_token_is_inactive_and_its_login_goes_on(scene: Scene) -> None:
    """[FS-08]: RFC 7009 §2.1."""
    members = log_in(scene)
    assert revoke(scene, members["access_token"]).status == 200
    assert not is_active(scene, members["access_token"])
    assert userinfo(scene, members["access_token"]) == 401
    scene.time.go(timedelta(seconds=1))
    renewed = token(
        scene, basic("web"), grant_type="refresh_token", refresh_token=str(members["refresh_token"]), client_id=""
    )
    assert is_active(scene, body_of(renewed)["access_token"])


def test_a_program_revokes_its_own_tokens_alone(scene: Scene) -> None:
    """[FS-08]: RFC 7009 §2.1, a token of another client is not revoked."""
    machine = body_of(as_machine(scene, audience=ORDERS))["access_token"]
    assert revoke(scene, machine).status == 200
    assert is_active(scene, machine)
    own = {"client_id": "machine", "client_secret": SECRET.reveal(), "token": str(machine)}
    assert scene.post("oauth/revoke", **own).status == 200
    assert not is_active(scene, machine)


@pytest.mark.parametrize("change", [change_password, block, delete_user])
@pytest.mark.parametrize("scope", ["openid offline_access read:orders", "openid read:orders"])
def test_who_may_not_log_in_any_more_has_no_active_token(
    scene: Scene, change: Callable[[Scene], None], scope: str
) -> None:
    """[FS-08] [FS-26]: with a refresh token and without."""
    members = log_in(scene, scope)
    change(scene)
    assert not is_active(scene, members["access_token"])
    assert userinfo(scene, members["access_token"]) == 401
    if "refresh_token" in members:
        assert not is_active(scene, members["refresh_token"])


def test_a_changed_password_ends_what_is_under_way(scene: Scene) -> None:
    """[FS-26]: a code, an approved device login and a password that waits for its second factor."""
    code = code_of(scene)
    codes = device_codes(scene)
    approve(scene, codes)
    change_password(scene)
    assert redeem(scene, code).status in {400, 403}
    assert told(poll(scene, codes["device_code"]))[1] == "invalid_grant"


def test_a_code_that_is_shown_twice_ends_the_access_token_too(scene: Scene) -> None:
    """[FS-08]: RFC 6749 §4.1.2, all tokens that were issued for the code; with no refresh token among them."""
    code = code_of(scene, scope="openid", audience=ORDERS)
    first = body_of(redeem(scene, code))["access_token"]
    assert is_active(scene, first)
    assert redeem(scene, code).status in {400, 403}
    assert not is_active(scene, first)
    assert userinfo(scene, first) == 401


def test_a_token_without_a_refresh_token_pushes_no_login_out() -> None:
    """[FS-08]: logins by password are many; each has a record, and the limit is for each kind."""
    scene = scene_of("rfc", refresh_limit=2)
    kept = log_in(scene)
    for _ in range(3):
        scene.time.go(timedelta(minutes=1))
        last = body_of(with_password(scene, audience=ORDERS))
    assert is_active(scene, kept["access_token"])
    assert is_active(scene, last["access_token"])


def test_a_guard_that_asks_about_every_token_refuses_within_its_half_minute(scene: Scene) -> None:
    """[FS-08]: SECURITY.md promises 30 s."""
    ask = Introspection("web", SECRET, every=True)
    guard = Guard(issuer=ISSUER, audience=ORDERS, send=scene.pair.send, clock=scene.time.now, introspection=ask)
    members = log_in(scene)
    request = Request("GET", ORDERS, (("authorization", f"Bearer {members['access_token']}"),))
    assert not isinstance(guard.check(request), Denial)
    revoke(scene, members["refresh_token"])
    scene.time.go(timedelta(seconds=30))
    assert isinstance(guard.check(request), Denial)


def test_a_revoked_token_is_remembered_until_it_expires_and_no_longer(scene: Scene) -> None:
    """[FS-08]: what is kept is bounded."""
    members = log_in(scene)
    revoke(scene, members["access_token"])
    scene.time.go(timedelta(days=2))
    sweep = lambda transaction: transaction.sweep(scene.time.now(), 100)  # noqa: E731
    assert asyncio.run(scene.store.write(sweep)) > 0
    assert not stored(scene)["revoked_token"]


def test_a_removed_application_has_no_active_token() -> None:
    """[FS-08]: its tokens end with it."""
    scene = scene_of("rfc")
    machine = body_of(as_machine(scene, audience=ORDERS))["access_token"]
    assert is_active(scene, machine)
    site = scene.tenant._site
    kept = tuple(one for one in site.config.applications if one.client_id != "machine")
    grants = tuple(one for one in site.config.grants if one.client_id != "machine")
    site.reconfigure(replace(site.config, applications=kept, grants=grants), site.tenant_keys)
    assert not is_active(scene, machine)
