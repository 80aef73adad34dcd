"""U+0000 in parameters: SQLite stores it, PostgreSQL refuses it, and C libraries end their strings there."""

from __future__ import annotations

import pytest

from keyfob.protocol.http import FORM, Request, Response
from keyfob.testing.example_tenant import SECRET
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import scene_of, send_json, told

FORMS = {
    "oauth/device/code": "client_id=native&code_challenge=a%00",
    "oauth/par": f"client_id=web&client_secret={SECRET.reveal()}&response_type=code&nonce=a%00b",
    "oauth/token": "grant_type=password&client_id=legacy&password=x&username=person%00@example.com",
    "oauth/revoke": "client_id=native&token=%00",
}


def post(scene: Scene, path: str, body: str) -> Response:
    return scene.send(Request("POST", f"{ISSUER}{path}", (("content-type", FORM),), body.encode()))


@pytest.mark.parametrize("path", FORMS)
def test_a_parameter_with_a_null_character_is_refused(path: str) -> None:
    assert told(post(scene_of("rfc"), path, FORMS[path]))[:2] == (400, "invalid_request")


def test_the_name_of_a_parameter_has_no_null_character() -> None:
    assert told(post(scene_of("rfc"), "oauth/device/code", "client_id=native&a%00=b"))[:2] == (400, "invalid_request")


@pytest.mark.parametrize("value", ["openid\0", ["openid", "\0"], ["a", ["\0"]]])
def test_a_member_of_json_with_a_null_character_is_refused(value: object) -> None:
    scene = scene_of("rfc")
    assert told(send_json(scene, "oauth/device/code", {"client_id": "native", "nonce": value}))[1] == "invalid_request"


def test_a_page_refuses_a_query_with_a_null_character() -> None:
    query = "response_type=code&client_id=native&redirect_uri=http://127.0.0.1/callback&state=%00"
    assert scene_of().send(Request("GET", f"{ISSUER}authorize?{query}")).status == 400
