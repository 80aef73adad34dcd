"""A tenant behind a proxy: limits are for the client's address, and a shown address is right or hidden."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from keyfob.errors import Misuse
from keyfob.protocol.http import Headers, Request, Response, form_request
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.pair import ask
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import body_of, scene_of


def behind(scene: Scene, request: Request, *, peer: str = "127.0.0.1", forwarded: str = "") -> Response:
    """Send a request as a proxy does, which has ended TLS."""
    headers: Headers = (("x-forwarded-for", forwarded),) if forwarded else ()
    plain = replace(request, url=request.url.replace("https://", "http://"), headers=request.headers + headers)
    return asyncio.run(ask(scene.tenant.app, plain, peer=peer))


def type_password(scene: Scene, password: str, forwarded: str, peer: str = "127.0.0.1") -> int:
    form = {
        "grant_type": "password",
        "client_id": "legacy",
        "audience": ORDERS,
        "username": EMAIL,
        "password": password,
    }
    return behind(scene, form_request(f"{ISSUER}oauth/token", form), forwarded=forwarded, peer=peer).status


def shown_at_activate(scene: Scene, forwarded: str) -> str:
    asked = form_request(f"{ISSUER}oauth/device/code", {"client_id": "native", "scope": "openid"})
    codes = body_of(behind(scene, asked, forwarded=forwarded))
    page = behind(scene, Request("GET", str(codes["verification_uri_complete"])), forwarded="198.51.100.77")
    assert page.status == 200
    return page.body.decode()


def test_behind_a_named_proxy_strangers_hold_up_nobody() -> None:
    """[FS-05] 5 wrong passwords from anywhere gave 429 to the owner."""
    scene = scene_of(allows_password=True, trusted_proxies=("127.0.0.1/32",))
    for _ in range(6):
        last = type_password(scene, "wrong", "6.6.6.6")
    assert last == 429
    assert type_password(scene, PASSWORD, "198.51.100.1") == 200
    assert {event["ip"] for event in scene.events if event["type"] == "sepft"} == {"198.51.100.1"}


def test_a_header_of_any_other_peer_is_not_believed() -> None:
    """[FS-05] Else one caller would have as many addresses as it likes."""
    scene = scene_of(allows_password=True, trusted_proxies=("127.0.0.1/32",))
    statuses = [type_password(scene, "wrong", f"198.51.100.{number}", "203.0.113.5") for number in range(6)]
    assert statuses == [403] * 5 + [429]


def test_asked_from_is_right_or_hidden() -> None:
    """[FS-05] The page said "Asked from 127.0.0.1"."""
    named = scene_of(trusted_proxies=("127.0.0.1/32",))
    assert "198.51.100.1" in shown_at_activate(named, "6.6.6.6, 198.51.100.1")
    unnamed = shown_at_activate(scene_of(), "198.51.100.1")
    assert "Asked from" not in unnamed
    assert "127.0.0.1" not in unnamed


@pytest.mark.parametrize(
    ("forwarded", "nearness"), [("198.51.100.5", "same"), ("203.0.113.5", "other"), ("2001:db8::5", "unknown")]
)
def test_nearness_is_of_the_forwarded_addresses(forwarded: str, nearness: str) -> None:
    """[AS-10027-02]: behind a proxy, every connection comes from one network."""
    named = scene_of(trusted_proxies=("127.0.0.1/32",))
    assert f'data-nearness="{nearness}"' in shown_at_activate(named, forwarded)
    unnamed = shown_at_activate(scene_of(), forwarded)
    assert "data-nearness" not in unnamed, "nothing is known, so nothing is said and nobody is warned"


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "localhost", "10.0.0.1/8", ""])
def test_proxies_are_networks_and_not_everybody(network: str) -> None:
    """[FS-05]."""
    with pytest.raises(Misuse):
        replace(example_config(ISSUER), trusted_proxies=(network,))
