"""What strangers make the tenant remember: failures of clients and of users."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.protocol.http import FORM, Request, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant
from keyfob.server.decide.limits import LONGEST, REMEMBERED
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.site import LimitedDict, Site
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.pair import Pair
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene, quick_passwords
from keyfob.testing.surroundings import FakeSurroundings
from tests.server.wires import as_machine, person_of, scene_of, send_json, stored, token, told, with_password


def site_of(scene: Scene) -> Site:
    return scene.tenant._site


def remembered(scene: Scene) -> int:
    """The entries of all tables in the memory of the node, without those that count requests by network."""
    site = site_of(scene)
    tables = (getattr(site, name) for name in Site.__dataclass_fields__ if name != "endpoint_requests")
    return sum(len(table) for table in tables if isinstance(table, LimitedDict))


def test_a_long_client_id_is_refused_when_it_is_read() -> None:
    """[FS-04] 3,000 requests with 60 KB each took 170 MiB."""
    scene = scene_of()
    for number in range(50):
        response = token(scene, grant_type="client_credentials", client_id=f"{number}{'x' * 60_000}", client_secret="x")
        assert told(response)[:2] == (400, "invalid_request")
    longest = "x" * (LONGEST["client_id"] + 1)
    assert send_json(scene, "oauth/token", {"client_id": longest, "grant_type": "password"}).status == 400
    assert scene.post("oauth/device/code", client_id=longest).status == 400
    assert remembered(scene) == 0


def test_nothing_is_remembered_of_a_client_that_is_not_registered() -> None:
    """[FS-04]."""
    scene = scene_of()
    for number in range(50):
        token(scene, grant_type="client_credentials", client_id=f"nobody{number}", client_secret="x")
    assert remembered(scene) == 0


def test_a_request_has_a_limited_number_of_parameters() -> None:
    """[FS-04]."""
    scene = scene_of()
    many = {f"p{number}": "x" for number in range(200)}
    assert token(scene, grant_type="client_credentials", **many).status == 400
    assert send_json(scene, "oauth/token", {"grant_type": "client_credentials", **many}).status == 400
    body = b"&".join([b"resource=x"] * 5000)
    assert scene.send(Request("POST", f"{ISSUER}oauth/token", (("content-type", FORM),), body)).status == 400


def test_a_made_up_secret_for_a_public_client_holds_up_nobody() -> None:
    """[FS-06] 5 of them gave 429 to every honest client of that id at that address."""
    scene = scene_of()
    for _ in range(8):
        response = token(
            scene, grant_type="refresh_token", refresh_token="x", client_id="native", client_secret="made up"
        )
        assert response.status == 401
    assert told(token(scene, grant_type="refresh_token", refresh_token="x", client_id="native"))[1] == "invalid_grant"
    assert remembered(scene) == 0


def test_a_right_secret_passes_while_wrong_ones_wait() -> None:
    """[FS-06]."""
    scene = scene_of()
    for _ in range(8):
        last = as_machine(scene, client_secret="wrong")
    assert last.status == 429
    assert last.header("retry-after") is not None
    assert as_machine(scene, audience=ORDERS).status == 200


def test_a_method_that_the_client_has_not_is_no_guess() -> None:
    """[FS-06]."""
    scene = scene_of()
    for _ in range(8):
        token(scene, grant_type="client_credentials", client_id="web", client_secret="made up", audience=ORDERS)
    assert remembered(scene) == 0


def test_a_flood_of_long_passwords_is_not_remembered() -> None:
    """[FS-07] 100,001 of them made the tenant forget the budget of the victim."""
    scene = scene_of(allows_password=True)
    for number in range(30):
        with_password(scene, username=f"nobody{number}@example.com", password="x" * 1025)
    assert remembered(scene) == 0


def test_a_flood_of_names_does_not_forget_the_wrong_passwords_of_a_user() -> None:
    """[FS-07]."""
    scene = scene_of(allows_password=True)
    for _ in range(5):
        with_password(scene, password="wrong")
    assert with_password(scene).status == 429
    for number in range(50):
        scene.post("oauth/token", peer=f"198.51.100.{number}", grant_type="password", client_id="legacy",
                   username=f"nobody{number}@example.com", password="x")  # fmt: skip
    now = scene.time.now()
    asyncio.run(scene.store.write(lambda transaction: transaction.sweep(now, 1000, strangers=10)))
    assert with_password(scene).status == 429
    assert sum(row["of_stranger"] == 1 for row in stored(scene)["tries"]) == 10


def test_a_restart_does_not_forget_the_wrong_passwords_of_a_user(tmp_path: Path) -> None:
    """[FS-07]."""
    config = replace(example_config(ISSUER), allows_password=True)
    time = FakeSurroundings()

    def start() -> tuple[SqliteStore, Tenant]:
        store = SqliteStore(tmp_path / "tenant.sqlite")
        passwords = quick_passwords()
        made = Tenant.create(config, store=store, master=b"m" * 32, surroundings=time, passwords=passwords)
        return store, asyncio.run(made)

    def attempt(tenant: Tenant, password: str) -> int:
        form = {"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": password}
        form["audience"] = ORDERS
        return Pair({ISSUER.rstrip("/"): tenant.app}).send(form_request(f"{ISSUER}oauth/token", form)).status

    store, tenant = start()
    asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))
    assert attempt(tenant, PASSWORD) == 200
    assert [attempt(tenant, "wrong") for _ in range(6)] == [403] * 5 + [429]
    asyncio.run(store.close())
    store, tenant = start()
    assert attempt(tenant, PASSWORD) == 429
    time.go(timedelta(hours=1))
    assert attempt(tenant, PASSWORD) == 200
    asyncio.run(store.close())


def test_one_network_cannot_spray_a_password_over_all_accounts() -> None:
    """[FS-12] 40 accounts from one address met no limit."""
    scene = scene_of(allows_password=True)
    statuses = [with_password(scene, username=f"u{number}@example.com", password="x").status for number in range(120)]
    assert statuses[:100] == [403] * 100
    assert statuses[100:] == [429] * 20
    scene.pair.peer = "198.51.100.9"
    assert with_password(scene).status == 200


@pytest.mark.parametrize("path", ["u/login", "u/mfa", "activate"])
def test_pages_have_a_rate_limit(path: str) -> None:
    """[FS-07]."""
    scene = scene_of()
    seen = [scene.post(path, peer="192.0.2.66", x="y").status for _ in range(301)]
    assert 429 not in seen[:300]
    last = scene.post(path, peer="192.0.2.66", x="y")
    assert (seen[300], last.status) == (429, 429)
    assert last.header("retry-after") is not None
    assert (last.header("content-type") or "").startswith("text/html")
    assert scene.post(path, x="y").status != 429
    assert person_of(scene).open(f"{ISSUER}activate").response.status == 200


def test_every_table_in_memory_is_limited() -> None:
    """[FS-04] The oldest entry is dropped."""
    table: LimitedDict[int, int] = LimitedDict()
    for number in range(REMEMBERED + 5):
        table.put(number, number)
    assert len(table) == REMEMBERED
    assert table.get(4) is None
