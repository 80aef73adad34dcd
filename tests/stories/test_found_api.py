"""An API of which only the address is known, its tenant and a program, in memory, on one fake clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyfob.client.flows.resource_discovery import ApiFound, find_issuer, profile_name
from keyfob.client.model.notices import CodeShown, Notice
from keyfob.errors import Malformed
from keyfob.guard import Guard
from keyfob.login import App
from keyfob.protocol.http import Request
from keyfob.protocol.resource_metadata import ResourceMetadata
from keyfob.protocol.scope import Scope
from keyfob.run import run
from keyfob.serve import Api, ready_config
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.orders import api
from keyfob.testing.scene import ISSUER, Scene, SceneWorld, approve

ORDERS, STOCK = "https://orders.example", "https://stock.example/v1"
SCOPES = {"read:orders": "read", "write:orders": "write"}


@pytest.fixture
def scene() -> Scene:
    """Two APIs with a guard each, which know one tenant, and are known by their addresses."""
    made = Scene(
        replace(
            ready_config(ISSUER),
            default_audience=None,
            apis=tuple(Api(address, address, SCOPES) for address in (ORDERS, STOCK)),
        )
    )
    for address in (ORDERS, STOCK):
        metadata = ResourceMetadata(address, scopes_supported=tuple(SCOPES))
        guard = Guard(issuer=ISSUER, audience=address, address=address, metadata=metadata, send=made.pair.send,
                      clock=made.time.now)  # fmt: skip
        made.pair.join(address.removesuffix("/v1"), api(guard))
    return made


def find(scene: Scene, url: str) -> ApiFound:
    refusal = scene.send(Request("GET", url))
    assert refusal.status == 401
    return run(find_issuer(SceneWorld(scene, lambda _: None), url, refusal))


def log_in(scene: Scene, found: ApiFound) -> App:
    def notify(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            approve(scene.person(), notice)

    app = App(
        issuer=found.issuers[0], client_id=READY_CLIENT_ID, audience=found.resource, is_resource=True,
        scopes=found.scope.names, profile=profile_name(found.resource), flow="device", vault=scene.vault,
        world=SceneWorld(scene, notify),
    )  # fmt: skip
    app.log_in()
    return app


def test_the_address_of_an_api_is_enough_to_log_in_to_it(scene: Scene) -> None:
    """[C-9728-01] [C-8707-01]: by what our own guard says, with a token for this API, which no other takes."""
    apps = {}
    for url, resource in ((f"{ORDERS}/orders?page=1", ORDERS), (f"{STOCK}/orders", STOCK)):
        found = find(scene, url)
        assert found == ApiFound(resource, (ISSUER,), Scope.of(["read:orders"]))
        apps[url] = log_in(scene, found).session()
    for url, session in apps.items():
        assert session.stored().audience is not None
        expected = 200 if "orders?" in url else 404
        assert session.send(Request("GET", url)).status == expected
    tokens = [session.token() for session in apps.values()]
    assert len(set(tokens)) == 2
    crossed = Request("GET", f"{ORDERS}/orders", (("authorization", f"Bearer {tokens[1]}"),))
    assert scene.send(crossed).status == 401


def test_an_api_that_poses_as_another_gets_nobody_logged_in(scene: Scene) -> None:
    """[C-9728-01]: a token for the bank's API would be what it is after."""
    evil = "https://evil.example"
    guard = Guard(issuer=ISSUER, audience=ORDERS, address=ORDERS, send=scene.pair.send, clock=scene.time.now)
    scene.pair.join(evil, api(guard))
    before = len(scene.pair.sent)
    with pytest.raises(Malformed):
        find(scene, f"{evil}/orders")
    asked = [request.url for request in scene.pair.sent[before:]]
    assert asked == [f"{evil}/orders"], "what it names lies at another origin, and that is not asked"
