"""Classes of facts about a code or token that is presented at /oauth/token. Their methods are the checks."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from keyfob.light import light_dataclass
from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.pkce import fits
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.records import AuthorizationCode, DeviceLogin, MfaLogin, RefreshLogin, User
from keyfob.server.settings.registered import Api
from keyfob.server.wire import Outcome

Record = TypeVar("Record", AuthorizationCode, DeviceLogin, MfaLogin, RefreshLogin)
LATE: Final = timedelta(minutes=1)  # an approval in the last second still reaches a client that polls slowly


@light_dataclass(frozen=True, slots=True)
class Account:
    """The access that the current settings still allow for a code or token.

    Attributes:
        user: The user; None if the user was deleted.
        api: The API; None if it was deleted, or if the user or the client may no longer use it.
        scope: The part of the scope that may still be granted.
        permissions: The user's permissions at the API.
    """

    user: User | None
    api: Api | None
    scope: Scope = Scope()
    permissions: tuple[str, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether no token can be issued: the user was deleted or is blocked, or there is no API."""
        return self.user is None or self.user.is_blocked or self.api is None


@light_dataclass(frozen=True, slots=True, kw_only=True)
class _RecordFacts(Generic[Record]):
    """The record of a code or token, and the client that presents it.

    Attributes:
        record: The record; None if the code or token is unknown.
        client_id: The client that presents the code or token.
        account: The current user and API; if None, they are not checked.
    """

    record: Record | None
    client_id: str
    now: datetime
    account: Account | None = None

    @property
    def known(self) -> Record:
        """The record of a known code or token. Use this only if `is_unknown` is False."""
        assert self.record is not None, "an unknown code or token fails an earlier check"  # noqa: S101
        return self.record

    def is_unknown(self) -> bool:
        return self.record is None or self.record.client_id != self.client_id

    def has_expired(self) -> bool:
        return self.now >= self.known.expires_at

    def account_is_closed(self) -> bool:
        return self.account is not None and self.account.is_closed


@light_dataclass(frozen=True, slots=True, kw_only=True)
class CodeFacts(_RecordFacts[AuthorizationCode]):
    """An authorization code, and the request that presents it."""

    grant: AuthorizationCodeGrant
    key_thumbprint: str | None

    def redirect_uri_differs(self) -> bool:
        return self.known.redirect_uri != self.grant.redirect_uri

    def verifier_is_wrong(self) -> bool:
        return not is_bound_to(self.known.challenge, self.grant.code_verifier)

    def key_is_wrong(self) -> bool:
        return self.known.key_thumbprint not in {None, self.key_thumbprint}

    def is_spent(self) -> bool:
        return self.known.is_spent


@light_dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts(_RecordFacts[DeviceLogin]):
    """A device code, and the poll that presents it.

    Attributes:
        is_early: Whether the poll came before the client's interval had passed.
        number_hash: The hash of the number that the poll contains, which the user types into the client after the
            approval; None if the poll contains no number.
    """

    verifier: Secret | None
    is_early: bool = False
    number_hash: bytes | None = None

    def is_over(self) -> bool:
        return self.known.stage in {"redeemed", "lapsed"}

    def verifier_is_wrong(self) -> bool:
        return not is_bound_to(self.known.challenge, self.verifier)

    def is_denied(self) -> bool:
        return self.known.stage == "denied"

    def has_expired(self) -> bool:
        return self.now >= self.known.expires_at + (LATE if self.known.stage == "approved" else timedelta())

    def is_polled_early(self) -> bool:
        return self.is_early and (self.is_undecided() or self.lacks_number())

    def is_undecided(self) -> bool:
        return self.known.stage != "approved"

    def lacks_number(self) -> bool:
        return self.known.number_hash is not None and self.number_hash is None

    def number_is_wrong(self) -> bool:
        wanted = self.known.number_hash
        return wanted is not None and not hmac.compare_digest(wanted, self.number_hash or b"")


@light_dataclass(frozen=True, slots=True)
class PresentedRefreshToken:
    """The content of a refresh token, and the request that presents it.

    Attributes:
        generation: The generation of the token, which grows by one with each rotation.
        secret_hash: The keyed hash of the token's secret part.
        client_id: The client that presents the token.
        scope: The requested narrower scope, or None for the same scope as before.
        key_thumbprint: The thumbprint of the DPoP proof's key, if any.
    """

    generation: int
    secret_hash: bytes
    client_id: str
    scope: Scope | None = None
    key_thumbprint: str | None = None

    def is_current(self, login: RefreshLogin) -> bool:
        """Return whether the token belongs to the newest generation of its login's tokens."""
        return self.generation == login.generation and _is_among(self.secret_hash, login.current_hashes)

    def is_previous(self, login: RefreshLogin) -> bool:
        """Return whether the token belongs to the generation just before the newest."""
        return self.generation == login.generation - 1 and _is_among(self.secret_hash, login.previous_hashes)


@light_dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFacts(_RecordFacts[RefreshLogin]):
    """A refresh token, and the login that it belongs to.

    Attributes:
        token: The refresh token; None if it cannot be read.
        repeats_until: The time until which the token before the newest is still accepted; None if only the newest token
            is accepted.
        most_repeats: How often the token before the newest is accepted until `repeats_until`.
    """

    token: PresentedRefreshToken | None
    repeats_until: datetime | None = None
    most_repeats: int = 0

    @property
    def presented(self) -> PresentedRefreshToken:
        """The readable token. Use this only if `is_unreadable` is False."""
        assert self.token is not None, "an unreadable token fails an earlier check"  # noqa: S101
        return self.token

    def is_unreadable(self) -> bool:
        return self.token is None

    def has_ended(self) -> bool:
        return self.known.has_ended

    def is_reused(self) -> bool:
        if self.presented.is_current(self.known):
            return False
        is_late = self.repeats_until is None or self.now >= self.repeats_until
        return is_late or self.known.repeats >= self.most_repeats or not self.presented.is_previous(self.known)

    def has_expired(self) -> bool:
        return self.now >= min(self.known.expires_at, self.known.idle_expires_at)

    def key_is_wrong(self) -> bool:
        return self.known.key_thumbprint not in {None, self.presented.key_thumbprint}

    def scope_is_wider(self) -> bool:
        return self.presented.scope is not None and not self.presented.scope <= self.known.scope

    def user_is_gone(self) -> bool:
        return self.account is not None and self.account.user is None


@light_dataclass(frozen=True, slots=True, kw_only=True)
class FactorFacts(_RecordFacts[MfaLogin]):
    """An mfa_token, and the second factor that the client presents with it.

    Attributes:
        lacks_code: Whether the grant requires a `binding_code` and the request has none.
        key_thumbprint: The thumbprint of the DPoP proof's key, if any.
        has_tries: Whether the user has attempts left.
        wrong: The outcome of a wrong second factor; None if the factor is right or has not been verified.
    """

    lacks_code: bool = False
    key_thumbprint: str | None = None
    has_tries: bool = True
    wrong: Outcome | None = None

    def lacks_binding_code(self) -> bool:
        return self.lacks_code

    def is_spent(self) -> bool:
        return self.known.is_spent

    def key_is_wrong(self) -> bool:
        return self.account is not None and self.known.key_thumbprint not in {None, self.key_thumbprint}

    def has_no_tries(self) -> bool:
        return not self.has_tries

    def otp_is_wrong(self) -> bool:
        return self.wrong == "otp_wrong"

    def binding_code_is_wrong(self) -> bool:
        return self.wrong == "binding_code_wrong"

    def recovery_code_is_wrong(self) -> bool:
        return self.wrong == "recovery_code_wrong"


def is_bound_to(challenge: str | None, verifier: Secret | None) -> bool:
    """Return whether a code_verifier matches a code_challenge, or both are absent (RFC 9700 §4.8.2)."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    return fits(verifier, challenge)


def _is_among(hashed: bytes, known: tuple[bytes, ...]) -> bool:
    return any(hmac.compare_digest(hashed, one) for one in known)
