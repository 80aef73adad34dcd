"""Our program, our tenant and our API on bound tokens and surer logins, in memory, on one fake clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from keyfob.client.model.notices import CodeShown, Notice
from keyfob.client.model.profile import Dpop
from keyfob.guard import DpopSettings, Guard, require
from keyfob.login import App
from keyfob.protocol.http import Request
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.example_tenant import STOCK, example_config
from keyfob.testing.orders import api
from keyfob.testing.scene import ISSUER, ORDERS, Scene, SceneWorld, approve
from tests.client.auth.proofs import nonces_of, proof_of

AT_API = "https://orders.example"


def app_in(scene: Scene, shown: list[Notice], **more: object) -> App:
    def notify(notice: Notice) -> None:
        shown.append(notice)
        if isinstance(notice, CodeShown):
            approve(scene.person(), notice)

    settings: dict[str, object] = {
        "client_id": READY_CLIENT_ID, "audience": READY_AUDIENCE, "scopes": ("read:orders",), "flow": "device",
    }  # fmt: skip
    return App(issuer=ISSUER, vault=scene.vault, world=SceneWorld(scene, notify), **(settings | more))  # type: ignore[arg-type]


def calls(scene: Scene) -> list[Request]:
    return [request for request in scene.pair.sent if request.url.startswith(AT_API)]


@pytest.mark.parametrize("nonce_key", [None, b"x" * 32], ids=["no nonce", "nonce"])
def test_an_api_that_wants_proofs_takes_ours_again_and_again(scene: Scene, nonce_key: bytes | None) -> None:
    """[C-9449-01] [C-9449-02] [C-9449-03]: also after a refresh, and each of them once."""
    dpop = DpopSettings(required=True, nonce_key=nonce_key)
    guard = Guard(
        issuer=ISSUER, audience=READY_AUDIENCE, address=AT_API, dpop=dpop, send=scene.pair.send,
        clock=scene.time.now,
    )  # fmt: skip
    scene.pair.join(AT_API, api(guard))
    app = app_in(scene, [], dpop="prefer")
    assert app.log_in().token_type == "DPoP"
    session = app.session()
    addresses = [f"{ORDERS}?page=1", f"{ORDERS}?page=2", f"{AT_API}/nothing"]
    assert [session.send(Request("GET", address)).status for address in addresses] == [200, 200, 404]
    scene.time.go(timedelta(days=1))
    assert session.send(Request("GET", ORDERS)).status == 200
    made = calls(scene)
    assert len({proof_of(request)[0].token_id for request in made}) == len(made)
    assert len({proof_of(request)[1] for request in made}) == 1
    assert (nonces_of(made)[0], all(nonces_of(made)[1:])) == (None, nonce_key is not None)
    stolen = made[-1].header("authorization") or ""
    plain = Request("GET", ORDERS, (("authorization", stolen.replace("DPoP", "Bearer")),))
    assert scene.send(plain).status == 401
    assert scene.send(made[-1]).status == 401, "a proof is good once"


async def _in_stock(scope: Mapping[str, Any], receive: object, send: Any) -> None:
    del receive
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"1"})


@pytest.mark.parametrize("dpop", ["off", "require"])
def test_an_api_that_wants_a_young_login_gets_one(dpop: Dpop) -> None:
    """[C-9470-01] [C-OIDC-05]: through the browser, with the max_age of the challenge."""
    scene = Scene(example_config(ISSUER))
    guard = Guard(
        issuer=ISSUER, audience=STOCK, algorithms=("ES256",), profile="rfc9068", address=AT_API, send=scene.pair.send,
        clock=scene.time.now,
    )  # fmt: skip
    scene.pair.join(AT_API, guard.asgi(_in_stock, require("read:stock", max_age=timedelta(minutes=10))))
    shown: list[Notice] = []
    app = app_in(
        scene, shown, client_id="native", audience=STOCK, scopes=("read:stock",), dpop=dpop, flow="browser",
        callbacks=("http://127.0.0.1:8484/callback",),
    )  # fmt: skip
    app.log_in()
    session, request = app.session(step_up=app.step_up), Request("GET", f"{AT_API}/stock")
    assert session.send(request).status == 200
    scene.time.go(timedelta(hours=1))
    logins = len(shown)
    assert app.session().send(request).status == 401, "and a refresh makes no login younger"
    assert session.send(request).status == 200
    assert len(shown) == logins + 1
    scene.time.go(timedelta(minutes=5))
    assert session.send(request).status == 200
    assert len(shown) == logins + 1
    assert app.session().stored().token_type == ("Bearer" if dpop == "off" else "DPoP")
