"""No header of a request changes the addresses that a tenant hands out, or whom it counts as the sender."""

from __future__ import annotations

import json

import pytest

from keyfob.protocol.http import FORM, Headers, Request
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import scene_of

SPOOFED: Headers = (
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-for", "198.51.100.1"),
    ("x-forwarded-proto", "http"),
    ("x-real-ip", "198.51.100.1"),
    ("forwarded", "for=198.51.100.1;host=evil.example;proto=http"),
)


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def test_addresses_come_from_the_settings(scene: Scene) -> None:
    """[AS-9700-02]: metadata, the links of a device login, and the redirect to the login page."""
    for path in (".well-known/openid-configuration", ".well-known/oauth-authorization-server"):
        metadata = scene.send(Request("GET", f"{ISSUER}{path}", SPOOFED))
        assert metadata.body == scene.send(Request("GET", f"{ISSUER}{path}")).body
        assert b"evil" not in metadata.body
    headers = (("content-type", FORM), *SPOOFED)
    codes = json.loads(
        scene.send(Request("POST", f"{ISSUER}oauth/device/code", headers, b"client_id=native&scope=openid")).body
    )
    assert codes["verification_uri"] == f"{ISSUER}activate"
    assert codes["verification_uri_complete"].startswith(ISSUER)


def test_the_sender_is_the_connection(scene: Scene) -> None:
    """[AS-9700-02]: each wrong password from one connection counts for it, whatever it says of itself."""
    for number in range(6):
        headers = (("content-type", FORM), ("x-forwarded-for", f"198.51.100.{number}"))
        body = b"grant_type=password&client_id=legacy&username=person%40example.com&password=wrong"
        last = scene.send(Request("POST", f"{ISSUER}oauth/token", headers, body))
    assert last.status == 429
    assert {event["ip"] for event in scene.events if "ip" in event} == {"192.0.2.7"}
