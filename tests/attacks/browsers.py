"""What the attacks on the pages share: two directories, tabs of one browser, authenticators."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace

from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.serve import Application, Connection
from keyfob.server.decide.multifactor import one_time_code, step_of
from keyfob.server.records import DEFAULT_CONNECTION
from keyfob.server.settings.config import Mfa
from keyfob.testing.example_tenant import CALLBACK, example_config
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import body_of, person_of, token, with_password

CUSTOMER = "customer@example.com"
OTP = "http://auth0.com/oauth/grant-type/mfa-otp"
RECOVERY = "http://auth0.com/oauth/grant-type/mfa-recovery-code"
GRANTS = (AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN)
STAFF_ONLY = Application("admin-cli", "Admin CLI", grants=GRANTS, callbacks=(CALLBACK,), connections=("staff",))
EVERYBODY = Application(
    "cli", "Everyday CLI", grants=GRANTS, callbacks=(CALLBACK,), connections=("staff", "customers", DEFAULT_CONNECTION)
)
BOTH = {"scope": "openid offline_access"}


def two_directories(mfa: Mfa = "always") -> Scene:
    """A tenant whose `admin-cli` is for the staff; the customer's second factor is enrolled where one is due."""
    config = example_config(ISSUER)
    scene = Scene(
        replace(
            config,
            name="Example",
            mfa=mfa,
            applications=(*config.applications, STAFF_ONLY, EVERYBODY),
            connections=(*config.connections, Connection("customers", allows_password=True)),
        )
    )
    asyncio.run(scene.tenant.add_user(CUSTOMER, Secret(PASSWORD), "Cary Customer", connection="customers"))
    return scene


def tabs_of(scene: Scene) -> tuple[Person, Person]:
    """Two tabs of one browser."""
    first, second = person_of(scene), person_of(scene)
    second.cookies = first.cookies
    return first, second


def device(scene: Scene, client_id: str) -> dict[str, object]:
    return body_of(scene.post("oauth/device/code", client_id=client_id, **BOTH))


def polled(scene: Scene, client_id: str, codes: Mapping[str, object]) -> dict[str, object]:
    answer = token(scene, grant_type=DEVICE_CODE, device_code=str(codes["device_code"]), client_id=client_id)
    found: dict[str, object] = json.loads(answer.body)
    return found


def error_of(found: Mapping[str, object]) -> object:
    return found.get("error", "tokens")


def confirmed(scene: Scene, person: Person, client_id: str) -> dict[str, object]:
    codes = device(scene, client_id)
    person.open(str(codes["verification_uri_complete"]))
    person.press("confirm")
    return codes


def shown_secret(text: str) -> str:
    """The key on the page where a factor is set up."""
    words = text.split()
    return "".join(words[words.index("Then") - 8 : words.index("Then")])


def code_for(scene: Scene, secret: str) -> str:
    return one_time_code(base64.b32decode(secret), step_of(scene.time.now()))


def mfa_token(scene: Scene, **parameters: str) -> str:
    response = with_password(scene, **parameters)
    assert response.status == 403, response.body
    return str(json.loads(response.body)["mfa_token"])


def bearer(scene: Scene, method: str, path: str, shown: str, members: object = None) -> Response:
    headers = (("authorization", f"Bearer {shown}"), ("content-type", "application/json"))
    return scene.send(
        Request(method, f"{ISSUER}{path}", headers, b"" if members is None else json.dumps(members).encode())
    )


def associate(scene: Scene, shown: str, kind: str = "otp") -> dict[str, object]:
    more = {"oob_channels": ["email"]} if kind == "oob" else {}
    return body_of(bearer(scene, "POST", "mfa/associate", shown, {"authenticator_types": [kind], **more}))


def prove(scene: Scene, shown: str, secret: str) -> Response:
    return token(scene, grant_type=OTP, client_id="legacy", mfa_token=shown, otp=code_for(scene, secret))


def recover(scene: Scene, shown: str, code: str) -> Response:
    return token(scene, grant_type=RECOVERY, client_id="legacy", mfa_token=shown, recovery_code=code)


def at_password(scene: Scene, person: Person, client_id: str = "native") -> dict[str, object]:
    """A browser that has confirmed a code and logged in with the right password."""
    codes = confirmed(scene, person, client_id)
    person.press("login", email=EMAIL, password=PASSWORD)
    return codes
