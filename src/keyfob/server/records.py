"""The records in a tenant's store. Codes, tokens and session ids are stored as keyed hashes only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

from keyfob.jose.algorithms import Algorithm
from keyfob.light import light_dataclass
from keyfob.protocol.scope import Scope

Factor = Literal["passkey", "otp", "email", "recovery-code"]
DEFAULT_CONNECTION: Final = "Username-Password-Authentication"
Stage = Literal["waiting", "confirmed", "approved", "denied", "redeemed", "lapsed"]
Nearness = Literal["same", "other", "unknown"]  # whether two addresses belong to one network

# For each stage of a device login, the stages that may follow.
MOVES: Final[dict[Stage, frozenset[Stage]]] = {
    "waiting": frozenset({"confirmed", "denied", "lapsed"}),
    "confirmed": frozenset({"confirmed", "approved", "denied", "lapsed"}),
    "approved": frozenset({"redeemed", "denied", "lapsed"}),
    "denied": frozenset[Stage](),
    "redeemed": frozenset[Stage](),
    "lapsed": frozenset[Stage](),
}


@light_dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login by the device flow (RFC 8628).

    Attributes:
        session_hash: The browser session that confirmed the code. Only this session may approve the login.
        peer: The IP address of the client's request.
        challenge: The S256 `code_challenge` (RFC 7636), or None. With a challenge, every poll needs the verifier.
        device_name: The name of the device, as the client claims. It is not verified.
        device_system: The operating system of the device, as the client claims.
        nearness: Whether the approving browser was in the network of the device: `same`, `other` or `unknown`.
        number_hash: The hash of the number that the page showed after the approval, if the client must send it.
        number_tries: How many wrong numbers were sent.
        login_id: The id of the login that the code is redeemed for. The id is chosen at the approval. So the link in
            an e-mail about the approval can end this login before or after the code is redeemed.
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


@light_dataclass(frozen=True, slots=True)
class RefreshLogin:
    """One login of a user in a client, with or without a refresh token.

    Attributes:
        login_id: Random bytes. They are part of every refresh token of the login, and the claim `sid` of its access
            tokens.
        generation: The generation of the newest refresh token: 1 for the first token, and one more after each rotation.
            0 if the login has no refresh token.
        current_hashes: The keyed hash of the secret part of the newest refresh token; () if there is none.
        previous_hashes: The keyed hash of the secret part of the refresh token before the newest; () if there is none.
        rotated_at: The time of the last rotation; None if no refresh token was exchanged yet.
        repeats: How often the previous refresh token was exchanged again since the last rotation.
        key_thumbprint: The thumbprint of the DPoP key that the tokens are bound to (RFC 9449 §5), or None.
        sid: The `sid` of the browser session, for ID tokens.
        used_at: The time of the last refresh; None if there was no refresh yet.
        network: The client's network at the start of the login: an IPv4 address, or an IPv6 /64.
        device_name: The name of the device, as in `DeviceLogin`.
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


@light_dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """An authorization code (RFC 6749 §4.1.2).

    Attributes:
        redirect_uri: The `redirect_uri` of the request; the token request must repeat it.
        challenge: The S256 `code_challenge` (RFC 7636), or None.
        login_id: The login that the code was redeemed for; None if the code was not redeemed. If the code is used
            again, this login ends.
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


@light_dataclass(frozen=True, slots=True)
class PushedRequest:
    """A pushed authorization request (RFC 9126). `parameters` is a JSON object."""

    uri_hash: bytes
    client_id: str
    parameters: str
    expires_at: datetime


@light_dataclass(frozen=True, slots=True)
class Consent:
    """The consent of a user to a client: the granted scope at one API."""

    user_id: str
    client_id: str
    audience: str
    scope: Scope
    created_at: datetime


@light_dataclass(frozen=True, slots=True)
class Authenticator:
    """A second factor of a user.

    Attributes:
        authenticator_id: The id in Auth0's format: `totp|dev_...`, `email|dev_...`, `recovery-code|dev_...`. The id of
            a passkey is derived from its credential ID (`decide/passkey.py`).
        secret: The encrypted TOTP secret, the keyed hash of a recovery code, or the public key of a passkey (COSE_Key);
            empty for e-mail.
        created_at: The time at which the enrolment was completed or, if the factor is not active, began.
        is_active: Whether the enrolment was completed with a right code.
        last_step: The time step of the last accepted TOTP code; None if no code was accepted yet. The codes of this
            step and of earlier steps are refused (RFC 6238 §5.2).
        login_hash: The `token_hash` of the `MfaLogin` that began the enrolment. Until the factor is active, only this
            login can use the factor.
        expires_at: The time at which the login of `login_hash` expires; None if the factor is active.
        name: The name of a passkey, as the user typed it; "" for other factors.
        credential_id: The credential ID of a passkey; None for other factors.
        sign_count: The signature counter of a passkey; 0 if its authenticator has no counter, and for other factors.
        used_at: The time of the last login with this passkey; None if there was no such login, and for other factors.
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
        """Return whether a login began the enrolment of this factor and may still complete the enrolment."""
        return (
            not self.is_active
            and self.login_hash == login_hash
            and self.expires_at is not None
            and now < self.expires_at
        )


@light_dataclass(frozen=True, slots=True)
class MfaLogin:
    """A login that still requires a second factor, after the password was verified; or an enrolment of a factor.

    Attributes:
        token_hash: The hash of the `mfa_token`, or of the access token that began an enrolment. For a login in a
            browser, the hash of random bytes that only the encrypted state of the login contains.
        grant: For an interrupted login: `password`, `password-realm` or `browser`. For an enrolment that an access
            token began: `enrolment`. For an additional factor in a browser: `another factor`.
        oob_hash: The hash of the `oob_code` of the last e-mail with a code; None if there is none.
        binding_hash: The hash of the code in this e-mail, which the user reads; None if there is none.
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


@light_dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session of a browser in which a user has logged in. Before the login, no session is stored.

    Attributes:
        has_factor: Whether the user has proven a second factor in this session. A passkey counts as a second factor.
    """

    session_hash: bytes
    created_at: datetime
    seen_at: datetime
    user_id: str
    auth_time: datetime
    network: str | None = None
    has_factor: bool = False


@light_dataclass(frozen=True, slots=True)
class User:
    """A user, who logs in with an e-mail address.

    Attributes:
        user_id: `auth0|` and a random part. The id of a deleted user is never assigned again.
        connection: The connection of the user. An e-mail address is unique within a connection.
        permissions: Pairs of audience and scope that are granted in addition to the permissions of the roles.
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


@light_dataclass(frozen=True, slots=True)
class Tries:
    """A counter for a limit, such as the limit on wrong passwords.

    Attributes:
        tries_key: The keyed hash of the subject whose tries are counted, such as a user or a network.
        count: Some limits count the failures since the last success. Other limits count the tries that are left.
        expires_at: The time from which the record has no effect.
        of_stranger: Whether an unauthenticated caller chose this subject: a network, or a name that no user has. The
            number of such records is limited. If there are too many, those that expire first are deleted.
    """

    tries_key: bytes
    count: float
    at: datetime
    expires_at: datetime
    of_stranger: bool = False


@light_dataclass(frozen=True, slots=True)
class StoredKey:
    """An encrypted signing key. `decide/key_schedule.py` derives the key's stage, such as signing, from the times.

    Attributes:
        created_at: The time from which the key is published.
        signs_at: The time from which the key signs, until a later key of its algorithm signs.
        longest_token: The longest lifetime of a token that the key may have signed.
    """

    key_id: str
    algorithm: Algorithm
    sealed: bytes
    created_at: datetime
    signs_at: datetime
    longest_token: timedelta


@light_dataclass(frozen=True, slots=True)
class KeySlot:
    """The tenant's random keys (`keyring.py`), encrypted under one master key.

    Attributes:
        master_id: An identifier of the master key, which reveals nothing about the key.
        expires_at: The time until which the master key is accepted, if it is a former key; None for the present key.
    """

    master_id: str
    sealed: bytes
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@light_dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event in the table of the audit log.

    Attributes:
        number: The number of the event. A later event has a higher number.
        user_id: The user of the event, or "".
        event: The event as JSON text.
    """

    number: int
    at: datetime
    type: str
    user_id: str
    event: str


@light_dataclass(frozen=True, slots=True)
class Document:
    """The stored settings of a client, an API, a grant or the tenant, as JSON text."""

    kind: str
    name: str
    text: str
