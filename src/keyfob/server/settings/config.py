"""The settings of a tenant: lifetimes, policy, clients, APIs. A tenant does not start with invalid settings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_network
from pathlib import PurePath
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.address import is_loopback, is_web_url
from keyfob.protocol.grants import PASSWORD, PASSWORD_REALM
from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.server.records import Factor
from keyfob.server.settings.device_rules import DEFAULT_RULES, DeviceRules
from keyfob.server.settings.pictures import check_picture
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, Role

Wire = Literal["auth0", "rfc"]
Mfa = Literal["never", "enrolled", "always"]
FACTORS: Final[tuple[Factor, ...]] = get_args(Factor)
IDENTITY_SCOPES: Final = ("openid", "profile", "email", "address", "phone")
OFFLINE_ACCESS: Final = "offline_access"
STANDARD_SCOPES: Final = (*IDENTITY_SCOPES, OFFLINE_ACCESS)
ENROLL: Final = "enroll"
READ_AUTHENTICATORS: Final = "read:authenticators"
REMOVE_AUTHENTICATORS: Final = "remove:authenticators"
ONLY_FACTOR_LENGTH: Final = 15
SHORTEST_PASSWORD: Final = 8
SHORTEST_ROTATION: Final = timedelta(days=2)
_MOST_WANTED: Final = 64  # a password of 64 characters is always accepted
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")


@dataclass(frozen=True, slots=True)
class ForCertificates:
    """A second address, at which clients present certificates.

    Browsers do not use this address, so they never ask their users for a certificate.

    Attributes:
        address: The URL, with a trailing slash.
        authorities: The certificates of the authorities, in DER. One of the authorities must have signed a client's
            certificate directly (RFC 8705 §2.1).
    """

    address: str
    authorities: tuple[bytes, ...] = ()


@dataclass(frozen=True)  # without slots: what every request looks up is computed once, by `cached_property`
class TenantConfig:
    """The settings of a tenant.

    Attributes:
        issuer: The issuer URL with a trailing slash: https, or plain http on this machine.
        wire: Whether the statuses and texts of responses are those of Auth0 (`auth0`) or of the RFCs (`rfc`).
        default_audience: The API for requests that name no API. If there is no default, the tokens of such requests are
            only for /userinfo.
        default_directory: The connection of a password grant without a realm.
        allows_password: Whether password grants are allowed; the client and the connection must allow them too.
        mfa: The users who need a second factor: none, those who have enrolled one, or all.
        factors: The second factors that users may enrol.
        introspection: Whether /oauth/introspect is enabled (RFC 7662). None means enabled only with `wire = "rfc"`,
            since Auth0 has no introspection.
        logout_urls: The URLs that /v2/logout may redirect to if the request names no client.
        logo: The logo on the pages: a picture as a data: URL, which the tenant serves, or a web address.
        device_requests: How many device codes one network may request within the lifetime of a code (RFC 8628 §5.6).
        guess_odds: The allowed probability that a user code is guessed within its lifetime (RFC 8628 §5.1).
        requests_per_minute: How many requests one network may send to one endpoint in a minute.
        trusted_proxies: The networks of the proxies whose X-Forwarded-For or Forwarded is trusted.
        refresh_limit: How many logins one user may have in one client. A further login ends the oldest one.
        enrolment_ends_logins: Whether a new second factor ends the user's other sessions and refresh tokens.
        rotate_keys_every: The age at which a signing key gets a successor; zero means only by command.
        password_length: The least number of characters of a new password (NIST SP 800-63B-4 §3.1.1.2).
        audit_age: How long events stay in the audit log's table.
        audit_rows: How many events the audit log's table may have. Above this number, the oldest events are deleted.
        logo_dark: The logo on a dark background.
        favicon: The icon of the pages in the browser.
        support: The web address or mailto: URL where users find help.
        privacy: The web address of the privacy policy.
        terms: The web address of the terms of use.
        sign_up: Whether people may create accounts. The accounts belong to the first connection.
        device: The rules for approving device logins.
        places: A MaxMind DB file, which maps IP addresses to cities and countries, for the page and the e-mail about a
            device login.
        for_certificates: The second address, for clients with a certificate; None if there is none. The settings in the
            store lack this field: each process sets it when it starts.
    """

    issuer: str
    applications: tuple[Application, ...]
    apis: tuple[Api, ...]
    grants: tuple[ApiGrant, ...] = ()
    roles: tuple[Role, ...] = ()
    connections: tuple[Connection, ...] = (Connection(),)
    name: str = "keyfob"
    wire: Wire = "auth0"
    default_audience: str | None = None
    default_directory: str | None = None
    allows_password: bool = False
    mfa: Mfa = "enrolled"
    factors: tuple[Factor, ...] = FACTORS
    introspection: bool | None = None
    logout_urls: tuple[str, ...] = ()
    colour: str = "#2454a6"
    logo: str | None = None
    device_lifetime: timedelta = timedelta(minutes=15)
    device_interval: timedelta = timedelta(seconds=5)
    code_lifetime: timedelta = timedelta(minutes=1)
    session_idle: timedelta = timedelta(hours=12)
    session_absolute: timedelta = timedelta(days=3)
    guess_odds: float = 2.0**-32
    device_requests: int = 300
    requests_per_minute: int = 6000
    refresh_limit: int = 200
    enrolment_ends_logins: bool = True
    rotate_keys_every: timedelta = timedelta(days=90)
    password_length: int = 15
    trusted_proxies: tuple[str, ...] = ()
    audit_age: timedelta = timedelta(days=90)
    audit_rows: int = 1_000_000
    logo_dark: str | None = None
    favicon: str | None = None
    support: str | None = None
    privacy: str | None = None
    terms: str | None = None
    sign_up: bool = False
    device: DeviceRules = DEFAULT_RULES
    places: str | None = None
    for_certificates: ForCertificates | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            Misuse: A setting is unsafe or not valid; the message names it.
        """
        if not is_web_url(self.issuer) or not self.issuer.endswith("/") or set("?#") & set(self.issuer):
            raise Misuse(
                "issuer is not a web address with a trailing slash", hint="For example https://login.example.com/"
            )
        if not self.is_https and not is_loopback(self.issuer):
            raise Misuse(
                "issuer is plain http on another computer",
                code="setting-unsafe",
                hint="Use https, or serve on 127.0.0.1.",
            )
        self._check_looks()
        self._check_numbers()
        self._check_proxies()
        self.device.check()
        for application in self.applications:
            application.check()
            self.device_rules(application).check(f"application {application.client_id}: ")
        for api in self.apis:
            api.check()
        self._check_references()

    def _check_looks(self) -> None:
        if not _COLOUR.match(self.colour):
            raise Misuse("colour is not of the form #2454a6", hint="Use a # and six hexadecimal digits.")
        for name in ("logo", "logo_dark", "favicon"):
            check_picture(name, getattr(self, name))
        for name in ("support", "privacy", "terms"):
            value: str | None = getattr(self, name)
            is_mail = name == "support" and value is not None and value.startswith("mailto:")
            if value is not None and not is_mail and not is_web_url(value):
                raise Misuse(f"{name} is not a web address", hint="For example https://example.com/help")
        if self.places is not None and not PurePath(self.places).is_absolute():
            raise Misuse("places is not an absolute path", hint="For example /var/lib/GeoIP/GeoLite2-City.mmdb")
        for address in self.logout_urls:
            if not is_web_url(address):
                raise Misuse(f"logout_urls: {address!r} is not a web address", hint="For example https://example.com/")

    def _check_numbers(self) -> None:
        for name in ("device_requests", "requests_per_minute", "refresh_limit", "audit_rows"):
            if getattr(self, name) < 1:
                raise Misuse(f"{name} is not positive", hint="The smallest value is 1.")
        for name in (
            "device_lifetime",
            "device_interval",
            "code_lifetime",
            "session_idle",
            "session_absolute",
            "audit_age",
        ):
            if getattr(self, name) <= timedelta():
                raise Misuse(f"{name} is not positive", hint="Use a duration above 0s.")
        if self.rotate_keys_every and self.rotate_keys_every < SHORTEST_ROTATION:
            hint = "The default is 90d. A new key is announced a day before it signs; 0s disables the rotation by time."
            raise Misuse("rotate_keys_every is shorter than two days", hint=hint)
        if not SHORTEST_PASSWORD <= self.password_length <= _MOST_WANTED:
            hint = 'Use 15 if a password is the only factor, 8 with mfa = "always"; NIST SP 800-63B-4 allows no less.'
            raise Misuse(f"password_length is not between {SHORTEST_PASSWORD} and {_MOST_WANTED}", hint=hint)
        if self.code_lifetime > timedelta(minutes=10):
            raise Misuse("code_lifetime is longer than ten minutes", hint="RFC 6749 §4.1.2 allows no more.")

    def _check_proxies(self) -> None:
        for text in self.trusted_proxies:
            try:
                network = ip_network(text)
            except ValueError:
                hint = "For example 127.0.0.1/32, or 10.0.0.0/8."
                raise Misuse(f"trusted_proxies: {text!r} is not a network", hint=hint) from None
            if network.prefixlen == 0:
                raise Misuse(
                    f"trusted_proxies: {text!r} includes every client, so any client could forge its address",
                    code="setting-unsafe",
                    hint="Name only the proxies.",
                )

    def _check_references(self) -> None:
        """Check that all names of clients, APIs, connections and scopes exist, and that none is defined twice."""
        client_ids = _unique("application", (found.client_id for found in self.applications))
        audiences = _unique("API", (found.audience for found in self.apis))
        connections = _unique("connection", (found.name for found in self.connections))
        _unique("role", (found.name for found in self.roles))
        # An ID token has a client_id as its audience, and must not be valid at an API.
        for shared in client_ids & audiences:
            raise Misuse(
                f"the API {shared!r} has the client_id of an application", hint="For example https://orders.example/"
            )
        if self.default_audience is not None:
            _known("default_audience", self.default_audience, audiences)
        if self.default_directory is not None:
            _known("default_directory", self.default_directory, connections)
        for application in self.applications:
            for name in application.connections:
                _known(f"application {application.client_id}: connection", name, connections)
        for grant in self.grants:
            _known("grant: application", grant.client_id, client_ids)
            _known("grant: API", grant.audience, audiences)
            self._check_scopes("grant", grant.audience, grant.scopes)
        scopes = {*STANDARD_SCOPES, *(name for api in self.apis for name in api.scopes)}
        named = (self.device.far_scopes, *(one.device.far_scopes for one in self.applications))
        # Without APIs, the settings are being checked part by part (`stored_settings.py`).
        for scope in (scope for far_scopes in named for scope in far_scopes or () if self.apis):
            _known("device.far_scopes: scope", scope, scopes)
        for role in self.roles:
            for audience, scope in role.permissions:
                _known(f"role {role.name}: API", audience, audiences)
                self._check_scopes(f"role {role.name}", audience, (scope,))

    def _check_scopes(self, what: str, audience: str, scopes: Iterable[str]) -> None:
        api = self.api(audience)
        for scope in scopes:
            _known(f"{what}: scope of {audience}", scope, set() if api is None else set(api.scopes))

    @cached_property
    def is_https(self) -> bool:
        """Whether the issuer is an https URL."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """The origin of the issuer: scheme, host and port."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def address_of(self, request: Request) -> str:
        """Return the URL of a request. Requests with a client certificate use the address for certificates."""
        base = self.for_certificates.address if self.for_certificates and request.certificate else self.issuer
        return f"{base}{request.path[1:]}"

    @property
    def offers_introspection(self) -> bool:
        """Whether /oauth/introspect is enabled."""
        return self.wire == "rfc" if self.introspection is None else self.introspection

    @cached_property
    def userinfo_audience(self) -> str:
        """The audience of /userinfo."""
        return f"{self.issuer}userinfo"

    @cached_property
    def userinfo_api(self) -> Api:
        """The API of /userinfo."""
        return Api(self.userinfo_audience, "Your profile")

    @cached_property
    def mfa_api(self) -> Api:
        """Auth0's built-in API for a user's second factors, with tokens of ten minutes."""
        scopes = {
            ENROLL: "add a second factor",
            READ_AUTHENTICATORS: "see your second factors",
            REMOVE_AUTHENTICATORS: "remove a second factor",
        }
        lifetime = timedelta(minutes=10)
        return Api(f"{self.issuer}mfa/", "Second factors", scopes, allow_offline_access=False, token_lifetime=lifetime)

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """The signing algorithms of the APIs, and RS256 for ID tokens."""
        return frozenset({"RS256", *(api.algorithm for api in self.apis)})

    @cached_property
    def web_origins(self) -> frozenset[str]:
        """The origins of pages whose scripts may call the tenant (CORS)."""
        return frozenset(origin for application in self.applications for origin in application.web_origins)

    def application(self, client_id: str) -> Application | None:
        return self._applications.get(client_id)

    def device_rules(self, application: Application | None) -> DeviceRules:
        """Return the client's rules for device logins. If `application` is None, return the tenant's rules."""
        return self.device if application is None else application.device.over(self.device)

    def api(self, audience: str | None) -> Api | None:
        """Return the API with the audience or, if `audience` is None or empty, the default API.

        Return None if there is no such API.
        """
        wanted = audience or self.default_audience
        return None if wanted is None else self._apis.get(wanted)

    def target(self, audience: str | None) -> Api | None:
        """Return the API with the audience, or None if there is no such API.

        If `audience` is None or empty, return the default API or, without a default API, the API of /userinfo.
        """
        wanted = audience or self.default_audience or self.userinfo_audience
        return self.userinfo_api if wanted == self.userinfo_audience else self._apis.get(wanted)

    def connection(self, name: str | None) -> Connection | None:
        return next((found for found in self.connections if found.name == name), None)

    def grant(self, client_id: str, audience: str) -> ApiGrant | None:
        """Return the grant of a client for an API, or None."""
        return self._grants.get((client_id, audience))

    # The indexes. They are not fields, since the fields are the keys of tenant.toml. If settings define a name twice,
    # the first definition counts.
    @cached_property
    def _applications(self) -> dict[str, Application]:
        return {one.client_id: one for one in reversed(self.applications)}

    @cached_property
    def _apis(self) -> dict[str, Api]:
        return {one.audience: one for one in (*reversed(self.apis), self.mfa_api)}

    @cached_property
    def _grants(self) -> dict[tuple[str, str], ApiGrant]:
        return {(one.client_id, one.audience): one for one in reversed(self.grants)}

    def password_users(self) -> tuple[str, ...]:
        """Return the clients that may use the password grants, for the audit log at the start."""
        names = (one.client_id for one in self.applications if {PASSWORD, PASSWORD_REALM} & set(one.grants))
        return tuple(names) if self.allows_password else ()

    @property
    def has_short_passwords(self) -> bool:
        """Whether a password that is the only factor may be shorter than NIST SP 800-63B-4 §3.1.1.2 allows."""
        return self.mfa != "always" and self.password_length < ONLY_FACTOR_LENGTH

    def grantable(self, asked: Scope, api: Api) -> Scope:
        """Return the requested scope, reduced to the standard scopes and the scopes of the API."""
        offered = frozenset([name for name in asked.names if name in STANDARD_SCOPES or name in api.scopes])
        return Scope(offered if api.allow_offline_access else offered - {OFFLINE_ACCESS})


def _unique(what: str, names: Iterable[str]) -> set[str]:
    """Return the names as a set.

    Raises:
        Misuse: A name is not unique.
    """
    found: set[str] = set()
    for name in names:
        if name in found:
            raise Misuse(f"{what} {name!r} is defined twice", hint="Remove one of them.")
        found.add(name)
    return found


def _known(what: str, name: str, known: set[str]) -> None:
    """Check that a name exists.

    Raises:
        Misuse: The name does not exist. The hint contains a similar name if there is one, otherwise all names.
    """
    if name in known:
        return
    near = get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Defined: {', '.join(sorted(known)) or 'none'}"
    raise Misuse(f"{what} {name!r} is not defined", hint=hint)
