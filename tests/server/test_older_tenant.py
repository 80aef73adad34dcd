"""A tenant whose keys were all derived from the master key goes on, and no login ends. So was it before record 0044."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from keyfob.errors import Malformed
from keyfob.jose.sealed import derive, unseal
from keyfob.protocol.grants import MFA_RECOVERY_CODE
from keyfob.protocol.http import Request
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.tenant import Tenant
from keyfob.testing.pair import Pair
from keyfob.testing.scene import Scene, quick_passwords
from tests.server.endpoints.oauth.test_password import OTP, code_for, mfa_token
from tests.server.wires import address_of, person_of, scene_of, text_of, token

FOLDER = Path(__file__).parents[1] / "vectors" / "older_tenant"
ISSUED: dict[str, Any] = json.loads((FOLDER / "issued.json").read_text())
MASTER = bytes.fromhex(ISSUED["master"])
NOW = datetime.fromisoformat(ISSUED["now"])


def older_store(folder: Path) -> SqliteStore:
    path = folder / "tenant.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FOLDER / "store.sql").read_text())
    return SqliteStore(path)


def start(store: SqliteStore, master: bytes = MASTER, scene: Scene | None = None) -> Scene:
    """Start today's tenant on a store."""
    if scene is None:
        scene = scene_of(name="Example")
        scene.time.random(4096)  # of which the older tenant has drawn its own
        scene.time.go(NOW - scene.time.now())
    making = Tenant.create(
        scene.config, store=store, master=master, surroundings=scene.time, passwords=quick_passwords()
    )
    scene.tenant, scene.store = asyncio.run(making), store
    scene.pair = Pair({scene.config.origin: scene.tenant.app}, peer="192.0.2.7")
    return scene


def userinfo(scene: Scene, access_token: str) -> int:
    headers = (("authorization", f"Bearer {access_token}"),)
    return scene.send(Request("GET", f"{scene.config.issuer}userinfo", headers)).status


def check_all_goes_on(scene: Scene) -> None:
    for name in ("access_token", "opaque_token"):
        assert userinfo(scene, ISSUED[name]) == 200, name
    pending = token(scene, grant_type="urn:ietf:params:oauth:grant-type:device_code", client_id="native",
                    device_code=ISSUED["device"]["device_code"])  # fmt: skip
    assert json.loads(pending.body)["error"] == "authorization_pending"
    person = person_of(scene)
    person.cookies.update(ISSUED["cookies"])
    person.open(address_of(prompt="none"))
    assert "error=interaction_required" in person.page.url  # consent; without the session it is login_required
    code = code_for(scene, ISSUED["otp_secret"])
    assert token(scene, grant_type=OTP, client_id="legacy", mfa_token=mfa_token(scene), otp=code).status == 200
    recovery = {"mfa_token": mfa_token(scene), "recovery_code": ISSUED["recovery_code"]}
    used = token(scene, grant_type=MFA_RECOVERY_CODE, client_id="legacy", **recovery)
    assert used.status == 200
    renewed = token(scene, grant_type="refresh_token", client_id="native", refresh_token=ISSUED["refresh_token"])
    assert userinfo(scene, text_of(renewed, "access_token")) == 200


def test_no_login_of_an_older_tenant_ends(tmp_path: Path) -> None:
    """Tokens of all kinds, a session, a pending code, a second factor and a recovery code from before are accepted."""
    check_all_goes_on(start(older_store(tmp_path)))


def test_what_an_older_tenant_sealed_is_sealed_anew(tmp_path: Path) -> None:
    """The old master key opens neither signing keys nor second factors any more, and the store has no copy of it."""
    scene = start(older_store(tmp_path))

    keys = asyncio.run(scene.store.read(lambda transaction: transaction.signing_keys()))
    factors = asyncio.run(scene.store.read(lambda transaction: transaction.all_authenticators("otp")))
    assert keys
    assert factors
    for key in keys:
        with pytest.raises(Malformed):
            unseal(key.sealed, derive(MASTER, "signing keys"), context=f"signing-key {key.key_id}")
    for one in factors:
        with pytest.raises(Malformed):
            unseal(one.secret, derive(MASTER, "second factors"), context=f"factor {one.authenticator_id}")


def test_an_older_tenant_that_is_opened_by_two_processes_is_moved_once(tmp_path: Path) -> None:
    first = start(older_store(tmp_path))
    second = start(SqliteStore(tmp_path / "tenant.sqlite3"))

    assert first.tenant._site.hash_keys == second.tenant._site.hash_keys
    assert len(asyncio.run(second.store.read(lambda transaction: transaction.key_slots()))) == 1
    check_all_goes_on(second)


def test_another_master_key_is_refused(tmp_path: Path) -> None:
    start(older_store(tmp_path))
    with pytest.raises(Malformed, match="master key"):
        start(SqliteStore(tmp_path / "tenant.sqlite3"), bytes(32))
