"""The registered clients, APIs, grants, roles and connections of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from keyfob.errors import Malformed, Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import PublicKey
from keyfob.protocol.address import is_loopback, is_web_url
from keyfob.protocol.claims import Profile
from keyfob.protocol.client_authentication import AuthMethod
from keyfob.protocol.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    GRANT_TYPES,
    REFRESH_TOKEN,
)
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION
from keyfob.server.settings.device_rules import NO_OWN_RULES, OwnDeviceRules
from keyfob.server.settings.pictures import check_picture

Kind = Literal["native", "spa", "web", "machine"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SHORTEST_SECRET: Final = 32  # cannot be guessed, even with a fast hash
MOST_KEYS: Final = 2  # as at Auth0: the current key and the next one
_LONGEST_ID: Final = 64


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """The refresh token settings of a client.

    Attributes:
        rotates: Whether each use returns a new token and invalidates the old one.
        idle: The lifetime of an unused refresh token.
        absolute: The lifetime of a login, however often its refresh token is used.
        leeway: The time after a rotation in which the previous token still works (Auth0's rotation overlap). A leeway
            under one minute counts as one minute.
    """

    rotates: bool = True
    idle: timedelta = timedelta(days=30)
    absolute: timedelta = timedelta(days=365)
    leeway: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Application:
    """A client. Auth0 calls it an application.

    Attributes:
        kind: The kind of the client. `native` and `spa` are public clients: their code cannot keep a secret (RFC 8252
            §8.5).
        auth_methods: The authentication methods at the token endpoint; `none` for a public client.
        secrets: The client secrets. With several secrets, one can be changed without an interruption. When a tenant
            starts, it replaces the secrets with keyed hashes in `secret_hashes`.
        public_keys: The JWKs that verify the client's assertions (RFC 7523).
        certificate_name: The name that the client's certificate must contain, if an authority has signed the
            certificate (RFC 8705 §2.1). A subject is written as `subject:CN=robot,O=Example` (RFC 4514), and any other
            name with the prefix `dns:`, `uri:`, `ip:` or `email:`.
        certificates: The client's self-signed certificates in PEM (RFC 8705 §2.2).
        callbacks: The redirect URIs, compared exactly.
        any_loopback_port: Whether the port of a loopback redirect URI is ignored (RFC 8252 §7.3), even with
            `wire = "auth0"`.
        web_origins: The origins of pages whose scripts may call the tenant (CORS).
        is_first_party: Whether the client belongs to the operator. A third-party client always needs consent.
        trusts_forwarded_for: Whether the client's header `auth0-forwarded-for` is trusted as the user's address.
        requires_dpop: Whether the client's tokens must be bound to a DPoP key (RFC 9449).
        icon: The icon on the pages: a picture file or a web address, like the tenant's logo.
        maker: The maker of the client, as shown on the pages.
        requires_par: Whether the client must push its authorization requests (RFC 9126 §5).
        device: The client's rules for approving device logins.
    """

    client_id: str
    name: str
    kind: Kind = "native"
    grants: tuple[str, ...] = (DEVICE_CODE, REFRESH_TOKEN)
    auth_methods: tuple[AuthMethod, ...] = ("none",)
    secrets: tuple[Secret, ...] = ()
    secret_hashes: tuple[bytes, ...] = ()
    public_keys: tuple[Mapping[str, object], ...] = ()
    certificate_name: str | None = None
    certificates: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()
    logout_urls: tuple[str, ...] = ()
    web_origins: tuple[str, ...] = ()
    connections: tuple[str, ...] = (DEFAULT_CONNECTION,)
    any_loopback_port: bool = False
    is_first_party: bool = True
    trusts_forwarded_for: bool = False
    requires_dpop: bool = False
    refresh: RefreshPolicy = RefreshPolicy()
    id_token_lifetime: timedelta = timedelta(hours=10)
    requires_par: bool = False
    icon: str | None = None
    maker: str | None = None
    device: OwnDeviceRules = NO_OWN_RULES

    @property
    def is_public(self) -> bool:
        """Whether the client is public, so that it does not authenticate."""
        return "none" in self.auth_methods

    def check(self) -> None:
        """Check the settings.

        Raises:
            Misuse: A setting is unsafe or not valid; the message names it.
        """
        what = f"application {self.client_id}"
        _check_name(self.client_id, "client_id")
        _check_grants(self, what)
        _check_methods(self, what)
        _check_certificates(self, what)
        if any(len(secret) < SHORTEST_SECRET for secret in self.secrets):
            hint = "Generate one with: openssl rand -hex 32"
            _wrong(what, f"a client secret has at least {SHORTEST_SECRET} characters", hint=hint)
        check_picture(f"{what}: icon", self.icon)
        for callback in self.callbacks:
            _check_callback(callback, what)
        for address in (*self.logout_urls, *self.web_origins):
            if not is_web_url(address):
                _wrong(what, f"{address!r} is not a web address", hint="For example https://app.example.com/")
        policy = self.refresh
        if min(policy.idle, self.id_token_lifetime) <= timedelta() or policy.leeway < timedelta():
            _wrong(what, "a lifetime is not positive", hint="Use a duration above 0s; only refresh.leeway can be 0s.")
        if policy.idle > policy.absolute:
            _wrong(
                what,
                "refresh.idle is longer than refresh.absolute",
                hint="Shorten refresh.idle, or lengthen refresh.absolute.",
            )


@dataclass(frozen=True, slots=True)
class Api:
    """An API (resource server).

    Attributes:
        audience: The API's identifier, compared exactly, including a trailing slash.
        scopes: The scopes, each with its description for the consent page.
        profile: The format of the API's access tokens: Auth0's or RFC 9068.
        algorithm: The signing algorithm of the API's access tokens.
        enforces_permissions: Whether users get only the scopes of their roles and permissions (RBAC).
        lists_permissions: Whether tokens have the claim `permissions` (Auth0's token dialects that end in `_authz`).
        skips_consent: Whether a first-party client with a verifiable redirect URI needs no consent.
        users: The clients that may request tokens on behalf of users: all, only those with a grant, or none.
    """

    audience: str
    name: str
    scopes: dict[str, str] = field(default_factory=dict[str, str])
    profile: Profile = "auth0"
    algorithm: Algorithm = "RS256"
    allow_offline_access: bool = True
    enforces_permissions: bool = False
    lists_permissions: bool = False
    skips_consent: bool = False
    users: Literal["allow_all", "require_grant", "deny_all"] = "allow_all"
    token_lifetime: timedelta = timedelta(days=1)

    def check(self) -> None:
        """Check the settings.

        Raises:
            Misuse: A setting is not valid; the message names it.
        """
        what = f"API {self.audience}"
        _check_name(self.audience, "audience", longest=600)
        for name in self.scopes:
            if not name or not all("!" <= letter <= "~" and letter not in '"\\' for letter in name):
                hint = "A name has no space, no quote and no backslash: RFC 6749 §3.3."
                _wrong(what, f"scope {name!r} holds a character that is not allowed", hint=hint)
        if not timedelta() < self.token_lifetime <= timedelta(days=30):
            _wrong(what, "token_lifetime is not between a second and 30 days", hint="The default is 1d.")


@dataclass(frozen=True, slots=True)
class ApiGrant:
    """The scopes that a client has at an API: Auth0's client grant.

    Attributes:
        client_id: The client.
        audience: The API's identifier.
        scopes: The scopes for the client credentials grant; () permits a token without scope.
    """

    client_id: str
    audience: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """A role: a name for permissions, which are pairs of an API's audience and one of its scopes."""

    name: str
    permissions: tuple[tuple[str, str], ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """A user directory. Auth0 calls it a database connection.

    Attributes:
        name: The name of the connection, which is the `realm` of a password grant.
        allows_password: Whether the password grants may use the connection. The login page always may.
    """

    name: str = DEFAULT_CONNECTION
    allows_password: bool = False


def _check_name(value: str, what: str, longest: int = _LONGEST_ID) -> None:
    if not value or len(value) > longest or not all("!" <= letter <= "~" for letter in value):
        hint = f"Use up to {longest} ASCII letters, digits and signs, without a space."
        raise Misuse(f"{what} {value!r} is empty, too long, or holds a character that is not plain ASCII", hint=hint)
    if what == "client_id" and ("|" in value or value.endswith("@clients")):
        # RFC 9700 §4.15.1: the subject of a client must not look like that of a user.
        raise Misuse(f"{what} {value!r} looks like a user_id or a subject", hint="Remove | and @clients.")


def _check_grants(application: Application, what: str) -> None:
    unknown = set(application.grants) - set(GRANT_TYPES)
    if unknown:
        _wrong(what, f"there is no grant {min(unknown)!r}", hint=f"Use one of: {', '.join(GRANT_TYPES)}")
    if application.is_public and CLIENT_CREDENTIALS in application.grants:
        hint = 'Set kind = "machine", with a secret or a key.'
        _wrong(what, "a public application cannot use client_credentials: it cannot authenticate", hint=hint)
    if AUTHORIZATION_CODE in application.grants and not application.callbacks:
        _wrong(what, "the grant authorization_code needs callbacks", hint="For example http://127.0.0.1/callback")


def _check_methods(application: Application, what: str) -> None:
    methods = application.auth_methods
    if not methods:
        _wrong(what, "auth_methods is empty", hint='A public application has ["none"].')
    if "none" in methods and len(methods) > 1:
        _wrong(what, "none cannot be combined with another auth method", hint="Remove the others.")
    if application.kind in {"native", "spa"} and "none" not in methods:
        _wrong(what, f"a {application.kind} application is public", hint="Its auth method is none: RFC 8252 §8.5.")
    if application.kind == "machine" and "none" in methods:
        _wrong(what, "a machine needs an auth method", hint="Use client_secret_basic or private_key_jwt.")
    if len(application.public_keys) > MOST_KEYS:
        _wrong(what, f"there are more than {MOST_KEYS} public keys", hint="Keep the current one and the next one.")
    for jwk in application.public_keys:
        try:
            PublicKey.read(jwk)
        except Malformed as problem:
            _wrong(what, problem.message, hint="Use a public key as a JWK: RSA of 2048 bits or more, P-256 or Ed25519.")


def _check_certificates(application: Application, what: str) -> None:
    name, own, methods = application.certificate_name, application.certificates, application.auth_methods
    if ("tls_client_auth" in methods) != (name is not None):
        hint = 'For example certificate_name = "dns:robot.example" with auth = "tls_client_auth".'
        _wrong(what, "tls_client_auth and certificate_name need each other", hint=hint)
    if ("self_signed_tls_client_auth" in methods) != bool(own):
        hint = 'Set certificates to a list of its certificates in PEM, with auth = "self_signed_tls_client_auth".'
        _wrong(what, "self_signed_tls_client_auth and certificates need each other", hint=hint)
    if any("PRIVATE KEY" in one for one in own):
        hint = "Write only the certificate here. Then replace both, since the private key was stored in this file."
        _wrong(what, "the certificates contain a private key", hint=hint)
    if len(own) > MOST_KEYS:
        _wrong(what, f"there are more than {MOST_KEYS} certificates", hint="Keep the current one and the next one.")
    if name is None and not own:
        return
    from keyfob.jose import shown  # noqa: PLC0415  loads cryptography's x509: 30 ms, and few clients have a certificate

    try:
        if name is not None:
            shown.check_name(name)
        for certificate in own:
            shown.read_certificate(certificate)
    except Malformed as problem:
        kinds = ", ".join(f"{kind}:" for kind in shown.KINDS)
        hint = f"A name starts with {kinds}; a certificate is in PEM, without its key."
        _wrong(what, problem.message, hint=hint)


def _check_callback(callback: str, what: str) -> None:
    """Check a redirect URI (RFC 9700 §2.6, RFC 8252 §7.1).

    It must not have a fragment. A URI with http must be on loopback. A private-use scheme must contain a dot.
    """
    if "#" in callback or not callback.isascii() or not callback.isprintable() or " " in callback:
        hint = "Remove everything from # on, and spaces."
        _wrong(what, f"callback {callback!r} has a fragment, or a character that is not allowed", hint=hint)
    scheme = urlsplit(callback).scheme
    if scheme in {"http", "https"}:
        if not is_web_url(callback) or (scheme == "http" and not is_loopback(callback)):
            hint = "Use https, or http on 127.0.0.1."
            _wrong(
                what, f"callback {callback!r} is plain http and not on this machine, or not a web address", hint=hint
            )
    elif "." not in scheme:
        _wrong(
            what,
            f"callback {callback!r} has a scheme that other apps could register",
            hint="For example com.example.app:/cb",
        )


def _wrong(what: str, problem: str, hint: str = "") -> NoReturn:
    raise Misuse(f"{what}: {problem}", hint=hint)
