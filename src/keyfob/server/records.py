"""The records in a tenant's store. Codes, tokens and session ids are stored as keyed hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.scope import Scope

Factor = Literal["passkey", "otp", "email", "recovery-code"]
DEFAULT_CONNECTION: Final = "Username-Password-Authentication"
Stage = Literal["waiting", "confirmed", "approved", "denied", "redeemed", "lapsed"]
Nearness = Literal["same", "other", "unknown"]  # whether two addresses are of one network

# The stages that a device login may change to, by its present stage.
MOVES: Final[dict[Stage, frozenset[Stage]]] = {
    "waiting": frozenset({"confirmed", "denied", "lapsed"}),
    "confirmed": frozenset({"confirmed", "approved", "denied", "lapsed"}),
    "approved": frozenset({"redeemed", "denied", "lapsed"}),
    "denied": frozenset[Stage](),
    "redeemed": frozenset[Stage](),
    "lapsed": frozenset[Stage](),
}


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login by the device flow (RFC 8628).

    Attributes:
        session_hash: The browser session that confirmed the code; only it may approve.
        peer: The IP address of the client's request.
        challenge: The S256 `code_challenge` (RFC 7636), or None; with one, every poll needs the verifier.
        device_name: What the client claims to be the name of its device; anybody can claim anything.
        device_system: As `device_name`, its operating system.
        nearness: Whether the approval came from the device's network.
        number_hash: The hash of the number that the page showed after the approval, if the client must send it.
        number_tries: The wrong numbers so far.
        login_id: The login that the code is redeemed for. It is chosen at the approval, so that a link can end it.
    """

    device_code_hash: bytes
    user_code_hash: bytes
    client_id: str
    audience: str
    scope: Scope
    peer: str
    created_at: datetime
    expires_at: datetime
    stage: Stage = "waiting"
    session_hash: bytes | None = None
    user_id: str | None = None
    auth_time: datetime | None = None
    sid: str | None = None
    challenge: str | None = None
    device_name: str = ""
    device_system: str = ""
    nearness: Nearness | None = None
    number_hash: bytes | None = None
    number_tries: int = 0
    login_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class RefreshLogin:
    """One login of a user in a client, with its refresh token if it has one. Its access tokens name it in `sid`.

    Attributes:
        login_id: Random bytes, part of every refresh token of the login.
        generation: The generation of the newest refresh token; 0: the login has none.
        current_hashes: The hash of the secret part of the newest refresh token.
        previous_hashes: The hash of that of the generation before.
        rotated_at: The time of the last rotation.
        repeats: How often the previous token was traded again since then.
        key_thumbprint: The DPoP key that the tokens are bound to (RFC 9449 §5), or None.
        sid: The `sid` of the browser session, for ID tokens.
        used_at: The time of the last refresh.
        network: Where the client was when it began: an IPv4 address, or a /64 of IPv6.
        device_name: As in `DeviceLogin`.
    """

    login_id: bytes
    client_id: str
    user_id: str
    audience: str
    scope: Scope
    auth_time: datetime
    created_at: datetime
    expires_at: datetime
    idle_expires_at: datetime
    generation: int
    current_hashes: tuple[bytes, ...]
    previous_hashes: tuple[bytes, ...] = ()
    rotated_at: datetime | None = None
    key_thumbprint: str | None = None
    sid: str | None = None
    has_ended: bool = False
    repeats: int = 0
    used_at: datetime | None = None
    network: str | None = None
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """An authorization code (RFC 6749 §4.1.2).

    Attributes:
        redirect_uri: The `redirect_uri` of the request; the token request must repeat it.
        challenge: The S256 `code_challenge` (RFC 7636), or None.
        login_id: The login whose refresh tokens were issued for the code; it ends if the code is used again.
    """

    code_hash: bytes
    client_id: str
    redirect_uri: str
    challenge: str | None
    audience: str
    scope: Scope
    user_id: str
    auth_time: datetime
    created_at: datetime
    expires_at: datetime
    nonce: str | None = None
    key_thumbprint: str | None = None
    sid: str | None = None
    login_id: bytes | None = None
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """A pushed authorization request (RFC 9126). `parameters` is a JSON object."""

    uri_hash: bytes
    client_id: str
    parameters: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """The scope at an API that a user has consented to for a client."""

    user_id: str
    client_id: str
    audience: str
    scope: Scope
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Authenticator:
    """A second factor of a user.

    Attributes:
        authenticator_id: In Auth0's format: `totp|dev_...`, `email|dev_...`, `recovery-code|dev_...`. That of a passkey
            is derived from its credential ID (`decide/passkey.py`).
        secret: The encrypted TOTP secret, the keyed hash of a recovery code, or the public key of a passkey (COSE_Key);
            empty for e-mail.
        created_at: The begin of its enrolment; once it is active, the end.
        is_active: Whether its enrolment was completed with a right code.
        last_step: The time step of the last accepted code; no code is accepted twice (RFC 6238 §5.2).
        login_hash: The `MfaLogin` that began the enrolment. Until a right code, the factor is valid there alone.
        expires_at: The end of that login; None once the factor is active.
        name: Of a passkey, as its user has typed it.
        credential_id: Of a passkey.
        sign_count: The signature counter of a passkey; 0 if its authenticator has none.
        used_at: The last login with a passkey.
    """

    authenticator_id: str
    user_id: str
    factor: Factor
    secret: bytes
    created_at: datetime
    is_active: bool = False
    last_step: int | None = None
    login_hash: bytes | None = None
    expires_at: datetime | None = None
    name: str = ""
    credential_id: bytes | None = None
    sign_count: int = 0
    used_at: datetime | None = None

    def is_unproven_of(self, login_hash: bytes, now: datetime) -> bool:
        """Return whether this login has begun the enrolment and may still complete it."""
        return (
            not self.is_active
            and self.login_hash == login_hash
            and self.expires_at is not None
            and now < self.expires_at
        )


@dataclass(frozen=True, slots=True)
class MfaLogin:
    """A login with a verified password that requires a second factor.

    Attributes:
        token_hash: The hash of the `mfa_token`, or of the access token that began an enrolment; in a browser, random
            bytes that only the encrypted state of the login contains.
        grant: The interrupted grant: `password`, `password-realm`, or `browser`; `enrolment`, with an access token; or
            `another factor`, in a browser.
        oob_hash: The hash of the `oob_code` of the message that was sent.
        binding_hash: The hash of the code in that message.
    """

    token_hash: bytes
    user_id: str
    client_id: str
    audience: str
    scope: Scope
    grant: str
    created_at: datetime
    expires_at: datetime
    key_thumbprint: str | None = None
    oob_hash: bytes | None = None
    binding_hash: bytes | None = None
    oob_expires_at: datetime | None = None
    authenticator_id: str | None = None
    is_spent: bool = False


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session of a browser in which a user has logged in. Before that, the store has nothing of a browser.

    Attributes:
        has_factor: Whether the user has proven a second factor in this session. A passkey is one.
    """

    session_hash: bytes
    created_at: datetime
    seen_at: datetime
    user_id: str
    auth_time: datetime
    network: str | None = None
    has_factor: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """A user, who logs in with an e-mail address. `user_id` is `auth0|` and random, never reassigned.

    Attributes:
        connection: The connection of the user; an e-mail address is unique within it.
        permissions: Pairs of audience and scope, granted in addition to those of the roles.
    """

    user_id: str
    email: str
    name: str
    password_hash: str
    updated_at: datetime
    is_blocked: bool = False
    connection: str = DEFAULT_CONNECTION
    email_verified: bool = True
    picture: str | None = None
    roles: tuple[str, ...] = ()
    permissions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong passwords or codes: those in a row, or what is left of a budget of tries.

    Attributes:
        tries_key: The keyed hash of what is counted.
        expires_at: The time from which the record is the same as none.
        of_stranger: It counts what a stranger chooses, a network or the name of no user. The number of such records is
            limited, and the first to expire go first.
    """

    tries_key: bytes
    count: float
    at: datetime
    expires_at: datetime
    of_stranger: bool = False


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An encrypted signing key. `decide/key_schedule.py` derives its stage from the times.

    Attributes:
        created_at: Since when it is published.
        signs_at: Since when it signs, until a later key of its algorithm does.
        longest_token: The longest lifetime of a token that it may have signed.
    """

    key_id: str
    algorithm: Algorithm
    sealed: bytes
    created_at: datetime
    signs_at: datetime
    longest_token: timedelta


@dataclass(frozen=True, slots=True)
class KeySlot:
    """The tenant's random keys (`keyring.py`), encrypted under one master key.

    Attributes:
        master_id: Identifies the master key, and reveals nothing about it.
        expires_at: Of a former master key: how long it is accepted.
    """

    master_id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event in the table of the audit log.

    Attributes:
        number: Its place in the table; every later event has a higher one.
        user_id: The user, or "".
        event: A JSON object.
    """

    number: int
    at: datetime
    type: str
    user_id: str
    event: str


@dataclass(frozen=True, slots=True)
class Document:
    """Stored settings as JSON text: of a client, an API, a grant, or the tenant itself."""

    kind: str
    name: str
    text: str
