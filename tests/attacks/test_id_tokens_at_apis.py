"""An ID token is for the client that asked for it; no API accepts one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyfob.errors import InvalidToken, Misuse
from keyfob.guard import Denial, Guard
from keyfob.jose.keys import KeySet, SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.http import Request
from keyfob.resource.policy import Policy
from keyfob.resource.verify import Principal, verify
from keyfob.serve import Api
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.fake_time import NOON
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import body_of, code_of, redeem, scene_of

KEY = SigningKey.generate("ES256")
TIMES = {"iss": ISSUER, "sub": "auth0|1", "iat": int(NOON.timestamp()), "exp": int(NOON.timestamp()) + 600}
LOGIN = {**TIMES, "aud": ORDERS}


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def judge(members: dict[str, object]) -> Principal:
    found = verify(
        sign(members, KEY, token_type="JWT"), KeySet((KEY.public_key(),)), Policy(ISSUER, ORDERS, ("ES256",)), NOON
    )
    assert isinstance(found, Principal)
    return found


def test_an_api_may_not_have_the_name_of_an_application() -> None:
    """[FS-23]."""
    config = example_config(ISSUER)
    with pytest.raises(Misuse, match="client_id of an application"):
        replace(config, apis=(*config.apis, Api("native", "Odd")))


def test_a_guard_for_a_client_id_refuses_the_ID_token_of_that_client(scene: Scene) -> None:  # noqa: N802
    """[FS-23]: an API that was set up with the client_id in place of its audience."""
    members = body_of(redeem(scene, code_of(scene, audience=ORDERS, scope="openid profile email")))
    guard = Guard(issuer=ISSUER, audience="native", send=scene.pair.send, clock=scene.time.now)
    shown = Request("GET", ORDERS, (("authorization", f"Bearer {members['id_token']}"),))
    assert isinstance(guard.check(shown), Denial)


@pytest.mark.parametrize(
    "only", [{"nonce": "n"}, {"at_hash": "h"}, {"auth_time": 1}, {"sid": "s"}, {"azp": "c", "nonce": "n"}]
)
def test_what_only_an_ID_token_says_is_refused(only: dict[str, object]) -> None:  # noqa: N802
    """[FS-23]."""
    with pytest.raises(InvalidToken, match="ID token"):
        judge({**LOGIN, **only})


@pytest.mark.parametrize(
    "also",
    [
        {},
        {"azp": "c", "sid": "s"},
        {"scope": "read:orders", "nonce": "n", "sid": "s", "auth_time": 1},
        {"scp": ["read"], "auth_time": 1},
        {"client_id": "c", "auth_time": 1},
        {"azp": "c", "permissions": [], "sid": "s"},
        {"email": "person@example.com"},
    ],
)
def test_access_tokens_of_other_issuers_are_still_accepted(also: dict[str, object]) -> None:
    """[FS-23]: Auth0's with sid, Keycloak's with nonce, Okta's with scp, a claim that an operator added."""
    assert judge({**LOGIN, **also}).subject == "auth0|1"


def test_our_own_token_without_any_scope_is_accepted(scene: Scene) -> None:
    """[FS-23]: it has sid and azp, or client_id, and no scope at all."""
    members = body_of(redeem(scene, code_of(scene, audience=ORDERS, scope="")))
    guard = Guard(issuer=ISSUER, audience=ORDERS, send=scene.pair.send, clock=scene.time.now)
    shown = Request("GET", ORDERS, (("authorization", f"Bearer {members['access_token']}"),))
    assert isinstance(guard.check(shown), Principal)
