"""The initial settings of a tenant, and the encryption of its signing keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import derive, seal, unseal_any
from keyfob.protocol.grants import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.secret import Secret
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.keyring import Keyring
from keyfob.server.records import StoredKey
from keyfob.server.settings.config import TenantConfig, Wire
from keyfob.server.settings.registered import Api, Application

MASTER_KEY_BYTES: Final = 32
READY_CLIENT_ID: Final = "keyfob-cli"
READY_AUDIENCE: Final = "https://orders.example/"
READY_EMAIL: Final = "person@example.com"


@dataclass(frozen=True, slots=True)
class FirstUser:
    """The first user of a ready tenant, with the generated password. The store contains only the password's hash."""

    email: str
    password: Secret


def ready_config(issuer: str, wire: Wire = "auth0") -> TenantConfig:
    """Return the settings of a ready tenant: one client and one API."""
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


def without_secrets(config: TenantConfig, key: bytes) -> TenantConfig:
    """Return the settings with keyed hashes in place of the client secrets."""

    def hashed(application: Application) -> Application:
        fresh = tuple(keyed_hash(key, secret) for secret in application.secrets)
        return replace(application, secrets=(), secret_hashes=(*application.secret_hashes, *fresh))

    return replace(config, applications=tuple(map(hashed, config.applications)))


def decrypt_signing_key(stored: StoredKey, keyring: Keyring, now: datetime) -> SigningKey:
    """Decrypt a signing key from the store.

    Raises:
        Malformed: The stored key is damaged.
    """
    keys = tuple(derive(key, "signing keys") for key in keyring.opening(now))
    pem = unseal_any(stored.sealed, keys, context=f"signing-key {stored.key_id}")
    return SigningKey.from_pem(pem, stored.algorithm)


def encrypt_signing_key(
    key: SigningKey, keyring: Keyring, nonce: bytes, now: datetime, signs_at: datetime, longest: timedelta
) -> StoredKey:
    """Encrypt a signing key for the store.

    Args:
        key: The signing key.
        keyring: The tenant's random keys, one of which encrypts the signing key.
        nonce: 12 random bytes.
        now: The time from which the key is published.
        signs_at: The time from which the key signs.
        longest: The longest lifetime of the tokens that the key signs.
    """
    sealing = derive(keyring.sealing, "signing keys")
    sealed = seal(key.pem(), sealing, nonce=nonce, context=f"signing-key {key.key_id}")
    return StoredKey(key.key_id, key.algorithm, sealed, now, signs_at, longest)
