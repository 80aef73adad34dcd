"""The initial state of a tenant: keys derived from its master key, a signing key, and a ready configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import derive, seal, unseal
from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.secret import Secret
from keyfob.server.keyed_hash import HashKeys, keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import StoredKey
from keyfob.server.settings.config import TenantConfig, Wire
from keyfob.server.settings.registered import Api, Application

MASTER_KEY_BYTES: Final = 32
_PURPOSES: Final = (
    "codes", "refresh tokens", "sessions", "forms", "client secrets", "second factors", "opaque tokens", "pages",
    "proof nonces",
)  # fmt: skip
READY_CLIENT_ID: Final = "keyfob-cli"
READY_AUDIENCE: Final = "https://orders.example/"
READY_EMAIL: Final = "person@example.com"


@dataclass(frozen=True, slots=True)
class FirstUser:
    """The first user of a ready tenant, with the generated password, which is not stored."""

    email: str
    password: Secret


def ready_config(issuer: str, wire: Wire = "auth0") -> TenantConfig:
    """Return the settings of a tenant with one client and one API."""
    scopes = {"read:orders": "read your orders", "write:orders": "place and change orders"}
    return TenantConfig(
        issuer=issuer,
        wire=wire,
        applications=(
            Application(
                READY_CLIENT_ID,
                "keyfob CLI",
                grants=(DEVICE_CODE, AUTHORIZATION_CODE, REFRESH_TOKEN),
                callbacks=("http://127.0.0.1/callback",),
                any_loopback_port=True,
            ),
        ),
        apis=(Api(READY_AUDIENCE, "Orders", scopes),),
        default_audience=READY_AUDIENCE,
    )


def hash_keys(master: bytes) -> HashKeys:
    """Derive one key for each purpose."""
    return HashKeys(*(derive(master, purpose) for purpose in _PURPOSES))


def without_secrets(config: TenantConfig, key: bytes) -> TenantConfig:
    """Return the settings with keyed hashes in place of the client secrets."""

    def hashed(application: Application) -> Application:
        fresh = tuple(keyed_hash(key, secret) for secret in application.secrets)
        return replace(application, secrets=(), secret_hashes=(*application.secret_hashes, *fresh))

    return replace(config, applications=tuple(map(hashed, config.applications)))


async def load_signing_keys(transaction: Transaction, master: bytes) -> tuple[SigningKey, ...]:
    """Load and decrypt the signing keys, newest first.

    Raises:
        Malformed: They were encrypted with another master key, or are damaged.
    """
    key = derive(master, "signing keys")
    return tuple(
        SigningKey.from_pem(unseal(found.sealed, key, context=f"signing-key {found.key_id}"), found.algorithm)
        for found in await transaction.signing_keys()
    )


def encrypt_signing_key(key: SigningKey, master: bytes, nonce: bytes, now: datetime) -> StoredKey:
    """Encrypt a signing key for the store. `nonce` is 12 random bytes."""
    sealed = seal(key.pem(), derive(master, "signing keys"), nonce=nonce, context=f"signing-key {key.key_id}")
    return StoredKey(key.key_id, key.algorithm, sealed, now)
