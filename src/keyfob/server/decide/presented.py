"""A code or token that is presented at /oauth/token: its record, the request, and each check as a method."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.pkce import fits
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.records import AuthorizationCode, DeviceLogin, MfaLogin, RefreshLogin, User
from keyfob.server.settings.registered import Api
from keyfob.server.wire import Outcome

LATE: Final = timedelta(minutes=1)  # an approval in the last second still reaches a client that polls slowly


@dataclass(frozen=True, slots=True)
class Account:
    """The user and the API that a code or token is for, as they are now; None where they are gone."""

    user: User | None
    api: Api | None

    @property
    def is_closed(self) -> bool:
        """Whether no token can be issued for them."""
        return self.user is None or self.user.is_blocked or self.api is None


@dataclass(frozen=True, slots=True)
class PresentedCode:
    """An authorization code, and what the client presents with it. `account` None: it is not looked at."""

    record: AuthorizationCode | None
    grant: AuthorizationCodeGrant
    client_id: str
    key_thumbprint: str | None
    now: datetime
    account: Account | None = None

    def is_unknown(self) -> bool:
        return self.record is None or self.record.client_id != self.client_id

    def redirect_uri_differs(self) -> bool:
        return self.record is not None and self.record.redirect_uri != self.grant.redirect_uri

    def verifier_is_wrong(self) -> bool:
        return self.record is not None and not is_bound_to(self.record.challenge, self.grant.code_verifier)

    def key_is_wrong(self) -> bool:
        return self.record is not None and self.record.key_thumbprint not in {None, self.key_thumbprint}

    def is_spent(self) -> bool:
        return self.record is not None and self.record.is_spent

    def has_expired(self) -> bool:
        return self.record is not None and self.now >= self.record.expires_at

    def account_is_closed(self) -> bool:
        return self.account is not None and self.account.is_closed


@dataclass(frozen=True, slots=True)
class PresentedDeviceCode:
    """A device code, and what the client presents with it. `account` None: it is not looked at.

    Attributes:
        is_early: Whether the poll came before the client's interval was over.
    """

    record: DeviceLogin | None
    client_id: str
    verifier: Secret | None
    now: datetime
    is_early: bool = False
    account: Account | None = None

    def is_unknown(self) -> bool:
        return self.record is None or self.record.client_id != self.client_id

    def is_over(self) -> bool:
        return self.record is not None and self.record.stage in {"redeemed", "lapsed"}

    def verifier_is_wrong(self) -> bool:
        return self.record is not None and not is_bound_to(self.record.challenge, self.verifier)

    def is_denied(self) -> bool:
        return self.record is not None and self.record.stage == "denied"

    def has_expired(self) -> bool:
        if self.record is None:
            return False
        return self.now >= self.record.expires_at + (LATE if self.record.stage == "approved" else timedelta())

    def is_polled_early(self) -> bool:
        return self.is_early and self.is_undecided()

    def is_undecided(self) -> bool:
        return self.record is not None and self.record.stage != "approved"

    def account_is_closed(self) -> bool:
        return self.account is not None and self.account.is_closed


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What a client presents with a refresh token.

    Attributes:
        generation: Inside the token.
        secret_hash: Of its secret part.
        client_id: Of the client that presents it.
        scope: A narrower scope, or None for the same as before.
        key_thumbprint: The key of the DPoP proof, if any.
    """

    generation: int
    secret_hash: bytes
    client_id: str
    scope: Scope | None = None
    key_thumbprint: str | None = None

    def is_current(self, login: RefreshLogin) -> bool:
        """Whether it is the newest token of its login, or a twin of that."""
        return self.generation == login.generation and _is_among(self.secret_hash, login.current_hashes)

    def is_previous(self, login: RefreshLogin) -> bool:
        """Whether it is the token before the newest."""
        return self.generation == login.generation - 1 and _is_among(self.secret_hash, login.previous_hashes)


@dataclass(frozen=True, slots=True)
class PresentedRefreshToken:
    """A refresh token's login, and what the client presents. `token` None: it cannot be read.

    Attributes:
        account: None: it is not looked at. Its API is None too where that no longer allows offline access.
    """

    record: RefreshLogin | None
    token: PresentedToken | None
    now: datetime
    account: Account | None = None

    def is_unreadable(self) -> bool:
        return self.token is None

    def is_unknown(self) -> bool:
        return self.record is None or self.token is None or self.record.client_id != self.token.client_id

    def has_ended(self) -> bool:
        return self.record is not None and self.record.has_ended

    def is_reused(self) -> bool:
        if self.record is None or self.token is None:
            return False
        return not self.token.is_current(self.record) and not self.token.is_previous(self.record)

    def has_expired(self) -> bool:
        return self.record is not None and self.now >= min(self.record.expires_at, self.record.idle_expires_at)

    def key_is_wrong(self) -> bool:
        if self.record is None or self.token is None:
            return False
        return self.record.key_thumbprint not in {None, self.token.key_thumbprint}

    def scope_is_wider(self) -> bool:
        if self.record is None or self.token is None or self.token.scope is None:
            return False
        return not self.token.scope <= self.record.scope

    def user_is_gone(self) -> bool:
        return self.account is not None and self.account.user is None

    def account_is_closed(self) -> bool:
        return self.account is not None and self.account.is_closed


@dataclass(frozen=True, slots=True)
class FactorFacts:
    """An mfa_token, and the second factor that the client presents with it.

    Attributes:
        lacks_code: Whether the parameter `binding_code` is needed and not there.
        account: None: it is not looked at.
        key_thumbprint: The key of the DPoP proof, if any.
        has_tries: Whether the user may try another second factor.
        wrong: What is wrong with the second factor itself.
    """

    record: MfaLogin | None
    client_id: str
    now: datetime
    lacks_code: bool = False
    account: Account | None = None
    key_thumbprint: str | None = None
    has_tries: bool = True
    wrong: Outcome | None = None

    def lacks_binding_code(self) -> bool:
        return self.lacks_code

    def is_unknown(self) -> bool:
        return self.record is None or self.record.client_id != self.client_id

    def is_spent(self) -> bool:
        return self.record is not None and self.record.is_spent

    def has_expired(self) -> bool:
        return self.record is not None and self.now >= self.record.expires_at

    def key_is_wrong(self) -> bool:
        if self.record is None or self.account is None:
            return False
        return self.record.key_thumbprint not in {None, self.key_thumbprint}

    def account_is_closed(self) -> bool:
        return self.account is not None and self.account.is_closed

    def has_no_tries(self) -> bool:
        return not self.has_tries

    def otp_is_wrong(self) -> bool:
        return self.wrong == "otp_wrong"

    def binding_code_is_wrong(self) -> bool:
        return self.wrong == "binding_code_wrong"

    def recovery_code_is_wrong(self) -> bool:
        return self.wrong == "recovery_code_wrong"


def is_bound_to(challenge: str | None, verifier: Secret | None) -> bool:
    """Return whether a verifier fits a challenge. Neither may stand without the other (RFC 9700 §4.8.2)."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    return fits(verifier, challenge)


def _is_among(hashed: bytes, known: tuple[bytes, ...]) -> bool:
    return any(hmac.compare_digest(hashed, one) for one in known)
