"""Everything a tenant remembers. Codes, tokens and session ids are here as keyed hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.scope import Scope

Factor = Literal["otp", "email", "recovery-code"]
DEFAULT_CONNECTION: Final = "Username-Password-Authentication"
Outcome = Literal["", "allowed", "denied"]
Stage = Literal["waiting", "confirmed", "approved", "denied", "redeemed", "lapsed"]

# Every legal move of a device login. What is not here does not happen.
MOVES: Final[dict[Stage, frozenset[Stage]]] = {
    "waiting": frozenset({"confirmed", "denied", "lapsed"}),
    "confirmed": frozenset({"confirmed", "approved", "denied", "lapsed"}),
    "approved": frozenset({"redeemed", "lapsed"}),
    "denied": frozenset[Stage](),
    "redeemed": frozenset[Stage](),
    "lapsed": frozenset[Stage](),
}


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A program waits for a person.

    Attributes:
        session_hash: The browser session that confirmed the code; only it may approve.
        peer: The address that the program asked from.
        challenge: S256 of the program's verifier (RFC 7636), which every poll must show then; or None.
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


@dataclass(frozen=True, slots=True)
class RefreshLogin:
    """One login's refresh tokens, all of them in one row: rotation updates it in place.

    Attributes:
        login_id: Random; inside every token of the family.
        generation: Of the newest token.
        current_hashes: Of the secret parts of the newest tokens: one, or several within an application's leeway.
        previous_hashes: Of the one traded last, and its twins.
        rotated_at: When that was.
        key_thumbprint: The only key whose holder may use it (RFC 9449 §5), or None.
        sid: The browser session it came from, as ID tokens name it.
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


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What the browser carries back to a program (RFC 6749 §4.1.2).

    Attributes:
        redirect_uri: As the program sent it; the exchange must repeat it.
        challenge: S256 of the program's verifier (RFC 7636), or None.
        login_id: Of the refresh tokens that came of it; they end when the code is used again.
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
    """An authorization request that a program left here (RFC 9126). `parameters` is a JSON object."""

    uri_hash: bytes
    client_id: str
    parameters: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person has let a program do at an API."""

    user_id: str
    client_id: str
    audience: str
    scope: Scope
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Authenticator:
    """A second factor of a person.

    Attributes:
        authenticator_id: Auth0's form: `totp|dev_...`, `email|dev_...`, `recovery-code|dev_...`.
        secret: Sealed TOTP secret, or the keyed hash of a recovery code; empty for e-mail.
        is_active: Whether it has been proven once.
        last_step: The last time step whose code was taken: none is taken twice (RFC 6238 §5.2).
    """

    authenticator_id: str
    user_id: str
    factor: Factor
    secret: bytes
    created_at: datetime
    is_active: bool = False
    last_step: int | None = None


@dataclass(frozen=True, slots=True)
class MfaLogin:
    """A password was right; a second factor is due.

    Attributes:
        grant: What was interrupted: `password`, `password-realm`, or `browser`.
        oob_hash: Of the code that names a message which was sent, `binding_hash` of the code inside it.
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
    """A browser that has done something. `user_id` is None until somebody logs in."""

    session_hash: bytes
    created_at: datetime
    seen_at: datetime
    user_id: str | None = None
    auth_time: datetime | None = None
    device_code_hash: bytes | None = None
    outcome: Outcome = ""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `user_id` is `auth0|` and random, never reassigned; people log in with their e-mail.

    Attributes:
        connection: The directory they belong to; an e-mail is theirs within it.
        permissions: Given to them beside those of their roles: pairs of audience and scope.
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
class StoredKey:
    """A signing key, sealed."""

    key_id: str
    algorithm: Algorithm
    sealed: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that is registered at the tenant, as JSON text: an application, an API, a grant, the tenant itself."""

    kind: str
    name: str
    text: str
