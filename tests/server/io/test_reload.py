import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.protocol.grants import DEVICE_CODE, PASSWORD
from keyfob.protocol.http import Request, form_request
from keyfob.serve import Api, Application, Registry, Tenant, TenantConfig, ready_config
from keyfob.server.io.change_signal import LOOK_EVERY
from keyfob.server.io.reload import Reloader
from keyfob.server.io.signing_keys import KeyFollower
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.ports import Transaction
from keyfob.server.records import Document
from keyfob.server.settings.stored_settings import config_of, documents_of
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.pair import Pair
from keyfob.testing.scene import quick_passwords
from keyfob.testing.surroundings import FakeSurroundings

ISSUER = "http://127.0.0.1:8790/"
READY = ready_config(ISSUER)
SECOND = timedelta(seconds=1)


class Followed:
    """A tenant on a fake clock, and somebody who changes its store from beside."""

    def __init__(self) -> None:
        self.store, self.time, self.events = SqliteStore(), FakeSurroundings(), list[Mapping[str, object]]()
        self.tenant = asyncio.run(
            Tenant.create(
                READY,
                store=self.store,
                master=bytes(32),
                surroundings=self.time,
                passwords=quick_passwords(),
                audit=self.events.append,
            )
        )
        keys = KeyFollower(self.store, bytes(32), self.time)
        self.reloader = Reloader(self.tenant._site, keys, lambda found: config_of(found, ISSUER), ())

    def register(self, documents: tuple[Document, ...]) -> None:
        async def save(transaction: Transaction) -> None:
            for known in await transaction.documents():
                await transaction.drop_document(known.kind, known.name)
            for document in documents:
                await transaction.save_document(document)

        asyncio.run(self.store.write(save))

    def look_after(self, span: timedelta) -> TenantConfig:
        self.time.go(span)
        asyncio.run(self.reloader.reload_if_due())
        return self.tenant.config


def test_a_tenant_goes_on_with_what_was_registered_and_looks_once_a_second() -> None:
    followed = Followed()
    followed.register(documents_of(replace(READY, name="Other")))

    assert followed.look_after(SECOND / 2).name == "keyfob"
    assert followed.look_after(SECOND / 2).name == "Other"
    followed.register(documents_of(replace(READY, name="Third")))
    assert followed.look_after(SECOND / 2).name == "Other"
    assert followed.look_after(SECOND / 2).name == "Third"


def test_a_clock_that_is_set_back_does_not_keep_it_from_looking() -> None:
    followed = Followed()
    followed.register(documents_of(replace(READY, name="Other")))

    followed.time._time.set_wall(-timedelta(days=1))
    assert followed.look_after(timedelta()).name == "Other"


def test_a_key_that_is_missing_is_made_first() -> None:
    followed = Followed()
    orders = Api("https://b.example", "B", algorithm="ES256")
    followed.register(documents_of(replace(READY, apis=(*READY.apis, orders))))
    followed.look_after(SECOND)

    assert {key.algorithm for key in followed.tenant._site.keys} == {"RS256", "ES256"}
    assert set(followed.tenant._site.token_issuer.keys) == {"RS256", "ES256"}


def test_settings_of_no_use_are_logged_once_and_the_old_ones_stay(caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed()
    followed.register((Document("tenant", "tenant", '{"colour":"blue"}'),))
    with caplog.at_level(logging.WARNING, "keyfob.serve"):
        for _ in range(3):
            assert followed.look_after(SECOND) == READY

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "colour" in caplog.text
    followed.register(documents_of(replace(READY, name="Other")))
    assert followed.look_after(SECOND).name == "Other"


def test_who_may_use_the_password_grants_is_told_to_the_audit_log() -> None:
    followed = Followed()
    web = Application("web", "Web", "web", grants=(PASSWORD,), auth_methods=("client_secret_post",))
    followed.register(documents_of(replace(READY, applications=(web,), allows_password=True)))
    assert followed.events == []
    followed.look_after(SECOND)
    followed.look_after(SECOND)

    [event] = followed.events
    assert event["type"] == "depnote"
    assert "web" in str(event["description"])


def test_a_login_that_is_under_way_goes_on() -> None:
    followed = Followed()
    pair = Pair({followed.tenant.config.origin: followed.tenant.app})

    def post(path: str, **form: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(pair.send(form_request(f"{ISSUER}oauth/{path}", form)).body)
        return found

    begun = post("device/code", client_id=READY_CLIENT_ID, scope="openid")
    followed.register(documents_of(replace(READY, name="Other")))
    assert followed.look_after(SECOND * 10).name == "Other"
    asked = post("token", grant_type=DEVICE_CODE, client_id=READY_CLIENT_ID, device_code=begun["device_code"])
    assert asked["error"] == "authorization_pending"
    followed.register(documents_of(replace(READY, applications=())))
    followed.look_after(SECOND * 10)
    gone = post("token", grant_type=DEVICE_CODE, client_id=READY_CLIENT_ID, device_code=begun["device_code"])
    assert gone["error"] != "authorization_pending"


def test_what_is_registered_in_the_folder_counts_at_once_however_often(tmp_path: Path) -> None:
    """A script that adds an API and logs in for it does not have to wait."""
    tenant = Tenant.follow(tmp_path, READY)
    try:
        for name in ("First", "Second", "Third"):
            with Registry.open(tmp_path) as registry:
                tables = registry.tables()
                registry.carry_out(registry.plan_tables({**tables, "tenant": {"name": name}, "roles": []}))
            asyncio.run(tenant.app.answer(Request("GET", "/.well-known/openid-configuration")))
            assert tenant.config.name == name
    finally:
        tenant.close()


def test_a_folder_is_served_as_it_was_registered_or_else_ready(tmp_path: Path) -> None:
    tenant = Tenant.follow(tmp_path, READY)
    first, was = tenant.first_user, tenant.config
    tenant.close()
    with Registry.open(tmp_path) as registry:
        tables = registry.tables()
        registry.carry_out(registry.plan_tables({**tables, "tenant": {"name": "Mine"}, "roles": []}))
    tenant = Tenant.follow(tmp_path, READY, wire="rfc")
    try:
        assert was == READY
        assert first is not None
        assert (tenant.config.name, tenant.config.wire, tenant.config.issuer) == ("Mine", "rfc", ISSUER)
        assert tenant.first_user is None
        style = asyncio.run(tenant.app.answer(Request("GET", "/assets/style.css")))
        assert style.status == 200
    finally:
        tenant.close()


def test_the_signal_is_looked_at_again_after_the_time_that_its_sender_waits() -> None:
    """Each look is a system call, which a busy tenant cannot afford at each request."""
    followed, signals = Followed(), [object()]
    keys = KeyFollower(followed.store, bytes(32), followed.time)
    reloader = Reloader(followed.tenant._site, keys, state=lambda: signals[-1])
    asyncio.run(reloader.reload_if_due())
    assert not reloader.is_due(followed.time.now())

    signals.append(object())
    followed.time.go(LOOK_EVERY - timedelta(microseconds=1))
    assert not reloader.is_due(followed.time.now())
    followed.time.go(timedelta(microseconds=1))
    assert reloader.is_due(followed.time.now())
