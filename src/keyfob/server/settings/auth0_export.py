"""Convert an export of auth0-deploy-cli to the tables of tenant.toml, and report the parts that are not converted."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from typing import Any, Final, cast

from keyfob.protocol.grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, GRANT_TYPES, REFRESH_TOKEN
from keyfob.server.settings.auth0_fields import Auth0Fields, Leave, records, texts
from keyfob.server.settings.field_types import write_grants
from keyfob.server.settings.registered import Application
from keyfob.server.settings.schema import Table
from keyfob.server.settings.stored_settings import read_tables
from keyfob.server.settings.tenant_file import SERVED, any_secret
from keyfob.server.settings.toml import Location

_KINDS: Final = {"native": "native", "spa": "spa", "regular_web": "web", "non_interactive": "machine"}
_DIALECTS: Final = {
    "access_token": ("auth0", False),
    "access_token_authz": ("auth0", True),
    "rfc9068_profile": ("rfc9068", False),
    "rfc9068_profile_authz": ("rfc9068", True),
}
_READ: Final = ("tenant", "clients", "resourceServers", "clientGrants", "roles", "databases", "connections")
_USERS: Final = {"allow_all": "allow_all", "require_client_grant": "require_grant", "deny_all": "deny_all"}
_LONGEST_TOKEN: Final = 30 * 86400


def convert(export: Mapping[str, object]) -> tuple[Table, tuple[str, ...]]:
    """Return valid tables of tenant.toml, and a line for each part of the export that is not converted."""
    left: list[str] = []

    def leave(what: str, why: str) -> None:
        left.append(f"{what}: {why}")

    for name, value in export.items():
        if name not in _READ and value:
            number = f"{len(cast('list[object]', value))} of them, " if isinstance(value, list) else ""
            leave(name, f"{number}keyfob has nothing like it")
    ids: dict[str, str] = {}
    tables: Table = {"tenant": _tenant(export, leave)}
    enabled = _connections(export, tables, leave)
    tables["applications"] = [
        _application(one, ids, enabled, leave) for one in records(export, "clients", leave) if _is_client(one, leave)
    ]
    tables["apis"] = [_api(one, leave) for one in records(export, "resourceServers", leave) if _is_api(one, leave)]
    tables["grants"] = _grants(export, ids, _scopes(tables), leave)
    tables["roles"] = _roles(export, _scopes(tables), leave)
    _prune(tables, leave)
    return {name: table for name, table in tables.items() if table}, tuple(left)


def client_id_of(name: str) -> str:
    """Derive a client id of 32 letters from a client's name, since an export has names in place of client ids."""
    number, found = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"), ""
    while len(found) < 32:
        number, at = divmod(number, len(string.ascii_letters))
        found += string.ascii_letters[at]
    return found


def _tenant(export: Mapping[str, object], leave: Leave) -> Table:
    given = export.get("tenant")
    fields = Auth0Fields(cast("dict[str, object]", given) if isinstance(given, dict) else {}, "tenant", leave)
    table: Table = {}
    for word, name in (("name", "friendly_name"), ("default_audience", "default_audience"), ("logo", "picture_url")):
        value = fields.text(name)
        if value:
            table[word] = value
    fields.span_in(table, "session_absolute", "session_lifetime", unit=3600)
    fields.span_in(table, "session_idle", "idle_session_lifetime", unit=3600)
    directory = fields.text("default_directory")
    if directory:
        table["default_directory"] = directory
    urls = fields.urls("allowed_logout_urls")
    if urls:
        table["logout_urls"] = urls
    fields.leave_the_rest()
    return table


def _connections(export: Mapping[str, object], tables: Table, leave: Leave) -> dict[str, list[str]] | None:
    """Convert the connections. Return the connections of each client, or None if the export has no connections."""
    found = records(export, "databases", leave)
    for one in records(export, "connections", leave):
        if one.get("strategy") == "auth0":
            found.append(one)
        else:
            leave(f"connection {one.get('name', '')!r}", "keyfob supports database connections only, no other strategy")
    enabled: dict[str, list[str]] = {}
    written: list[Table] = []
    for one in found:
        fields = Auth0Fields(one, f"connection {one.get('name', '')!r}", leave)
        name = fields.text("name")
        if not name:
            leave("connection", "it has no name")
            continue
        for client in texts(fields.take("enabled_clients")):
            enabled.setdefault(client, []).append(name)
        fields.drop("strategy", "id")
        fields.leave_the_rest()
        written.append({"name": name})
    if not found:
        return None
    tables["connections"] = written
    return enabled


def _is_client(one: Table, leave: Leave) -> bool:
    name = one.get("name")
    kind = one.get("app_type", "regular_web")
    if not isinstance(name, str) or not name:
        leave("client", "it has no name")
        return False
    if one.get("global") is True or name == "All Applications":
        leave(f"client {name!r}", "Auth0's global client has no counterpart")
        return False
    if not isinstance(kind, str) or kind not in _KINDS:
        leave(f"client {name!r}", "its app_type is unknown")
        return False
    return True


def _application(one: Table, ids: dict[str, str], enabled: dict[str, list[str]] | None, leave: Leave) -> Table:
    name = cast(str, one["name"])
    fields = Auth0Fields(one, f"client {name!r}", leave)
    kind = _KINDS[fields.text("app_type") or "regular_web"]
    table: Table = {"client_id": fields.text("client_id") or client_id_of(name), "name": name, "kind": kind}
    ids[name] = ids[cast(str, table["client_id"])] = cast(str, table["client_id"])
    methods = _methods(fields, kind)
    table["auth"] = methods[0] if len(methods) == 1 else methods
    callbacks = _callbacks(fields)
    table["grants"] = write_grants(_client_grants(fields, is_public=methods == ["none"], has_callbacks=bool(callbacks)))
    for word, value in (
        ("callbacks", callbacks),
        ("logout_urls", fields.urls("allowed_logout_urls")),
        ("web_origins", fields.urls("web_origins")),
    ):
        if value:
            table[word] = value
    if fields.take("require_pushed_authorization_requests") is True:
        table["requires_par"] = True
    if fields.take("is_first_party") is False:
        table["is_first_party"] = False
    if enabled is not None:
        table["connections"] = enabled.get(name, [])
    refresh = _refresh(fields)
    if refresh:
        table["refresh"] = refresh
    jwt = Auth0Fields(fields.table("jwt_configuration"), f"client {name!r}: jwt_configuration", leave)
    jwt.span_in(table, "id_token_lifetime", "lifetime_in_seconds")
    if jwt.text("alg") not in {None, "RS256"}:
        leave(f"client {name!r}: jwt_configuration.alg", "keyfob signs ID tokens with RS256")
    jwt.drop("secret_encoded")
    jwt.leave_the_rest()
    if fields.take("client_secret") is not None or methods != ["none"]:
        leave(f"client {name!r}: client_secret", 'never copied; add secrets = [{ env = "NAME" }] to the application')
    fields.drop(
        "oidc_conformant", "global", "is_token_endpoint_ip_header_trusted", "sso_disabled", "custom_login_page_on"
    )
    fields.leave_the_rest()
    return table


def _methods(fields: Auth0Fields, kind: str) -> list[str]:
    method = fields.text("token_endpoint_auth_method")
    if "private_key_jwt" in fields.table("client_authentication_methods"):
        fields.note("client_authentication_methods", "its public keys are not in the export; write them as public_keys")
        return ["private_key_jwt"]
    if kind in {"native", "spa"}:
        if method not in {None, "none"}:
            fields.note("token_endpoint_auth_method", f"a {kind} application is public, so its method is none")
        return ["none"]
    if method == "none" and kind == "machine":
        fields.note("token_endpoint_auth_method", "a machine must authenticate, so its method is client_secret_post")
    if method in {"client_secret_basic", "client_secret_post"} or (method == "none" and kind == "web"):
        return [method]
    return ["client_secret_post"]


def _callbacks(fields: Auth0Fields) -> list[str]:
    found: list[str] = []
    for callback in texts(fields.take("callbacks")):
        if "*" in callback:
            fields.note("callbacks", "one has a placeholder; keyfob compares callbacks exactly")
        elif fields.is_possible("callbacks", Application("x", "x", callbacks=(callback,)).check):
            found.append(callback)
    return found


def _client_grants(fields: Auth0Fields, *, is_public: bool, has_callbacks: bool) -> list[str]:
    given = fields.take("grant_types")
    # Auth0's default for a new application.
    usual = [AUTHORIZATION_CODE, REFRESH_TOKEN, *([] if is_public else [CLIENT_CREDENTIALS])]
    asked = usual if given is None else texts(given)
    found: list[str] = []
    for grant in asked:
        if grant not in GRANT_TYPES:
            fields.note("grant_types", f"{grant!r} is a grant type that keyfob does not support")
        elif grant == CLIENT_CREDENTIALS and is_public:
            fields.note("grant_types", "client_credentials is not for a public application")
        elif grant == AUTHORIZATION_CODE and not has_callbacks:
            fields.note("grant_types", "authorization_code needs a callback, and there is none")
        else:
            found.append(grant)
    return found


def _refresh(fields: Auth0Fields) -> Table:
    own = Auth0Fields(fields.table("refresh_token"), f"{fields.what}: refresh_token", fields.leave)
    table: Table = {}
    if own.take("rotation_type") == "non-rotating":
        table["rotates"] = False
    own.span_in(table, "leeway", "leeway")
    endless = own.take("expiration_type") == "non-expiring"
    if own.take("infinite_token_lifetime") is True or endless:
        own.note("infinite_token_lifetime", "logins without end are not supported; the default lifetime is used")
        own.drop("token_lifetime")
    if own.take("infinite_idle_token_lifetime") is True or endless:
        own.drop("idle_token_lifetime")
    own.span_in(table, "absolute", "token_lifetime")
    own.span_in(table, "idle", "idle_token_lifetime")
    own.leave_the_rest()
    return table


def _is_api(one: Table, leave: Leave) -> bool:
    if not isinstance(one.get("identifier"), str) or not one["identifier"]:
        leave(f"resource server {one.get('name', '')!r}", "it has no identifier")
        return False
    if one.get("is_system") is True:
        leave(f"resource server {one['identifier']!r}", "it is Auth0's own API")
        return False
    return True


def _api(one: Table, leave: Leave) -> Table:
    audience = cast(str, one["identifier"])
    fields = Auth0Fields(one, f"resource server {audience!r}", leave)
    table: Table = {"audience": audience, "name": fields.text("name") or audience}
    scopes = {
        value: words if isinstance(words := scope.get("description"), str) else value
        for scope in records(one, "scopes", leave)
        if isinstance(value := scope.get("value"), str)
    }
    if scopes:
        table["scopes"] = scopes
    table |= _dialect(fields)
    algorithm = fields.text("signing_alg")
    if algorithm == "PS256":
        table["algorithm"] = algorithm
    elif algorithm not in {None, "RS256"}:
        fields.note("signing_alg", f"RS256 replaces {algorithm!r}")
    if fields.take("allow_offline_access") is not True:
        table["allow_offline_access"] = False
    for word, name in (
        ("enforces_permissions", "enforce_policies"),
        ("skips_consent", "skip_consent_for_verifiable_first_party_clients"),
    ):
        if fields.take(name) is True:
            table[word] = True
    policy = Auth0Fields(fields.table("subject_type_authorization"), fields.what, leave).table("user").get("policy")
    if _USERS.get(str(policy), "allow_all") != "allow_all":
        table["users"] = _USERS[str(policy)]
    fields.span_in(table, "token_lifetime", "token_lifetime", most=_LONGEST_TOKEN)
    fields.drop("identifier", "scopes", "id", "is_system")
    fields.leave_the_rest()
    return table


def _dialect(fields: Auth0Fields) -> Table:
    dialect = fields.text("token_dialect")
    if dialect is not None and dialect not in _DIALECTS:
        fields.note("token_dialect", "it is unknown; access tokens have Auth0's format")
    profile, lists = _DIALECTS.get(dialect or "", ("auth0", False))
    return {**({} if profile == "auth0" else {"profile": profile}), **({"lists_permissions": True} if lists else {})}


def _scopes(tables: Table) -> dict[str, set[str]]:
    apis = cast("list[dict[str, Any]]", tables["apis"])
    return {api["audience"]: set(api.get("scopes", {})) for api in apis}


def _grants(
    export: Mapping[str, object], ids: Mapping[str, str], scopes: Mapping[str, set[str]], leave: Leave
) -> list[Table]:
    found: dict[tuple[str, str], list[str]] = {}
    for one in records(export, "clientGrants", leave):
        name, audience = str(one.get("client_id", "")), str(one.get("audience", ""))
        what = f"client grant of {name!r} at {audience!r}"
        if name not in ids or audience not in scopes:
            leave(what, "its client or its API was left out")
        elif one.get("subject_type") == "user":
            leave(what, "keyfob's grants are for the client credentials grant only")
        else:
            asked = texts(one.get("scope"))
            for scope in asked:
                if scope not in scopes[audience]:
                    leave(what, f"the API has no scope {scope!r}")
            granted = found.setdefault((ids[name], audience), [])
            granted += [scope for scope in asked if scope in scopes[audience] and scope not in granted]
    return [
        {"client_id": client_id, "audience": audience, "scopes": granted}
        for (client_id, audience), granted in found.items()
    ]


def _roles(export: Mapping[str, object], scopes: Mapping[str, set[str]], leave: Leave) -> list[Table]:
    written: list[Table] = []
    for one in records(export, "roles", leave):
        fields = Auth0Fields(one, f"role {one.get('name', '')!r}", leave)
        table: Table = {"name": fields.text("name") or ""}
        description = fields.text("description")
        if description:
            table["description"] = description
        permissions: dict[str, list[str]] = {}
        for permission in records(one, "permissions", leave):
            audience, scope = permission.get("resource_server_identifier"), permission.get("permission_name")
            if isinstance(audience, str) and isinstance(scope, str) and scope in scopes.get(audience, set()):
                permissions.setdefault(audience, []).append(scope)
            else:
                fields.note("permissions", "one names an API or a scope that was left out")
        if permissions:
            table["permissions"] = permissions
        fields.drop("permissions", "id")
        fields.leave_the_rest()
        written.append(table)
    return written


def _prune(tables: Table, leave: Leave) -> None:
    """Remove the invalid parts of the tables, and report each of them.

    Without a removed part, another part may become invalid. So this is repeated until the tables are valid.
    """
    wrong: list[tuple[Location, str]] = []

    def report(at: Location, message: str, hint: str) -> None:
        del hint
        wrong.append((at[:2], message))

    while read_tables(tables, issuer=SERVED, resolve=any_secret, report=report) is None:
        for at, message in wrong:
            leave(" ".join(map(str, at)), message)
        for at in sorted({at for at, _ in wrong}, key=_position, reverse=True):
            _remove(tables, at)
        wrong.clear()


def _remove(tables: Table, at: Location) -> None:
    name, part = str(at[0]), at[1] if len(at) > 1 else None
    inside = tables.get(name)
    if isinstance(inside, list) and isinstance(part, int):
        tables[name] = [one for number, one in enumerate(cast("list[object]", inside)) if number != part]
    elif isinstance(inside, dict) and part in inside:
        tables[name] = {word: value for word, value in cast("dict[object, object]", inside).items() if word != part}
    else:
        tables.pop(name, None)


def _position(at: Location) -> tuple[str, int]:
    """Return a sort key. The parts are removed from the highest key to the lowest.

    So the last element of an array is removed first, and the indexes of the elements before it stay right.
    """
    return str(at[0]), at[1] if len(at) > 1 and isinstance(at[1], int) else 0
