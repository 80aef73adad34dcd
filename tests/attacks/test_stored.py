"""What strangers make the tenant store, and what they make it send or write."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.protocol.http import JSON, Request, Response
from keyfob.server.decide.limits import PUSHED_CHARACTERS, SWEEP_EVERY
from keyfob.server.endpoints.pages.mail_link import LIFETIME as LINK_LIFETIME
from keyfob.server.io.asgi import _checked
from keyfob.server.io.mail import FolderOutbox
from keyfob.testing.example_tenant import CALLBACK, ORDERS
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import CHALLENGE, as_machine, device_codes, person_of, scene_of, stored, told


def push(scene: Scene, **parameters: str) -> Response:
    own = {"client_id": "native", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    own |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return scene.post("oauth/par", **{**own, **parameters})


def test_a_pushed_request_is_short() -> None:
    """[FS-11] 65 KB each were 390 MB a minute."""
    scene = scene_of()
    assert push(scene).status == 201
    assert told(push(scene, more="x" * 60_000))[:2] == (400, "invalid_request")
    many = {f"p{number}": "x" * 1000 for number in range(60)}
    assert told(push(scene, **many))[:2] == (400, "invalid_request")
    (kept,) = stored(scene)["pushed_request"]
    assert len(str(kept["parameters"])) < PUSHED_CHARACTERS + 1000


def test_pushed_requests_of_one_network_are_limited() -> None:
    """[FS-11]."""
    scene = scene_of()
    statuses = [push(scene).status for _ in range(601)]
    assert (statuses.count(201), statuses[-1]) == (600, 429)


@pytest.mark.parametrize("traffic", ["machine", "metadata", "nothing there"])
def test_expired_rows_go_by_time_whatever_the_requests_are(traffic: str) -> None:
    """[FS-11] Only new device codes and authorization codes swept."""
    scene = scene_of()
    for _ in range(50):
        push(scene)
    asyncio.run(scene.store.write(lambda transaction: transaction.use_once(b"jti", scene.time.now())))
    scene.time.go(SWEEP_EVERY + timedelta(minutes=1))
    if traffic == "machine":
        assert as_machine(scene, audience=ORDERS).status == 200
    else:
        scene.send(Request("GET", f"{ISSUER}{'.well-known/jwks.json' if traffic == 'metadata' else 'nothing'}"))
    assert not stored(scene)["pushed_request"]
    assert not stored(scene)["used_once"]


def test_confirming_a_code_stores_no_session() -> None:
    """[FS-11] N cookies that confirmed one code were N rows for 400 days. The state is in the page now."""
    scene = scene_of()
    codes = device_codes(scene)
    for _ in range(20):
        person = person_of(scene)
        person.open(str(codes["verification_uri_complete"]))
        person.press("confirm")
    assert not stored(scene)["browser_session"]
    assert len(stored(scene)["device_login"]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "code",
        "username",
        "password",
        "client_secret",
        "device_code",
        "mfa_token",
        "login_hint",
        "state",
        "client_id",
        "x",
    ],
)
@pytest.mark.parametrize("path", ["oauth/token", "oauth/par", "oauth/device/code", "mfa/challenge", "oauth/revoke"])
def test_half_a_surrogate_pair_is_refused_where_json_is_read(path: str, name: str) -> None:
    """[FS-14] 500 with a stack in the log, in 8 places."""
    scene = scene_of(allows_password=True)
    members = {"client_id": "native", "grant_type": "password", "username": "a", "password": "b", name: "MARK"}
    for lone in ("\\ud800", "\\uDFFF", "a\\udc00\\ud800b"):
        body = json.dumps(members).replace("MARK", lone).encode()
        assert told(scene.send(Request("POST", ISSUER + path, (("content-type", JSON),), body)))[:2] == (
            400,
            "invalid_request",
        )
    body = json.dumps({**members, f"{name}": "\U0001f511"}).encode()
    assert b"\\ud83d" in body
    assert scene.send(Request("POST", ISSUER + path, (("content-type", JSON),), body)).status < 500


@pytest.mark.parametrize("added", ["%0d%0aset-cookie:%20a=b", "%0a", "%00", "%C3%BC", "%E2%82%AC", "%20"])
def test_a_logout_cannot_write_headers(added: str) -> None:
    """[FS-15] CR LF in returnTo reached the Location header; only uvicorn stopped it."""
    scene = scene_of(logout_urls=("https://shop.example/bye",))
    assert scene.send(Request("GET", f"{ISSUER}v2/logout?returnTo=https://shop.example/bye?a=b")).status == 302
    for address in ("https://shop.example/bye?a=", "https://shop.example/bye%23"):
        response = scene.send(Request("GET", f"{ISSUER}v2/logout?returnTo={address}{added}"))
        assert response.status == 400
        assert response.header("location") is None


def test_a_response_with_an_impossible_header_is_never_sent() -> None:
    """[FS-15] It is refused inside the last line of defence, whatever endpoint wrote it."""
    for value in ("https://a.example/\r\nset-cookie: a=b", "\x00", "\u20ac"):
        with pytest.raises(ValueError, match="plain ASCII"):
            _checked(Response(302, (("location", value),)))


def test_a_websocket_is_closed() -> None:
    """[FS-25] An upgrade was answered with 500."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(scene_of().tenant.app({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_readiness_says_when_nothing_can_be_written() -> None:
    """[FS-25] Health was 200 while the disk was full. The store is not written for each request."""
    scene = scene_of()
    writes = 0
    healthy = scene.store.write

    async def full(_: object) -> None:
        nonlocal writes
        writes += 1
        raise OSError("no space left on device")

    assert scene.send(Request("GET", f"{ISSUER}readyz")).status == 200
    scene.store.write = full  # type: ignore[method-assign, assignment]
    scene.time.go(timedelta(seconds=6))
    assert [scene.send(Request("GET", f"{ISSUER}readyz")).status for _ in range(5)] == [503] * 5
    assert writes == 1
    scene.store.write = healthy  # type: ignore[method-assign]
    scene.time.go(timedelta(seconds=6))
    assert scene.send(Request("GET", f"{ISSUER}readyz")).status == 200


def test_a_store_that_is_away_is_logged_without_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    """[FS-25] It was a traceback a second, for as long as the database was away."""
    scene = scene_of()

    async def away(_: object) -> None:
        raise StoreUnavailable("the store cannot be used (a reason)")

    scene.store.write = away  # type: ignore[method-assign, assignment]
    scene.time.go(timedelta(seconds=6))
    assert push(scene).status == 503
    told = [record.getMessage() for record in caplog.records if record.name == "keyfob.serve"]
    assert told == [
        "expired rows could not be deleted: the store cannot be used (a reason)",
        "a request was refused: the store cannot be used (a reason)",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_messages_of_the_outbox_go_when_their_codes_and_links_have_lapsed(tmp_path: Path) -> None:
    """[FS-17] Files with live codes were never removed."""
    outbox = FolderOutbox(tmp_path)
    asyncio.run(outbox.send("a@example.com", "Your code", "123456"))
    (first,) = tmp_path.iterdir()
    past = first.stat().st_mtime - LINK_LIFETIME.total_seconds() - 1
    os.utime(first, (past, past))
    asyncio.run(outbox.send("a@example.com", "Your code", "654321"))
    (second,) = tmp_path.iterdir()
    assert second != first
    os.utime(second, (past, past))
    FolderOutbox(tmp_path)
    assert not list(tmp_path.iterdir())
