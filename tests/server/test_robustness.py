"""No bytes make the tenant stumble, and its database opens nothing."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.protocol.client_authentication import JWT_BEARER
from keyfob.protocol.grants import DEVICE_CODE, GRANT_TYPES
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, ready_config
from keyfob.server.endpoints.routes import ROUTES
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.example_tenant import CALLBACK, ORDERS, SECRET, example_config
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.endpoints.oauth.test_dpop import EXAMPLE

SCENE = Scene(example_config(ISSUER))
names = st.sampled_from(
    [
        *("client_id", "client_secret", "client_assertion", "client_assertion_type", "grant_type", "scope", "audience"),
        *("resource", "organization", "device_code", "refresh_token", "token", "token_type_hint", "code"),
        *("redirect_uri", "code_verifier", "username", "password", "realm", "mfa_token", "otp", "oob_code"),
        *("binding_code", "recovery_code", "authenticator_types", "oob_channels", "challenge_type"),
        *("response_type", "response_mode", "state", "nonce", "prompt", "max_age", "code_challenge"),
        *("code_challenge_method", "dpop_jkt", "request", "request_uri", "returnTo", "id_token_hint"),
        *("post_logout_redirect_uri", "logout_hint", "user_code", "csrf", "button", "email"),
    ]
)
values = st.sampled_from(
    [
        *(READY_CLIENT_ID, "native", "web", "machine", "signer", "legacy", *GRANT_TYPES, JWT_BEARER),
        *(SECRET.reveal(), EMAIL, PASSWORD, ORDERS, CALLBACK, "code", "query", "form_post", "none", "S256", "x" * 43),
        *("v1.M", "Fe26.2*", "x", "0", "-1", "1e400", "a.b.c", "a.b.c.d.e", "otp", "oob", "\x00", "é"),
    ]
)
forms = st.lists(st.tuples(names, values | st.text(max_size=20)), max_size=8).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "replace")
)
objects = st.dictionaries(names, values | st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=2)).map(
    lambda members: json.dumps(members).encode()
)


@settings(max_examples=800)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
    path=st.sampled_from([*ROUTES, "/", "/nowhere"]),
    query=st.just("") | forms.map(lambda raw: raw.decode("ascii", "ignore")),
    kind=st.sampled_from(["application/x-www-form-urlencoded", "application/json", "text/plain", ""]),
    authorization=st.sampled_from(["", "Basic d2ViOng=", "Bearer a.b.c", "DPoP a.b.c.d.e", "Bearer Fe26.2*"])
    | st.text(st.characters(codec="latin-1"), max_size=30),
    proof=st.none() | st.sampled_from(["a.b.c", "", EXAMPLE.reveal()]) | st.text(st.characters(codec="latin-1")),
    cookie=st.just("") | st.text(st.characters(codec="latin-1"), max_size=30),
    body=forms | objects | st.binary(max_size=60),
)
def test_no_request_makes_the_tenant_stumble(
    method: str, path: str, query: str, kind: str, authorization: str, proof: str | None, cookie: str, body: bytes
) -> None:
    """[AS-ASVS-01]."""
    shown = () if proof is None else (("dpop", proof),)
    headers = (("content-type", kind), ("authorization", authorization), ("cookie", cookie), *shown)
    safe_query = re.sub(r"[^!-~]|#", "", query)
    response = SCENE.send(Request(method, f"{ISSUER}{path[1:]}?{safe_query}", headers, body))
    assert response.status < 500
    assert b"Traceback" not in response.body


def test_a_stumble_inside_is_told_to_nobody_outside(scene: Scene) -> None:
    """[AS-ASVS-01]."""

    def broken(_: int) -> bytes:
        raise RuntimeError("a secret of the house")

    scene.time.random = broken  # type: ignore[method-assign]
    response = scene.post("oauth/device/code", client_id=READY_CLIENT_ID)
    assert response.status == 500
    assert json.loads(response.body)["error"] == "server_error"
    assert b"secret" not in response.body


def test_the_database_holds_nothing_that_opens_anything(tmp_path: Path) -> None:
    """[AS-ASVS-02] [AS-8628-06] [AS-NIST-06]."""
    tenant = Tenant.open(tmp_path, ready_config(ISSUER))
    asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))
    pair = Pair({"https://login.example": tenant.app})

    def post(path: str, **parameters: str) -> dict[str, str]:
        request = Request(
            "POST", f"{ISSUER}{path}", (("content-type", "application/json"),), json.dumps(parameters).encode()
        )
        found: dict[str, str] = json.loads(pair.send(request).body)
        return found

    codes = post("oauth/device/code", client_id=READY_CLIENT_ID, scope="openid offline_access")
    person = Person(pair.send)
    person.open(codes["verification_uri_complete"])
    person.press("confirm")
    session = dict(person.cookies)
    person.press("login", email=EMAIL, password=PASSWORD)
    code = codes["device_code"]
    tokens = post("oauth/token", client_id=READY_CLIENT_ID, grant_type=DEVICE_CODE, device_code=code)
    tenant.close()
    dump = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name != "master.key")
    issued = [codes["device_code"], codes["user_code"], tokens["access_token"], tokens["refresh_token"], PASSWORD]
    for secret in (*issued, *session.values(), *person.cookies.values(), "PRIVATE KEY"):
        assert secret.encode() not in dump


def test_keys_and_logins_survive_a_restart(tmp_path: Path) -> None:
    first = Tenant.open(tmp_path, ready_config(ISSUER), with_first_user=True)
    assert first.first_user is not None
    ask = Request("GET", f"{ISSUER}.well-known/jwks.json")
    keys = Pair({"https://login.example": first.app}).send(ask).body
    first.close()
    second = Tenant.open(tmp_path, ready_config(ISSUER), with_first_user=True)
    assert second.first_user is None, "the password is shown once"
    assert Pair({"https://login.example": second.app}).send(ask).body == keys
    second.close()
