"""Short names of well-known issuers, and how some issuers differ from the standards (sources: docs/login.md).

There are two tables. The first expands a short name, once, when a profile is created. The second contains the
peculiarities and built-in endpoints of an issuer. Its key is the issuer's URL, so it also applies if the user writes
the URL instead of the short name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from keyfob.client.model.source import IdentityUse
from keyfob.errors import Misuse
from keyfob.protocol.scope import Scope

STANDARD_SCOPES: Final = ("openid", "profile", "email", "offline_access")
GOOGLE: Final = "https://accounts.google.com"
_GITHUB: Final = "/login/oauth"
_MICROSOFT: Final = "https://login.microsoftonline.com/"
ENTRA_EXCHANGE: Final = "api://AzureADTokenExchange"  # the audience of a workload identity token for Entra
_CONSUMERS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # personal accounts are a tenant of that id
# Compiled on use: compiling takes a millisecond, and most programs need neither expression.
_HOST: Final = r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}(?::[0-9]{1,5})?\Z"
_GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"


@dataclass(frozen=True, slots=True)
class Preset:
    """The issuer URL for a short name, and the endpoints that the issuer's metadata lacks."""

    issuer: str
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Habits:
    """How one issuer differs from the standards; by default, not at all.

    Attributes:
        metadata: Members that the issuer's metadata document lacks.
        scopes: The default scope of a user's login.
        parameters: Additional parameters of the authorization request.
        takes_audience: Whether the issuer accepts the parameter `audience`. If not, the scope selects the API.
        code_needs_secret: Whether the issuer requires a client secret with an authorization code, even from a client
            that cannot keep a secret confidential (RFC 8252 §8.5).
        device_needs_secret: Whether the issuer requires a client secret with a device code.
        has_commas: Whether the issuer's token responses separate scopes by commas.
        scope_names: Maps the name under which the issuer grants a scope to the name under which it is requested.
        identity_as: How the issuer accepts a workload identity token.
        identity_audience: The audience that the issuer requires in a workload identity token; "" for the issuer's URL.
        revocation_ends_all: Whether revoking one token ends all logins of the user with this client.
    """

    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    scopes: tuple[str, ...] = STANDARD_SCOPES
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    takes_audience: bool = True
    code_needs_secret: bool = False
    device_needs_secret: bool = False
    has_commas: bool = False
    scope_names: Mapping[str, str] = field(default_factory=dict[str, str])
    identity_as: IdentityUse = "exchange"
    identity_audience: str = ""
    revocation_ends_all: bool = False

    def granted(self, scope: Scope) -> Scope:
        """Return the scope of a token response under the names by which keyfob requests scopes.

        At some issuers, the response has other names than the request (`scope_names`).
        """
        names = [part for name in scope.names for part in (name.split(",") if self.has_commas else [name]) if part]
        return Scope.of(self.scope_names.get(name, name) for name in names)


_USUAL: Final = Habits()
_AT_GITHUB: Final = Habits(
    metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]},
    scopes=("offline_access",),  # with it, an OAuth app's token expires after 8 hours and can be refreshed
    takes_audience=False,
    code_needs_secret=True,
    has_commas=True,
)
_AT_GOOGLE: Final = Habits(
    scopes=("openid", "profile", "email"),
    parameters={"access_type": "offline"},
    takes_audience=False,
    code_needs_secret=True,
    device_needs_secret=True,
    revocation_ends_all=True,
    scope_names={f"https://www.googleapis.com/auth/userinfo.{name}": name for name in ("email", "profile")},
)
_AT_MICROSOFT: Final = Habits(takes_audience=False, identity_as="assertion", identity_audience=ENTRA_EXCHANGE)


def habits_of(issuer: str) -> Habits:
    if issuer == GOOGLE:
        return _AT_GOOGLE
    if issuer.startswith(_MICROSOFT):
        return _AT_MICROSOFT
    return _AT_GITHUB if urlsplit(issuer).path == _GITHUB else _USUAL


def expand(said: str) -> Preset:
    """Return the issuer URL and the endpoints for a short name, such as `google` or `auth0:TENANT`.

    If the text is not a short name, it is taken as the issuer URL.

    Raises:
        Misuse: The part after the colon is missing or not valid.
    """
    prefix, _, rest = said.partition(":")
    found = None if rest.startswith("//") else _PRESETS.get(prefix)
    if found is None:
        return Preset(said, _github_endpoints(said) if habits_of(said) is _AT_GITHUB else {})
    return found(rest)


def _auth0(rest: str) -> Preset:
    """Return the issuer for `TENANT`, `TENANT.REGION` or a custom domain."""
    host = _host(rest, "auth0:TENANT.REGION")
    return Preset(f"https://{host}/" if host.count(".") > 1 else f"https://{host}.auth0.com/")


def _google(rest: str) -> Preset:
    if rest:
        raise Misuse("the short name google takes no further part", hint="Use the name alone: google")
    return Preset(GOOGLE)


def _microsoft(rest: str) -> Preset:
    """Return the issuer for a tenant ID. Raise `Misuse` for a domain name instead of an ID.

    The issuer in the metadata contains the ID, so it would not equal an issuer with a domain name.
    """
    tenant = _CONSUMERS if rest == "consumers" else rest.lower()
    if not re.match(_GUID, tenant):
        hint = "It is on the tenant's overview page, such as 00000000-0000-0000-0000-000000000000; or use consumers."
        raise Misuse("microsoft:TENANT needs the tenant's ID", hint=hint)
    return Preset(f"{_MICROSOFT}{tenant}/v2.0")


def _github(rest: str) -> Preset:
    """Return the issuer for github.com or, if `rest` is a host, for that Enterprise Server."""
    issuer = f"https://{_host(rest, 'github:HOST') if rest else 'github.com'}{_GITHUB}"
    return Preset(issuer, _github_endpoints(issuer))


def _github_endpoints(issuer: str) -> dict[str, str]:
    """Return the endpoints of GitHub, which are built into keyfob.

    github.com's metadata lacks the device endpoint, and GitHub Enterprise Server has no metadata.
    """
    return {
        "authorization_endpoint": f"{issuer}/authorize",
        "device_authorization_endpoint": f"{issuer.removesuffix('/oauth')}/device/code",
        "token_endpoint": f"{issuer}/access_token",
    }


def _okta(rest: str) -> Preset:
    """Return the org authorization server for `DOMAIN`, and a custom authorization server for `DOMAIN/ID`."""
    domain, slash, server = rest.partition("/")
    host = _host(domain, "okta:DOMAIN or okta:DOMAIN/SERVER")
    return Preset(f"https://{host}/oauth2/{server.strip('/')}" if slash and server else f"https://{host}")


def _keycloak(rest: str) -> Preset:
    """Return the issuer for `URL/REALM`: the Keycloak server's URL and a realm."""
    address, slash, realm = rest.rstrip("/").rpartition("/")
    if not address.startswith(("https://", "http://")) or not slash or not realm or not urlsplit(address).hostname:
        raise Misuse("keycloak: needs the server's address and a realm", hint="keycloak:https://sso.example.com/REALM")
    return Preset(f"{address.removesuffix('/realms')}/realms/{realm}")


def _host(text: str, form: str) -> str:
    """Return a host name in lower case; raise `Misuse` if `text` is not a host name. `form` is for the message."""
    if not re.match(_HOST, text.lower()):
        raise Misuse(
            f"this short name does not have the form {form}",
            hint="Check the short names.",
            flags="keyfob help docs/login.md#issuers",
        )
    return text.lower()


_PRESETS: Final[dict[str, Callable[[str], Preset]]] = {
    "auth0": _auth0,
    "github": _github,
    "google": _google,
    "keycloak": _keycloak,
    "microsoft": _microsoft,
    "okta": _okta,
}
NAMES: Final = "auth0:TENANT.REGION, github, google, keycloak:URL/REALM, microsoft:TENANT or okta:DOMAIN"
