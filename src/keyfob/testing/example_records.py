"""One example record of each kind in a server store, with every field set."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyfob.protocol.scope import Scope
from keyfob.server.records import (
    Authenticator,
    AuthorizationCode,
    BrowserSession,
    Consent,
    DeviceLogin,
    Document,
    KeySlot,
    MfaLogin,
    PushedRequest,
    RefreshLogin,
    StoredKey,
    Tries,
    User,
)
from keyfob.testing.fake_time import NOON

CODE: Final = b"device code hash"
LOGIN: Final = DeviceLogin(
    CODE, b"user code hash", "program", "https://api.example/", Scope.of(["a", "b"]), "192.0.2.7", NOON,
    NOON + timedelta(minutes=15), device_name="pats-laptop", device_system="Linux",
)  # fmt: skip
REFRESH: Final = RefreshLogin(
    b"login id", "program", "auth0|1", "https://api.example/", Scope.of(["a"]), NOON, NOON,
    NOON + timedelta(days=365), NOON + timedelta(days=30), 1, (b"current".ljust(32),), device_name="pats-laptop",
)  # fmt: skip
USER: Final = User("auth0|1", "Person@Example.com", "Pat", "$argon2id$...", NOON)
STAFF: Final = replace(
    USER, user_id="auth0|2", connection="staff", email_verified=False, picture="https://pictures.example/1",
    roles=("a", "b"), permissions=(("https://api.example/", "read"),), is_blocked=True,
)  # fmt: skip
AUTHORIZATION: Final = AuthorizationCode(
    b"code hash", "program", "http://127.0.0.1/cb", "challenge", "https://api.example/", Scope.of(["a"]), "auth0|1",
    NOON, NOON, NOON + timedelta(minutes=1), "nonce", "thumbprint", "sid", b"login id", is_spent=True,
)  # fmt: skip
PUSHED: Final = PushedRequest(b"uri hash", "program", "{}", NOON + timedelta(seconds=30))
CONSENT: Final = Consent("auth0|1", "program", "https://api.example/", Scope.of(["a"]), NOON)
FACTOR: Final = Authenticator("totp|dev_1", "auth0|1", "otp", b"sealed", NOON, is_active=True, last_step=7)
PASSKEY: Final = Authenticator(
    "passkey|dev_1", "auth0|1", "passkey", b"public key", NOON + timedelta(minutes=1), is_active=True, name="Laptop",
    credential_id=b"credential id", sign_count=2**32 - 1, used_at=NOON + timedelta(days=1),
)  # fmt: skip
MFA: Final = MfaLogin(
    b"token hash", "auth0|1", "program", "https://api.example/", Scope.of(["a"]), "password", NOON,
    NOON + timedelta(minutes=10), "thumbprint", b"oob", b"binding", NOON, "email|dev_1", is_spent=True,
)  # fmt: skip
DOCUMENT: Final = Document("application", "program", '{"name":"Program"}')
SESSION: Final = BrowserSession(b"session hash", NOON, NOON, "auth0|1", NOON, has_factor=True)
TRIES: Final = Tries(b"tries key", 2.5, NOON, NOON + timedelta(hours=1))
KEY: Final = StoredKey("kid", "RS256", b"sealed", NOON, NOON + timedelta(days=1), timedelta(hours=10))
SLOT: Final = KeySlot("master id", b"sealed", NOON, NOON + timedelta(days=1))
