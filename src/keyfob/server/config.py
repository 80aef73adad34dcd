"""What a tenant is told at its start: lifetimes, policy, applications, APIs. Checked before anything is served."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.protocol.address import is_loopback, is_web_url
from keyfob.protocol.claims import Profile
from keyfob.protocol.grants import DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.scope import Scope

Wire = Literal["auth0", "rfc"]
STANDARD_SCOPES = ("openid", "profile", "email", "offline_access")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")


@dataclass(frozen=True, slots=True)
class Application:
    """A program that may ask for tokens. Public: it has no secret, and `client_id` proves nothing (RFC 8252 §8.5)."""

    client_id: str
    name: str
    grants: tuple[str, ...] = (DEVICE_CODE, REFRESH_TOKEN)


@dataclass(frozen=True, slots=True)
class Api:
    """An API that tokens are for.

    Attributes:
        audience: Its identifier, compared letter for letter; a trailing slash counts.
        scopes: Name to words for the person who is asked.
        profile: How its access tokens look: Auth0's own, or RFC 9068.
    """

    audience: str
    name: str
    scopes: dict[str, str] = field(default_factory=dict[str, str])
    profile: Profile = "auth0"
    allow_offline_access: bool = True
    token_lifetime: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant.

    Attributes:
        issuer: Its address with a trailing slash; https, or plain http on this machine.
        wire: Whose statuses and texts to answer with.
        default_audience: The API meant when a program names none; without it, such a request is refused.
        device_requests: How many codes one address may ask for within one code's life (RFC 8628 §5.6).
        guess_odds: How likely all the guessing of one code's life may be to hit that code (RFC 8628 §5.1).
    """

    issuer: str
    applications: tuple[Application, ...]
    apis: tuple[Api, ...]
    name: str = "keyfob"
    wire: Wire = "auth0"
    default_audience: str | None = None
    colour: str = "#2454a6"
    logo: str | None = None
    device_lifetime: timedelta = timedelta(minutes=15)
    device_interval: timedelta = timedelta(seconds=5)
    refresh_idle: timedelta = timedelta(days=30)
    refresh_absolute: timedelta = timedelta(days=365)
    id_token_lifetime: timedelta = timedelta(hours=10)
    session_idle: timedelta = timedelta(hours=12)
    session_absolute: timedelta = timedelta(days=3)
    guess_odds: float = 2.0**-32
    device_requests: int = 300

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
        if not _COLOUR.match(self.colour):
            raise Misuse("colour is not of the form #2454a6")
        if self.logo is not None and not self.logo.startswith("/") and not is_web_url(self.logo):
            raise Misuse("logo is not a web address")
        if self.default_audience is not None and self.api(self.default_audience) is None:
            raise Misuse("default_audience names no API of this tenant")
        if self.device_requests < 1:
            raise Misuse("device_requests is not positive")
        lifetimes = (self.device_lifetime, self.device_interval, self.refresh_idle, self.id_token_lifetime)
        if min(lifetimes) <= timedelta() or self.refresh_idle > self.refresh_absolute:
            raise Misuse("a lifetime is not positive, or refresh_idle is longer than refresh_absolute")

    @property
    def is_https(self) -> bool:
        """Whether browsers and programs come over TLS."""
        return self.issuer.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers write it in `Origin`."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    def application(self, client_id: str) -> Application | None:
        """By its id."""
        return next((found for found in self.applications if found.client_id == client_id), None)

    def api(self, audience: str | None) -> Api | None:
        """By its audience, or the default one when none is named."""
        wanted = audience or self.default_audience
        return next((found for found in self.apis if found.audience == wanted), None)

    def grantable(self, asked: Scope, api: Api) -> Scope:
        """What of the asked scope can be granted: standard ones and the API's; unknown ones are dropped."""
        offered = {*STANDARD_SCOPES, *api.scopes} - (set() if api.allow_offline_access else {"offline_access"})
        return asked & Scope.of(offered)
