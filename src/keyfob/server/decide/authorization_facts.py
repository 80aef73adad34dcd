"""Classes of facts about an authorization request. Their methods are the checks (RFC 6749 §4.1.2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.authorization import AuthorizationRequest
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import AUTHORIZATION_CODE
from keyfob.protocol.pkce import S256, is_challenge
from keyfob.protocol.scope import Scope
from keyfob.server.decide.access import ApiAccess, NoAccess, decide_access
from keyfob.server.records import Consent, PushedRequest
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Application
from keyfob.server.wire import Outcome

REQUEST_URI_PREFIX: Final = "urn:ietf:params:oauth:request_uri:"  # of pushed requests (RFC 9126 §2.2)
LONGEST_STATE: Final = 4096
LONGEST_NONCE: Final = 600
RESPONSE_MODES: Final = ("query", "form_post")
_LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::([0-9]{1,5}))?([/?].*)?\Z")


@dataclass(frozen=True, slots=True)
class PushFacts:
    """The parameters of a request at /oauth/par, and the key of its DPoP proof."""

    fields: Fields
    key_thumbprint: str | None

    def names_request_uri(self) -> bool:
        return self.fields.has("request_uri")

    def names_another_key(self) -> bool:
        is_named = self.key_thumbprint is not None and self.fields.has("dpop_jkt")
        return is_named and self.fields.values.get("dpop_jkt") != self.key_thumbprint


@dataclass(frozen=True, slots=True)
class ArrivalFacts:
    """A request at /authorize before its parameters are parsed.

    Attributes:
        problem: The error if the query or the form is malformed.
        is_pushed: Whether the request has a `request_uri` (RFC 9126 §4).
        pushed: The pushed request, if it exists.
        is_new: Whether this is the first use of the pushed request.
    """

    problem: Malformed | None
    client_id: str | None
    is_pushed: bool
    pushed: PushedRequest | None
    now: datetime
    is_new: bool = True

    def is_malformed(self) -> bool:
        return self.problem is not None

    def is_not_pushed(self) -> bool:
        if not self.is_pushed:
            return False
        return self.pushed is None or self.pushed.client_id != self.client_id or self.now >= self.pushed.expires_at

    def was_opened(self) -> bool:
        return not self.is_new


@dataclass(frozen=True)
class RequestFacts:
    """The parameters of an authorization request.

    Attributes:
        is_pushed: Whether the client sent the parameters to /oauth/par, now or earlier (RFC 9126).
    """

    config: TenantConfig
    fields: Fields
    is_pushed: bool = True

    @cached_property
    def application(self) -> Application | None:
        """The client, if it is registered."""
        return self.config.application(self.fields.optional_text("client_id") or "")

    @cached_property
    def asked(self) -> AuthorizationRequest | Malformed:
        """The parsed request, or the error if it is malformed."""
        try:
            return AuthorizationRequest.read(self.fields)
        except Malformed as problem:
            return problem

    @cached_property
    def access(self) -> ApiAccess | NoAccess:
        """The API and the scope that the client may request, or the reason why the client may not use the API."""
        application, asked = self.read()
        return decide_access(self.config, application, asked.target, asked.scope)

    @property
    def words(self) -> dict[str, str]:
        """The values for the placeholders in an error's text."""
        if isinstance(self.asked, Malformed):
            return {"problem": self.asked.message.partition(": ")[2] or self.asked.message}
        return self.access.words if isinstance(self.access, NoAccess) else {}

    def read(self) -> tuple[Application, AuthorizationRequest]:
        """Return the client and the parsed request. The request must be well-formed, and its client registered."""
        assert self.application is not None, "an unknown client fails an earlier check"  # noqa: S101
        assert not isinstance(self.asked, Malformed), "a malformed request fails an earlier check"  # noqa: S101
        return self.application, self.asked

    def is_unreadable(self) -> bool:
        try:
            _ = self.fields.optional_text("client_id"), self.fields.optional_text("redirect_uri")
        except Malformed:
            return True
        return False

    def client_is_unknown(self) -> bool:
        return self.application is None

    def lacks_redirect_uri(self) -> bool:
        return self.fields.optional_text("redirect_uri") is None

    def redirect_uri_is_not_registered(self) -> bool:
        assert self.application is not None, "an unknown client fails an earlier check"  # noqa: S101
        any_port = _any_port(self.config, self.application)
        return not is_registered(self.fields.text("redirect_uri"), self.application, any_port=any_port)

    def scope_is_malformed(self) -> bool:
        return isinstance(self.asked, Malformed) and self.asked.field == "scope"

    def names_several_apis(self) -> bool:
        is_target = isinstance(self.asked, Malformed) and self.asked.field in {"audience", "resource"}
        return is_target and self.config.wire == "rfc"

    def is_malformed(self) -> bool:
        return isinstance(self.asked, Malformed)

    def grant_is_not_the_clients(self) -> bool:
        return AUTHORIZATION_CODE not in self.read()[0].grants

    def response_type_is_not_code(self) -> bool:
        return self.read()[1].response_type != "code"

    def is_not_pushed(self) -> bool:
        """Whether the client must push its requests (RFC 9126 §5), but this request came through the browser."""
        return not self.is_pushed and self.application is not None and self.application.requires_par

    def has_foreign_request_uri(self) -> bool:
        """Whether the parameters contain a `request_uri` that is not the URI of a request pushed to this server."""
        return self.fields.has("request_uri")

    def has_request_object(self) -> bool:
        return self.fields.has("request")

    def has_registration(self) -> bool:
        return self.fields.has("registration")

    def response_mode_is_unknown(self) -> bool:
        return self.read()[1].response_mode not in {None, *RESPONSE_MODES}

    def names_organization(self) -> bool:
        return self.fields.has("organization")

    def state_is_too_long(self) -> bool:
        return len(self.read()[1].state or "") > LONGEST_STATE

    def nonce_is_too_long(self) -> bool:
        return len(self.read()[1].nonce or "") > LONGEST_NONCE

    def lacks_challenge(self) -> bool:
        application, asked = self.read()
        is_needed = application.is_public or asked.code_challenge_method is not None
        return asked.code_challenge is None and is_needed

    def challenge_is_wrong(self) -> bool:
        asked = self.read()[1]
        if asked.code_challenge is None:
            return False
        return asked.code_challenge_method != S256 or not is_challenge(asked.code_challenge)

    def connection_is_not_enabled(self) -> bool:
        application, asked = self.read()
        return asked.connection is not None and asked.connection not in application.connections

    def api_is_unknown(self) -> bool:
        return self._access_fails("audience_unknown")

    def api_is_closed(self) -> bool:
        return self._access_fails("api_closed")

    def _access_fails(self, outcome: Outcome) -> bool:
        return isinstance(self.access, NoAccess) and self.access.outcome == outcome


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An authorization request that has passed all checks."""

    asked: AuthorizationRequest
    application: Application
    access: ApiAccess


@dataclass(frozen=True, slots=True)
class LoginState:
    """The user who is logged in at the browser, the time of the login, and the user's stored consent."""

    user_id: str | None = None
    auth_time: datetime | None = None
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class StepFacts:
    """An accepted authorization request, and the login state of the browser that sent the request.

    Attributes:
        just_logged_in: Whether the user logged in for this request.
    """

    accepted: AcceptedRequest
    state: LoginState
    now: datetime
    just_logged_in: bool

    def must_log_in(self) -> bool:
        if self.state.user_id is None or self.state.auth_time is None:
            return True
        asked = self.accepted.asked
        if self.just_logged_in:
            return False
        if "login" in asked.prompt or "select_account" in asked.prompt:
            return True
        return asked.max_age is not None and self.now - self.state.auth_time > asked.max_age

    def must_consent(self) -> bool:
        if "consent" in self.accepted.asked.prompt:
            return True
        api, application, scope = self.accepted.access.api, self.accepted.application, self.accepted.access.scope
        api_scopes = Scope.of({*api.scopes, "offline_access"})
        if application.is_first_party and (api.skips_consent or not scope & api_scopes):
            return False
        return application.is_public or self.state.consent is None or not scope <= self.state.consent.scope

    def callback_is_unverifiable(self) -> bool:
        return not is_verifiable(self.accepted.asked.redirect_uri) and not self.just_logged_in


def _any_port(config: TenantConfig, application: Application) -> bool:
    """Return whether the port of a loopback redirect URI is ignored (RFC 8252 §7.3).

    The client's setting `any_loopback_port` enables this. With `wire = "rfc"`, native clients need no such setting.
    """
    return application.any_loopback_port or (config.wire == "rfc" and application.kind == "native")


def is_registered(redirect_uri: str, application: Application, *, any_port: bool) -> bool:
    """Return whether a redirect URI equals a registered one. With `any_port`, the port of a loopback URI is ignored."""
    if redirect_uri in application.callbacks:
        return True
    asked = _LOOPBACK.match(redirect_uri) if any_port else None
    if asked is None or int(asked[2] or 80) > 65535:
        return False
    registered = (_LOOPBACK.match(callback) for callback in application.callbacks)
    return any(one is not None and (one[1], one[3]) == (asked[1], asked[3]) for one in registered)


def is_verifiable(redirect_uri: str) -> bool:
    """Return whether only the client's owner can receive a code at a redirect URI.

    The result is True for https. It is False for a loopback URI or a private-use scheme, since any app can claim these.
    """
    return urlsplit(redirect_uri).scheme == "https"
