"""What the tests of the wire share: a scene with every kind of application, and words for answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from keyfob.jose.tokens import take_apart
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import JSON, Headers, Request, Response, form_request
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import CALLBACK, SECRET, example_config
from keyfob.testing.person import Page, Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = challenge_of(Secret(VERIFIER))


def scene_of(wire: Wire = "auth0", **changed: object) -> Scene:
    return Scene(replace(example_config(ISSUER, wire), **changed))  # type: ignore[arg-type]


def stored(scene: Scene) -> dict[str, list[dict[str, object]]]:
    """Return the rows of every table, as the database has them."""
    execute = scene.store._reader.execute
    names = [name for (name,) in execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found: dict[str, list[dict[str, object]]] = {}
    for name in names:
        rows = execute(f"SELECT * FROM {name}")
        columns = [column for column, *_ in rows.description]
        found[name] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def told(response: Response) -> tuple[int, str, str]:
    members = json.loads(response.body)
    return response.status, members["error"], members.get("error_description", "")


def body_of(response: Response) -> dict[str, object]:
    assert response.status == 200, response.body
    found: dict[str, object] = json.loads(response.body)
    return found


def text_of(response: Response, name: str) -> str:
    found = body_of(response)[name]
    assert isinstance(found, str)
    return found


def claims_of(token: object) -> dict[str, object]:
    assert isinstance(token, str)
    found: dict[str, object] = json.loads(take_apart(Secret(token)).payload)
    return found


def header_of(token: object) -> dict[str, object]:
    assert isinstance(token, str)
    part = token.partition(".")[0]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def basic(client_id: str, secret: Secret = SECRET) -> Headers:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}".encode()
    return (("authorization", "Basic " + base64.b64encode(pair).decode()),)


def token(scene: Scene, headers: Headers = (), **parameters: str) -> Response:
    return scene.send(form_request(f"{ISSUER}oauth/token", parameters, headers=headers))


def send_json(scene: Scene, path: str, members: Mapping[str, object], headers: Headers = ()) -> Response:
    body = json.dumps(members).encode()
    return scene.send(Request("POST", f"{ISSUER}{path}", (("content-type", JSON), *headers), body))


def as_machine(scene: Scene, **parameters: str) -> Response:
    own = {"grant_type": "client_credentials", "client_id": "machine", "client_secret": SECRET.reveal()}
    return token(scene, **{**own, **parameters})


def with_password(scene: Scene, **parameters: str) -> Response:
    own = {"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": PASSWORD}
    return token(scene, **{**own, **parameters})


def address_of(**parameters: str) -> str:
    own = {
        "client_id": "native",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    kept = {name: value for name, value in {**own, **parameters}.items() if value}
    return f"{ISSUER}authorize?{urlencode(kept)}"


def person_of(scene: Scene) -> Person:
    """Somebody who does not follow a redirect to a program: nobody is at its address here."""

    def send(request: Request) -> Response:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != ISSUER.rstrip("/"):
            return Response(200, (("x-callback", request.url),))
        return scene.pair.send(request)

    return Person(send)


def log_in(person: Person, **filled: str) -> Page:
    return person.press("login", **{"email": EMAIL, "password": PASSWORD, **filled})


def landed(page: Page) -> dict[str, str]:
    """What the program was told at its callback."""
    address = page.response.header("x-callback")
    assert address is not None, page.text
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def code_of(scene: Scene, person: Person | None = None, **parameters: str) -> str:
    """A code, after a login and all that comes with it."""
    person = person or person_of(scene)
    page = person.open(address_of(**parameters))
    if "/u/login" in page.url:
        page = log_in(person)
    if "/u/consent" in page.url:
        page = person.press("approve")
    return landed(page)["code"]


def redeem(scene: Scene, code: str, headers: Headers = (), **parameters: str) -> Response:
    own = {"grant_type": "authorization_code", "client_id": "native", "code": code, "redirect_uri": CALLBACK}
    return token(scene, headers, **{**own, "code_verifier": VERIFIER, **parameters})


def device_codes(scene: Scene, **parameters: str) -> dict[str, object]:
    return body_of(scene.post("oauth/device/code", **{"client_id": "native", "scope": "openid", **parameters}))


def poll(scene: Scene, code: object, headers: Headers = ()) -> Response:
    return token(scene, headers, grant_type=DEVICE_CODE, device_code=str(code), client_id="native")


def approve(scene: Scene, codes: Mapping[str, object]) -> None:
    person = person_of(scene)
    person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    log_in(person)
