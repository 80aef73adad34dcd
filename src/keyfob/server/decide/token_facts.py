"""Classes of facts about a request at /oauth/token. Their methods are the checks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from keyfob.errors import InvalidToken
from keyfob.jose.proofs import NonceNeeded, Possession
from keyfob.light import light_dataclass
from keyfob.protocol.grants import (
    GRANT_TYPES,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    ClientCredentialsGrant,
    Grant,
)
from keyfob.protocol.scope import Scope
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection
from keyfob.server.wire import Outcome


@light_dataclass(frozen=True, slots=True)
class MessageFacts:
    """The parsed grant, or the outcome if the request is malformed."""

    grant: Grant | None = None
    outcome: Outcome | None = None

    def grant_type_is_unknown(self) -> bool:
        return self.outcome == "grant_unsupported"

    def scope_is_malformed(self) -> bool:
        return self.outcome == "scope_malformed"

    def names_several_apis(self) -> bool:
        return self.outcome == "audience_many"

    def is_malformed(self) -> bool:
        return self.outcome == "request_malformed"

    def grant_is_not_offered(self) -> bool:
        return self.grant is not None and self.grant.grant_type not in GRANT_TYPES


@light_dataclass(frozen=True, slots=True)
class GrantFacts:
    """The client, and the grant type of its request."""

    application: Application
    grant_type: str

    def grant_is_not_the_clients(self) -> bool:
        return self.grant_type not in self.application.grants


@light_dataclass(frozen=True, slots=True)
class ProofFacts:
    """The DPoP proofs of a request.

    Attributes:
        count: The number of DPoP headers.
        verdict: The result of validating the first proof; None if the request has no proof.
        is_new: Whether the proof's replay key is unused.
    """

    is_needed: bool
    count: int
    verdict: Possession | NonceNeeded | InvalidToken | None = None
    is_new: bool = True

    def is_missing(self) -> bool:
        return self.is_needed and not self.count

    def is_invalid(self) -> bool:
        return isinstance(self.verdict, InvalidToken)

    def lacks_nonce(self) -> bool:
        return isinstance(self.verdict, NonceNeeded)

    def is_replayed(self) -> bool:
        return self.count > 1 or not self.is_new


@light_dataclass(frozen=True, slots=True)
class MachineFacts:
    """A client credentials grant.

    Attributes:
        audience: The requested audience or, if none is requested, the default audience; None if there is neither.
    """

    grant: ClientCredentialsGrant
    audience: str | None
    api: Api | None
    api_grant: ApiGrant | None

    @classmethod
    def of(cls, config: TenantConfig, application: Application, grant: ClientCredentialsGrant) -> MachineFacts:
        """Look up the API and the client's grant for it."""
        audience = grant.target.audience or config.default_audience
        api = None if audience is None else config.api(audience)
        return cls(grant, audience, api, None if audience is None else config.grant(application.client_id, audience))

    @property
    def granted(self) -> Scope:
        """The scope that the client was granted at the API; empty if the client has no grant there."""
        return Scope.of(self.api_grant.scopes if self.api_grant else ())

    @property
    def not_granted(self) -> Scope:
        """The part of the requested scope that the client was not granted at the API."""
        return Scope() if self.grant.scope is None else self.grant.scope - self.granted

    def names_organization(self) -> bool:
        return self.grant.organization is not None

    def names_no_api(self) -> bool:
        return self.audience is None

    def api_is_unknown(self) -> bool:
        return self.api is None

    def api_is_not_granted(self) -> bool:
        return self.api_grant is None

    def scope_is_not_granted(self) -> bool:
        return bool(self.not_granted.names)


@light_dataclass(frozen=True, slots=True)
class PasswordFacts:
    """A password grant.

    Attributes:
        realm: The connection that the request names, if any.
        connection: The record of the realm or of the default connection, if it exists.
        api_outcome: The reason why no token can be issued for the API; None if one can be issued.
        wait: The time for which no password is verified; zero if the next password may be tried now.
        is_right: Whether the password is correct; None if it has not been verified.
        is_factor_due: Whether a second factor is required.
    """

    config: TenantConfig
    application: Application
    realm: str | None
    connection: Connection | None
    api_outcome: Outcome | None = None
    wait: timedelta = timedelta()
    is_right: bool | None = None
    is_blocked: bool = False
    is_factor_due: bool = False

    def passwords_are_off(self) -> bool:
        return not self.config.allows_password

    def has_no_connection(self) -> bool:
        return self.connection is None and self.realm is None

    def realm_is_unknown(self) -> bool:
        return self.connection is None or self.connection.name not in self.application.connections

    def connection_refuses_passwords(self) -> bool:
        return self.connection is not None and not self.connection.allows_password

    def api_is_unknown(self) -> bool:
        return self.api_outcome == "audience_unknown"

    def api_is_closed(self) -> bool:
        return self.api_outcome == "api_closed"

    def must_wait(self) -> bool:
        return bool(self.wait)

    def password_is_wrong(self) -> bool:
        return self.is_right is False

    def user_is_blocked(self) -> bool:
        return self.is_blocked

    def factor_cannot_be_asked(self) -> bool:
        grants: Iterable[str] = self.application.grants
        can_ask = self.config.wire == "auth0" and bool({MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE}.intersection(grants))
        return self.is_factor_due and not can_ask

    def factor_is_due(self) -> bool:
        return self.is_factor_due
