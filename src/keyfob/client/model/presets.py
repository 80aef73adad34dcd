"""Issuers by a short name, and what is peculiar about those that many log in at (docs/login.md says from where).

Two tables: names, which are expanded once, when a profile is made; and habits, which go by the issuer itself, so that
whoever writes it out gets the same.
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
ENTRA_EXCHANGE: Final = "api://AzureADTokenExchange"  # for whom Entra wants tokens that stand in for an application
_CONSUMERS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # personal accounts are a tenant of that id
_HOST: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}(?::[0-9]{1,5})?\Z")
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PREFIX: Final = re.compile(r"[a-z0-9]+\Z")


@dataclass(frozen=True, slots=True)
class Preset:
    """What a short name stands for. `endpoints` are there where the issuer has no metadata."""

    issuer: str
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Habits:
    """What is peculiar about an issuer; as it stands here, nothing is.

    Attributes:
        metadata: What it would say of itself if it did.
        scopes: What a person's login asks for by itself.
        parameters: Asked for in the browser, too.
        takes_audience: Whether it can be told an API; else the scopes say it.
        code_needs_secret: Whether it wants a secret with a code that a browser brought, also from a program that
            cannot keep one (RFC 8252 §8.5).
        device_needs_secret: The same with a device code.
        has_commas: It writes scopes with commas between.
        scope_names: Scopes that it calls by another name than it is asked for.
        identity_as: How it takes a platform's token.
        identity_audience: For whom that must be; "" for the issuer.
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

    def granted(self, scope: Scope) -> Scope:
        """A scope from a token answer, in the names it was asked for."""
        names = [part for name in scope.names for part in (name.split(",") if self.has_commas else [name]) if part]
        return Scope.of(self.scope_names.get(name, name) for name in names)


_USUAL: Final = Habits()
_AT_GITHUB: Final = Habits(
    metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]},
    scopes=(),
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
    scope_names={f"https://www.googleapis.com/auth/userinfo.{name}": name for name in ("email", "profile")},
)
_AT_MICROSOFT: Final = Habits(takes_audience=False, identity_as="assertion", identity_audience=ENTRA_EXCHANGE)


def habits_of(issuer: str) -> Habits:
    """What is peculiar about an issuer."""
    if issuer == GOOGLE:
        return _AT_GOOGLE
    if issuer.startswith(_MICROSOFT):
        return _AT_MICROSOFT
    return _AT_GITHUB if urlsplit(issuer).path == _GITHUB else _USUAL


def expand(said: str) -> Preset:
    """An issuer as people say it: an address, which stays as it is, or a short name.

    Raises:
        Misuse: A short name lacks something, or what follows it cannot be right.
    """
    prefix, colon, rest = said.partition(":")
    if not _PREFIX.match(prefix) or (colon and rest.startswith("//")):
        return Preset(said)
    found = _PRESETS.get(prefix)
    return Preset(said) if found is None else found(rest)


def _auth0(rest: str) -> Preset:
    """`TENANT`, `TENANT.REGION`, or a domain of one's own.

    Raises:
        Misuse: It is none.
    """
    host = _host(rest, "auth0:TENANT.REGION")
    return Preset(f"https://{host}/" if host.count(".") > 1 else f"https://{host}.auth0.com/")


def _google(rest: str) -> Preset:
    """Nothing follows.

    Raises:
        Misuse: Something does.
    """
    if rest:
        raise Misuse("google is one issuer, so nothing follows its name", hint="--issuer google")
    return Preset(GOOGLE)


def _microsoft(rest: str) -> Preset:
    """A tenant by its id: by another name its metadata names another issuer than was asked for.

    Raises:
        Misuse: It is not an id.
    """
    tenant = _CONSUMERS if rest == "consumers" else rest.lower()
    if not _GUID.match(tenant):
        hint = "Its overview page shows it, of the form 00000000-0000-0000-0000-000000000000; or say consumers."
        raise Misuse("microsoft:TENANT wants the tenant's id", hint=hint)
    return Preset(f"{_MICROSOFT}{tenant}/v2.0")


def _github(rest: str) -> Preset:
    """github.com, or the host of an Enterprise Server.

    Raises:
        Misuse: It is no host.
    """
    base = f"https://{_host(rest, 'github:HOST') if rest else 'github.com'}/login"
    endpoints = {
        "authorization_endpoint": f"{base}/oauth/authorize",
        "device_authorization_endpoint": f"{base}/device/code",
        "token_endpoint": f"{base}/oauth/access_token",
    }
    return Preset(f"{base}/oauth", endpoints)


def _okta(rest: str) -> Preset:
    """A domain, for its own authorization server; `DOMAIN/ID` for a custom one.

    Raises:
        Misuse: It is no domain.
    """
    domain, slash, server = rest.partition("/")
    host = _host(domain, "okta:DOMAIN or okta:DOMAIN/SERVER")
    return Preset(f"https://{host}/oauth2/{server.strip('/')}" if slash and server else f"https://{host}")


def _keycloak(rest: str) -> Preset:
    """The server's address and a realm.

    Raises:
        Misuse: One of them is missing.
    """
    address, slash, realm = rest.rstrip("/").rpartition("/")
    if not address.startswith(("https://", "http://")) or not slash or not realm or not urlsplit(address).hostname:
        raise Misuse("keycloak wants the server's address and a realm", hint="keycloak:https://sso.example.com/REALM")
    return Preset(f"{address.removesuffix('/realms')}/realms/{realm}")


def _host(text: str, form: str) -> str:
    """A host name, in lower case.

    Raises:
        Misuse: It is none.
    """
    if not _HOST.match(text.lower()):
        raise Misuse(f"what follows is not of the form {form}", hint="docs/login.md lists the short names.")
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
