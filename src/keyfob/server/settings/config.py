"""What a tenant is told at its start: lifetimes, policy, applications, APIs. Checked before anything is served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Final, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.address import is_loopback, is_web_url
from keyfob.protocol.grants import PASSWORD, PASSWORD_REALM
from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.server.records import Factor
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, Role

Wire = Literal["auth0", "rfc"]
Mfa = Literal["never", "enrolled", "always"]
FACTORS: Final[tuple[Factor, ...]] = get_args(Factor)
IDENTITY_SCOPES: Final = ("openid", "profile", "email", "address", "phone")
STANDARD_SCOPES: Final = (*IDENTITY_SCOPES, "offline_access")
ENROLL: Final = "enroll"
READ_AUTHENTICATORS: Final = "read:authenticators"
REMOVE_AUTHENTICATORS: Final = "remove:authenticators"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")


@dataclass(frozen=True, slots=True)
class ForCertificates:
    """Where programs show certificates. A browser is never asked for one: that is why it is an address of its own.

    Attributes:
        address: With a trailing slash.
        authorities: In DER; a certificate that one of them signed itself proves a program by its name (RFC 8705 §2.1).
    """

    address: str
    authorities: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant.

    Attributes:
        issuer: Its address with a trailing slash; https, or plain http on this machine.
        wire: Whose statuses and texts to answer with.
        default_audience: The API meant when a program names none. Without it, such a token opens /userinfo alone.
        default_directory: The connection that a password grant without a realm means.
        allows_password: Whether there are password grants at all; application and connection must allow them too.
        mfa: Who is asked for a second factor: nobody, who has enrolled one, or everybody.
        factors: Which second factors people may enrol.
        introspection: Whether /oauth/introspect answers (RFC 7662); None means only under `rfc`, Auth0 has none.
        logout_urls: Where /v2/logout may lead when no application is named.
        device_requests: How many codes one address may ask for within one code's life (RFC 8628 §5.6).
        guess_odds: How likely all the guessing of one code's life may be to hit that code (RFC 8628 §5.1).
        requests_per_minute: How often one address may call one endpoint.
        refresh_limit: How many living logins one person may have in one application; the oldest goes first.
        for_certificates: Where this process takes certificates, if it does; like where it listens, no setting.
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
    for_certificates: ForCertificates | None = None

    def __post_init__(self) -> None:
        """Refuse what would be unsafe or could not work.

        Raises:
            Misuse: Says which setting, and what would do.
        """
        if not is_web_url(self.issuer) or not self.issuer.endswith("/") or set("?#") & set(self.issuer):
            raise Misuse("issuer is not a web address with a trailing slash", hint="Such as https://login.example.com/")
        if not self.is_https and not is_loopback(self.issuer):
            raise Misuse(
                "issuer is plain http and not on this machine",
                code="setting-unsafe",
                hint="Put the tenant behind https, or serve on 127.0.0.1.",
            )
        self._check_looks()
        self._check_numbers()
        for application in self.applications:
            application.check()
        for api in self.apis:
            api.check()
        self._check_references()

    def _check_looks(self) -> None:
        if not _COLOUR.match(self.colour):
            raise Misuse("colour is not of the form #2454a6", hint="A # and six digits or letters from a to f.")
        if self.logo is not None and not self.logo.startswith("/") and not is_web_url(self.logo):
            raise Misuse("logo is not a web address", hint="Such as https://example.com/logo.svg")
        for address in self.logout_urls:
            if not is_web_url(address):
                raise Misuse(f"logout_urls: {address!r} is not a web address", hint="Such as https://example.com/")

    def _check_numbers(self) -> None:
        for name in ("device_requests", "requests_per_minute", "refresh_limit"):
            if getattr(self, name) < 1:
                raise Misuse(f"{name} is not positive", hint="One is the least.")
        for name in ("device_lifetime", "device_interval", "code_lifetime", "session_idle", "session_absolute"):
            if getattr(self, name) <= timedelta():
                raise Misuse(f"{name} is not positive", hint="Give it some time.")
        if self.code_lifetime > timedelta(minutes=10):
            raise Misuse("code_lifetime is longer than ten minutes", hint="RFC 6749 §4.1.2 allows no more.")

    def _check_references(self) -> None:
        """Names that point somewhere must point at something.

        Raises:
            Misuse: Says which does not, and what there is.
        """
        programs = _unique("application", (found.client_id for found in self.applications))
        audiences = _unique("API", (found.audience for found in self.apis))
        connections = _unique("connection", (found.name for found in self.connections))
        _unique("role", (found.name for found in self.roles))
        if self.default_audience is not None:
            _known("default_audience", self.default_audience, audiences)
        if self.default_directory is not None:
            _known("default_directory", self.default_directory, connections)
        for application in self.applications:
            for name in application.connections:
                _known(f"application {application.client_id}: connection", name, connections)
        for grant in self.grants:
            _known("grant: application", grant.client_id, programs)
            _known("grant: API", grant.audience, audiences)
            self._check_scopes("grant", grant.audience, grant.scopes)
        for role in self.roles:
            for audience, scope in role.permissions:
                _known(f"role {role.name}: API", audience, audiences)
                self._check_scopes(f"role {role.name}", audience, (scope,))

    def _check_scopes(self, what: str, audience: str, scopes: Iterable[str]) -> None:
        api = self.api(audience)
        for scope in scopes:
            _known(f"{what}: scope of {audience}", scope, set() if api is None else set(api.scopes))

    @property
    def is_https(self) -> bool:
        """Whether browsers and programs come over TLS."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write it in `Origin`."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def address_of(self, request: Request) -> str:
        """The address that a request came to: only one of ours asks for certificates."""
        base = self.for_certificates.address if self.for_certificates and request.certificate else self.issuer
        return f"{base}{request.path[1:]}"

    @property
    def offers_introspection(self) -> bool:
        """Whether /oauth/introspect answers."""
        return self.wire == "rfc" if self.introspection is None else self.introspection

    @property
    def userinfo_audience(self) -> str:
        """What a token that opens /userinfo names."""
        return f"{self.issuer}userinfo"

    @property
    def mfa_api(self) -> Api:
        """Auth0's built-in API for a person's second factors; its tokens live ten minutes."""
        scopes = {
            ENROLL: "add a second factor",
            READ_AUTHENTICATORS: "see your second factors",
            REMOVE_AUTHENTICATORS: "remove a second factor",
        }
        lifetime = timedelta(minutes=10)
        return Api(f"{self.issuer}mfa/", "Second factors", scopes, allow_offline_access=False, token_lifetime=lifetime)

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """What must be signed with: ID tokens are RS256."""
        return frozenset({"RS256", *(api.algorithm for api in self.apis)})

    def application(self, client_id: str) -> Application | None:
        """By its id."""
        for found in self.applications:
            if found.client_id == client_id:
                return found
        return None

    def api(self, audience: str | None) -> Api | None:
        """By its audience, or the default one when none is named."""
        wanted = audience or self.default_audience
        if wanted == f"{self.issuer}mfa/":
            return self.mfa_api
        return next((found for found in self.apis if found.audience == wanted), None)

    def target(self, audience: str | None) -> Api | None:
        """As `api`; where neither the program nor the tenant names one, what opens /userinfo alone."""
        if (audience or self.default_audience or self.userinfo_audience) == self.userinfo_audience:
            return Api(self.userinfo_audience, "Your profile")
        return self.api(audience)

    def connection(self, name: str | None) -> Connection | None:
        """By its name."""
        return next((found for found in self.connections if found.name == name), None)

    def grant(self, client_id: str, audience: str) -> ApiGrant | None:
        """What an application may do at an API as itself."""
        return next(
            (found for found in self.grants if (found.client_id, found.audience) == (client_id, audience)), None
        )

    def password_users(self) -> tuple[str, ...]:
        """The applications that may use the password grants: to be said aloud at the start."""
        names = (one.client_id for one in self.applications if {PASSWORD, PASSWORD_REALM} & set(one.grants))
        return tuple(names) if self.allows_password else ()

    def grantable(self, asked: Scope, api: Api) -> Scope:
        """What of the asked scope can be granted: standard ones and the API's; unknown ones are dropped."""
        offered = {*STANDARD_SCOPES, *api.scopes} - (set() if api.allow_offline_access else {"offline_access"})
        return asked & Scope.of(offered)


def _unique(what: str, names: Iterable[str]) -> set[str]:
    """The names.

    Raises:
        Misuse: One stands twice.
    """
    found: set[str] = set()
    for name in names:
        if name in found:
            raise Misuse(f"{what} {name!r} stands twice", hint="Take one of them out.")
        found.add(name)
    return found


def _known(what: str, name: str, known: set[str]) -> None:
    if name not in known:
        _unknown(what, name, known)


def _unknown(what: str, name: str, known: set[str]) -> NoReturn:
    """Say so, and what it may have meant.

    Raises:
        Misuse: Always.
    """
    near = get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(known)) or 'none'}"
    raise Misuse(f"{what} {name!r} is not known", hint=hint)
