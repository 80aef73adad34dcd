"""Signing keys and the master key turn under a running tenant: no token is lost, and none holds that should not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.errors import Malformed
from keyfob.guard import Denial, Guard
from keyfob.protocol.http import Request, form_request
from keyfob.server.decide.key_schedule import ANNOUNCED_FOR
from keyfob.server.io.key_registry import KeyRegistry
from keyfob.server.io.tenant import Tenant
from keyfob.server.keyring import GRACE, find_keyring
from keyfob.server.records import StoredKey
from keyfob.testing.example_tenant import ORDERS
from keyfob.testing.scene import ISSUER, Scene, quick_passwords
from keyfob.testing.surroundings import FakeSurroundings
from tests.server.endpoints.oauth.test_password import OTP, code_for, enrolled, mfa_token
from tests.server.wires import (
    as_machine,
    basic,
    body_of,
    code_of,
    header_of,
    redeem,
    scene_of,
    text_of,
    token,
)  # fmt: skip

MASTER = FakeSurroundings().random(32)
JWKS = f"{ISSUER}.well-known/jwks.json"
SECOND = timedelta(seconds=1)


def keys_of(scene: Scene) -> KeyRegistry:
    now = scene.time.now()
    keyring = asyncio.run(scene.store.read(lambda transaction: find_keyring(transaction, MASTER, now)))
    assert keyring is not None
    return KeyRegistry(scene.store, MASTER, keyring, scene.time, scene.config, lambda: None)


def signing_key(scene: Scene, **changed: str) -> str:
    return str(header_of(text_of(as_machine(scene, audience=ORDERS, **changed), "access_token"))["kid"])


def published(scene: Scene) -> list[str]:
    found = body_of(scene.send(Request("GET", JWKS)))["keys"]
    assert isinstance(found, list)
    return [str(one["kid"]) for one in found]


def rs256(keys: Sequence[StoredKey]) -> list[str]:
    return [one.key_id for one in sorted(keys, key=lambda one: one.signs_at) if one.algorithm == "RS256"]


def node(scene: Scene, **changed: object) -> Tenant:
    """Another process on the same store."""
    config = replace(scene.config, **changed)  # type: ignore[arg-type]
    return asyncio.run(
        Tenant.create(config, store=scene.store, master=MASTER, surroundings=scene.time, passwords=quick_passwords())
    )


def guard_of(scene: Scene) -> Guard:
    return Guard(issuer=ISSUER, audience=ORDERS, send=scene.pair.send, clock=scene.time.now)


def judged(guard: Guard, shown: object) -> bool:
    return not isinstance(guard.check(Request("GET", ORDERS, (("authorization", f"Bearer {shown}"),))), Denial)


def test_a_running_tenant_announces_then_signs_then_forgets() -> None:
    """Another process rotates; this one follows within a second, and signs with the new key a day later, not before."""
    scene = scene_of()
    old = signing_key(scene)
    [_, new] = rs256(keys_of(scene).rotate())

    scene.time.go(SECOND)
    assert set(published(scene)) >= {old, new}
    assert signing_key(scene) == old
    scene.time.go(ANNOUNCED_FOR)
    assert signing_key(scene) == new
    assert old in published(scene)
    scene.time.go(timedelta(days=32))
    assert old not in published(scene)


def test_a_guard_with_an_old_copy_of_the_keys_knows_the_new_one_before_it_signs() -> None:
    scene = scene_of()
    guard = guard_of(scene)
    before = body_of(as_machine(scene, audience=ORDERS))["access_token"]
    keys_of(scene).rotate()
    scene.time.go(ANNOUNCED_FOR - timedelta(minutes=10))
    fresh = body_of(as_machine(scene, audience=ORDERS))["access_token"]
    assert judged(guard, fresh)
    fetched = len(scene.pair.sent)
    scene.time.go(timedelta(minutes=10))
    after = body_of(as_machine(scene, audience=ORDERS))["access_token"]
    assert header_of(after)["kid"] != header_of(before)["kid"]
    assert judged(guard, after)
    assert judged(guard, fresh)
    assert fetched


def test_keys_turn_by_age_once_for_all_nodes() -> None:
    """Two nodes notice at the same time; one key is made, and both sign with it."""
    scene = scene_of(rotate_keys_every=timedelta(days=90))
    other = node(scene)
    old = signing_key(scene)

    async def look() -> None:
        await asyncio.gather(*(app.answer(Request("GET", JWKS)) for app in (scene.tenant.app, other.app)))

    scene.time.go(timedelta(days=90) - ANNOUNCED_FOR)
    asyncio.run(look())
    stored = asyncio.run(scene.store.read(lambda transaction: transaction.signing_keys()))
    assert len(rs256(stored)) == 2
    assert signing_key(scene) == old
    scene.time.go(ANNOUNCED_FOR)
    assert signing_key(scene) == rs256(stored)[1]
    asyncio.run(look())
    assert [key.key_id for key in other._site.keys] == [key.key_id for key in scene.tenant._site.keys]


def test_zero_leaves_the_keys_to_the_command() -> None:
    scene = scene_of(rotate_keys_every=timedelta())
    old = signing_key(scene)
    scene.time.go(timedelta(days=3650))
    assert signing_key(scene) == old


def test_tokens_of_a_revoked_key_die_and_logins_go_on() -> None:
    scene = scene_of(introspection=True)
    web = {"client_id": "web", "redirect_uri": "https://shop.example/other"}
    code = code_of(scene, **web, audience=ORDERS, scope="openid offline_access")
    login = body_of(redeem(scene, code, basic("web"), client_id="", redirect_uri=web["redirect_uri"]))
    stolen = str(header_of(login["access_token"])["kid"])

    def is_active(shown: object) -> bool:
        asked = form_request(f"{ISSUER}oauth/introspect", {"token": str(shown)}, headers=basic("web"))
        return body_of(scene.send(asked))["active"] is True

    def userinfo(shown: object) -> int:
        return scene.send(Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {shown}"),))).status

    assert is_active(login["access_token"])
    keys_of(scene).revoke(stolen)
    scene.time.go(SECOND)
    assert stolen not in published(scene)
    assert not is_active(login["access_token"])
    assert userinfo(login["access_token"]) == 401
    assert not judged(guard_of(scene), login["access_token"])
    renewed = body_of(token(scene, basic("web"), grant_type="refresh_token", refresh_token=str(login["refresh_token"])))
    assert header_of(renewed["access_token"])["kid"] != stolen
    assert is_active(renewed["access_token"])


def test_the_master_key_changes_under_a_running_tenant() -> None:
    """Nothing that was issued ends, and what it had sealed is sealed anew; the former key is accepted for its grace."""
    scene = scene_of(mfa="always", name="Example")
    secret, _ = enrolled(scene)
    site = scene.tenant._site
    site.reconfigure(replace(site.config, mfa="never"), site.tenant_keys)
    opaque = text_of(redeem(scene, code_of(scene, scope="openid", audience=f"{ISSUER}userinfo")), "access_token")
    refresh = text_of(redeem(scene, code_of(scene, scope="offline_access")), "refresh_token")
    fresh = bytes(range(32))

    assert keys_of(scene).rewrap(fresh, timedelta(hours=1)) == 1 + len(published(scene))
    scene.time.go(timedelta(seconds=30))
    assert published(scene)  # now it looks
    for master in (MASTER, fresh):
        tenant = asyncio.run(Tenant.create(
            scene.config, store=scene.store, master=master, surroundings=scene.time, passwords=quick_passwords()
        ))  # fmt: skip
        assert tenant._site.hash_keys == scene.tenant._site.hash_keys
    site.reconfigure(replace(site.config, mfa="enrolled"), site.tenant_keys)
    headers = (("authorization", f"Bearer {opaque}"),)
    assert scene.send(Request("GET", f"{ISSUER}userinfo", headers)).status == 200
    done = token(scene, grant_type=OTP, client_id="legacy", mfa_token=mfa_token(scene), otp=code_for(scene, secret))
    assert done.status == 200
    assert token(scene, grant_type="refresh_token", client_id="native", refresh_token=refresh).status == 200
    scene.time.go(timedelta(hours=1))
    with pytest.raises(Malformed, match="master key"):
        node(scene)
    assert as_machine(scene, audience=ORDERS).status == 200  # the running one goes on


def test_a_stolen_master_key_opens_nothing_at_once() -> None:
    """Without a grace, it opens no slot, and tokens that it could forge are refused."""
    scene = scene_of()
    opaque = text_of(redeem(scene, code_of(scene, scope="openid", audience=f"{ISSUER}userinfo")), "access_token")
    fresh = bytes(range(32))
    keys_of(scene).rewrap(fresh, timedelta())

    with pytest.raises(Malformed, match="master key"):
        node(scene)
    tenant = asyncio.run(Tenant.create(
        scene.config, store=scene.store, master=fresh, surroundings=scene.time, passwords=quick_passwords()
    ))  # fmt: skip
    asked = Request("GET", f"{ISSUER}userinfo", (("authorization", f"Bearer {opaque}"),))
    assert asyncio.run(tenant.app.answer(asked)).status == 401


def test_a_second_factor_that_a_node_sealed_with_the_former_key_is_sealed_anew_by_that_node() -> None:
    """Between the change and its next look, a node still seals with the former key."""
    scene = scene_of(mfa="always", name="Example")
    mfa_token(scene)
    keys_of(scene).rewrap(bytes(range(32)), timedelta(hours=1))
    secret, _ = enrolled(scene)  # on the same clock tick: the node has not looked yet
    assert published(scene)  # now it looks
    scene.time.go(GRACE + timedelta(days=1))
    other = asyncio.run(Tenant.create(
        scene.config, store=scene.store, master=bytes(range(32)), surroundings=scene.time, passwords=quick_passwords()
    ))  # fmt: skip
    scene.pair.join(ISSUER.rstrip("/"), other.app)
    code = code_for(scene, secret)
    assert token(scene, grant_type=OTP, client_id="legacy", mfa_token=mfa_token(scene), otp=code).status == 200
