"""Everything a tenant remembers. Codes, tokens and session ids are here as keyed hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from keyfob.jose.algorithms import Algorithm
from keyfob.protocol.scope import Scope

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


@dataclass(frozen=True, slots=True)
class RefreshLogin:
    """One login's refresh tokens, all of them in one row: rotation updates it in place.

    Attributes:
        login_id: Random; inside every token of the family.
        generation: Of the newest token.
        current_hash: Of the newest token's secret part; `previous_hash` of the one before.
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
    current_hash: bytes
    previous_hash: bytes | None = None
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A browser that has done something. `user_id` is None until somebody logs in."""

    session_hash: bytes
    created_at: datetime
    seen_at: datetime
    user_id: str | None = None
    auth_time: datetime | None = None
    device_code_hash: bytes | None = None
    outcome: Literal["", "allowed", "denied"] = ""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `user_id` is `auth0|` and random, never reassigned; people log in with their e-mail."""

    user_id: str
    email: str
    name: str
    password_hash: str
    updated_at: datetime
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key, sealed."""

    key_id: str
    algorithm: Algorithm
    sealed: bytes
    created_at: datetime
