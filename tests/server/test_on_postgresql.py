"""Logins over HTTP at tenants whose store is PostgreSQL; every other test of the wire has a store in memory."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import form_request
from keyfob.server.decide.throttle import ACCOUNT_TRIES, FREE_TRIES, NETWORK_TRIES
from keyfob.server.io.postgresql import PostgresStore
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.pair import ask
from keyfob.testing.scene import EMAIL, ISSUER, Scene
from tests.postgres import Postgres


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


def test_a_device_login_is_renewed_and_ends(url: str) -> None:
    scene = Scene(store=PostgresStore(url))
    first = scene.log_in("offline_access", "read:orders")
    scene.time.go(timedelta(days=1))
    session = scene.app().session()
    assert session.token() is not None
    scene.app().session().log_out()
    assert first is not None


def test_wrong_passwords_at_two_nodes_are_counted_exactly(url: str, postgres: Postgres) -> None:
    """Of 40 at once, half at each node, no more than five are looked at, and the budget has lost just these."""
    config = replace(example_config(ISSUER), allows_password=True)
    one, two = (Scene(config, PostgresStore(url)) for _ in range(2))

    async def guess() -> list[int]:
        form = {"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": "wrong"}
        request = form_request(f"{ISSUER}oauth/token", form | {"audience": ORDERS})
        asked = (ask(scene.tenant.app, request, peer="198.51.100.7") for scene in (one, two) * 20)
        return [response.status for response in await asyncio.gather(*asked)]

    statuses = asyncio.run(guess())
    looked_at = statuses.count(403)
    assert 0 < looked_at <= FREE_TRIES
    assert set(statuses) == {403, 429}
    counts = postgres.sql(url, "SELECT count FROM tries ORDER BY count")
    assert counts == [(looked_at,), (ACCOUNT_TRIES - looked_at,), (NETWORK_TRIES - looked_at,)]
