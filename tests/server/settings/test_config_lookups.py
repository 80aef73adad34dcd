"""Clients, APIs and grants are found by dictionary as a search through the settings would find them."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.scope import Scope
from keyfob.serve import Api, ApiGrant, Application, TenantConfig
from keyfob.server.settings.config import STANDARD_SCOPES
from keyfob.testing.example_tenant import APIS, GRANTS, ORDERS, STOCK, example_config

ISSUER = "https://login.example/"
CONFIG = example_config(ISSUER)
MFA, USERINFO = f"{ISSUER}mfa/", f"{ISSUER}userinfo"
CLIENT_IDS = st.sampled_from([one.client_id for one in CONFIG.applications]) | st.text(max_size=8)
AUDIENCES = st.sampled_from([ORDERS, STOCK, MFA, USERINFO, ISSUER, ""]) | st.text(max_size=8)
SCOPES = st.frozensets(st.sampled_from([*STANDARD_SCOPES, "read:orders", "write:orders", "read:stock", "enroll", "x"]))
CONFIGS = st.sampled_from([CONFIG, replace(CONFIG, default_audience=STOCK)])


@given(CONFIGS, CLIENT_IDS, AUDIENCES)
def test_a_lookup_finds_what_a_search_finds(config: TenantConfig, client_id: str, audience: str) -> None:
    """The slow text, a search from the first entry on, is the oracle."""
    assert config.application(client_id) == next(
        (one for one in config.applications if one.client_id == client_id), None
    )
    wanted = audience or config.default_audience
    api = config.mfa_api if wanted == MFA else next((one for one in config.apis if one.audience == wanted), None)
    assert config.api(audience) == api
    is_userinfo = (audience or config.default_audience or USERINFO) == USERINFO
    assert config.target(audience) == (Api(USERINFO, "Your profile") if is_userinfo else api)
    assert config.grant(client_id, audience) == next(
        (one for one in config.grants if (one.client_id, one.audience) == (client_id, audience)), None
    )


@given(SCOPES, st.sampled_from([*APIS, replace(APIS[0], allow_offline_access=False), CONFIG.mfa_api]))
def test_the_grantable_scope_is_what_the_api_and_the_standard_offer(asked: frozenset[str], api: Api) -> None:
    offered = {*STANDARD_SCOPES, *api.scopes} - (set() if api.allow_offline_access else {"offline_access"})

    assert CONFIG.grantable(Scope(asked), api) == Scope(asked & offered)


def test_of_two_grants_for_one_api_the_first_counts() -> None:
    config = replace(CONFIG, grants=(ApiGrant("machine", ORDERS, ("read:orders",)), ApiGrant("machine", ORDERS)))

    assert config.grant("machine", ORDERS) == config.grants[0]


def test_changed_settings_have_lookups_of_their_own() -> None:
    """`replace` copies the fields alone."""
    assert CONFIG.application("new") is None
    assert CONFIG.api(None) is None
    changed = replace(CONFIG, applications=(*CONFIG.applications, Application("new", "New")), default_audience=STOCK)

    assert changed.application("new") is not None
    assert changed.api(None) == APIS[1]
    assert replace(CONFIG, issuer="https://other.example/").userinfo_audience == "https://other.example/userinfo"
    assert replace(CONFIG, grants=GRANTS[:1]).grant("signer", ORDERS) is None


def test_a_lookup_changes_neither_equality_nor_the_fields() -> None:
    """The fields are the keys of tenant.toml."""
    used, fresh = example_config(ISSUER), example_config(ISSUER)
    used.application("machine")
    used.target(None)

    assert used == fresh
    assert repr(used) == repr(fresh)
    assert not {one.name for one in fields(used)} & {"_applications", "_apis", "_grants", "userinfo_api", "mfa_api"}
