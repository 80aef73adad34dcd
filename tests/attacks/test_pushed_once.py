"""A pushed request is opened once, and a client may be required to push (RFC 9126 §4, §5)."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from keyfob.protocol.http import FORM, Request, Response
from keyfob.testing.example_tenant import example_config
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import address_of, body_of, landed, log_in, person_of, redeem, scene_of


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def push(scene: Scene) -> str:
    """Push the usual request, and return the query that opens it."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address_of()).query).items()}
    request = Request("POST", f"{ISSUER}oauth/par", (("content-type", FORM),), urlencode(asked).encode())
    pushed = json.loads(scene.send(request).body)
    return urlencode({"client_id": "native", "request_uri": pushed["request_uri"]})


def authorize(scene: Scene, query: str) -> Response:
    return scene.send(Request("GET", f"{ISSUER}authorize?{query}"))


def test_a_pushed_request_is_opened_once(scene: Scene) -> None:
    """[FS-22] [AS-9126-01]: whoever opens it, and from whatever browser; the login that it began goes on."""
    query, person = push(scene), person_of(scene)
    person.open(f"{ISSUER}authorize?{query}")
    assert authorize(scene, query).status == 400
    assert person_of(scene).open(f"{ISSUER}authorize?{query}").response.status == 400
    code = landed(log_in(person))["code"]
    assert "access_token" in body_of(redeem(scene, code))


def test_a_request_of_another_client_does_not_spend_it(scene: Scene) -> None:
    """[FS-22]."""
    query = push(scene)
    assert authorize(scene, query.replace("client_id=native", "client_id=web")).status == 400
    assert authorize(scene, query).status in {302, 303}


def test_a_client_that_must_push_is_refused_without(scene: Scene) -> None:
    """[FS-22]: RFC 9126 §5. The client is told at its redirect URI, so that it does not wait for a user in vain."""
    config = example_config(ISSUER, scene.config.wire)
    strict = (replace(one, requires_par=True) if one.client_id == "native" else one for one in config.applications)
    scene = Scene(replace(config, applications=tuple(strict)))
    plain = scene.send(Request("GET", address_of()))
    told = parse_qs(urlsplit(plain.header("location") or "").query)
    assert told["error"] == ["invalid_request"]
    assert "push" in told["error_description"][0]
    assert "code" not in told
    unregistered = scene.send(Request("GET", address_of(redirect_uri="https://evil.example/")))
    assert (unregistered.status, unregistered.header("location")) == (400, None)
    assert authorize(scene, push(scene)).status in {302, 303}
