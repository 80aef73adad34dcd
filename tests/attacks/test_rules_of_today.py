"""What an administrator takes away is gone at the next token: refresh, code and poll follow the rules of today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.protocol.http import Response
from keyfob.serve import ApiGrant, TenantConfig
from keyfob.testing.example_tenant import ORDERS
from keyfob.testing.scene import Scene
from tests.server.wires import approve, body_of, code_of, device_codes, poll, redeem, scene_of, token

SCOPE = "openid offline_access read:orders write:orders"
Change = Callable[[TenantConfig], TenantConfig]


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return scene_of(request.param)


def with_api(config: TenantConfig, **changed: object) -> TenantConfig:
    apis = tuple(replace(one, **changed) if one.audience == ORDERS else one for one in config.apis)  # type: ignore[arg-type]
    return replace(config, apis=apis)


def take_scope_away(config: TenantConfig) -> TenantConfig:
    kept = tuple(replace(one, scopes=tuple({*one.scopes} - {"write:orders"})) for one in config.grants)
    return with_api(replace(config, grants=kept), scopes={"read:orders": "read"})


def close_api(config: TenantConfig) -> TenantConfig:
    return with_api(config, users="deny_all")


def require_grant(config: TenantConfig) -> TenantConfig:
    return with_api(config, users="require_grant")


def take_connection_away(config: TenantConfig) -> TenantConfig:
    native = (replace(one, connections=("staff",)) if one.client_id == "native" else one for one in config.applications)
    return replace(config, applications=tuple(native))


def forbid_offline(config: TenantConfig) -> TenantConfig:
    return with_api(config, allow_offline_access=False)


CLOSING = [close_api, require_grant, take_connection_away]


def apply(scene: Scene, change: Change) -> None:
    site = scene.tenant._site
    site.reconfigure(change(site.config), site.tenant_keys)


def log_in(scene: Scene, scope: str = SCOPE) -> str:
    return str(body_of(redeem(scene, code_of(scene, audience=ORDERS, scope=scope)))["refresh_token"])


def refresh(scene: Scene, shown: str, **more: str) -> Response:
    return token(scene, grant_type="refresh_token", client_id="native", refresh_token=shown, **more)


def test_a_scope_that_the_api_lost_is_not_granted_again(scene: Scene) -> None:
    """[FS-09]: by refresh, by code and by poll."""
    shown, code, codes = log_in(scene), code_of(scene, audience=ORDERS, scope=SCOPE), approved(scene)
    apply(scene, take_scope_away)
    for response in (refresh(scene, shown), redeem(scene, code), poll(scene, codes["device_code"])):
        assert body_of(response)["scope"] == "offline_access openid read:orders"


def test_a_scope_that_is_asked_for_by_name_is_not_granted_either(scene: Scene) -> None:
    """[FS-09]."""
    shown = log_in(scene)
    apply(scene, take_scope_away)
    narrowed = body_of(refresh(scene, shown, scope="read:orders write:orders"))
    assert narrowed["scope"] == "read:orders"


@pytest.mark.parametrize("change", CLOSING)
def test_without_any_reach_the_login_ends(scene: Scene, change: Change) -> None:
    """[FS-09]: and stays ended when the rule is taken back."""
    before = scene.tenant._site.config
    shown = log_in(scene)
    apply(scene, change)
    assert refresh(scene, shown).status in {400, 403}
    apply(scene, lambda _: before)
    assert refresh(scene, shown).status in {400, 403}


@pytest.mark.parametrize("change", CLOSING)
def test_without_any_reach_no_code_and_no_poll_gives_a_token(scene: Scene, change: Change) -> None:
    """[FS-09]."""
    code, codes = code_of(scene, audience=ORDERS, scope=SCOPE), approved(scene)
    apply(scene, change)
    assert redeem(scene, code).status in {400, 403}
    assert poll(scene, codes["device_code"]).status in {400, 403}


def test_the_last_scope_of_an_api_ends_a_login_that_had_nothing_else(scene: Scene) -> None:
    """[FS-09]."""
    shown = log_in(scene, "offline_access write:orders")
    apply(scene, take_scope_away)
    assert refresh(scene, shown).status in {400, 403}


def test_a_grant_that_shrinks_shrinks_the_next_token(scene: Scene) -> None:
    """[FS-09]."""
    shown = log_in(scene)
    grant = ApiGrant("native", ORDERS, ("read:orders",))
    apply(scene, lambda config: replace(require_grant(config), grants=(*config.grants, grant)))
    assert body_of(refresh(scene, shown))["scope"] == "offline_access openid read:orders"


def test_an_api_that_forbids_offline_access_ends_the_login(scene: Scene) -> None:
    """[FS-09]."""
    shown = log_in(scene)
    apply(scene, forbid_offline)
    assert refresh(scene, shown).status in {400, 403}


def test_a_login_for_no_scope_at_all_goes_on(scene: Scene) -> None:
    """[FS-09]: nothing was taken from it."""
    shown = log_in(scene, "offline_access")
    scene.time.go(timedelta(days=1))
    assert refresh(scene, shown).status == 200


def approved(scene: Scene) -> dict[str, object]:
    codes = device_codes(scene, audience=ORDERS, scope=SCOPE)
    approve(scene, codes)
    return codes
