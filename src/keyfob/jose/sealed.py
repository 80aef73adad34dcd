"""Encryption of stored data: AES-256-GCM with a key derived for each purpose (RFC 5116, RFC 5869, RFC 7914)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keyfob.errors import Malformed

NONCE_BYTES: Final = 12
STRETCH_COST: Final = 17  # 2^17 rounds of 1 KiB: 128 MiB and some tenths of a second (OWASP's minimum for scrypt)
_VERSION: Final = b"kf1"


def derive(master: bytes, purpose: str) -> bytes:
    """Derive a 32-byte key for one purpose from the master key."""
    return HKDF(SHA256(), 32, salt=None, info=b"keyfob " + purpose.encode()).derive(master)


def key_id(master: bytes) -> str:
    """Return an identifier for a master key. The identifier reveals nothing about the key."""
    return derive(master, "name")[:8].hex()


def stretch(passphrase: bytes, salt: bytes, cost: int = STRETCH_COST) -> bytes:
    """Derive a 32-byte key from a passphrase: scrypt with 2^cost rounds."""
    return Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase)


def seal(plain: bytes, key: bytes, *, nonce: bytes, context: str) -> bytes:
    """Encrypt bytes. Decryption needs the same key and context.

    Args:
        plain: The plaintext.
        key: 32 bytes.
        nonce: 12 random bytes, never used twice with this key.
        context: The kind and owner of the content, so that an attacker cannot swap two ciphertexts.
    """
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def nonce_of(ciphertext: bytes) -> bytes:
    """Return the nonce of a ciphertext."""
    return ciphertext[len(_VERSION) : len(_VERSION) + NONCE_BYTES]


def unseal_any(ciphertext: bytes, keys: Sequence[bytes], *, context: str) -> bytes:
    """Decrypt bytes that were encrypted with one of several keys. Raise `Malformed` if no key can decrypt them."""
    for key in keys[:-1]:
        with contextlib.suppress(Malformed):
            return unseal(ciphertext, key, context=context)
    return unseal(ciphertext, keys[-1], context=context)


def unseal(ciphertext: bytes, key: bytes, *, context: str) -> bytes:
    """Decrypt bytes. Raise `Malformed` if the key or the context is wrong, or the bytes are damaged."""
    if not ciphertext.startswith(_VERSION):
        raise Malformed("the ciphertext has another version", field=context.partition(" ")[0])
    nonce_end = len(_VERSION) + NONCE_BYTES
    nonce, body = ciphertext[len(_VERSION) : nonce_end], ciphertext[nonce_end:]
    try:
        return AESGCM(key).decrypt(nonce, body, context.encode())
    except (InvalidTag, ValueError):
        raise Malformed("the ciphertext cannot be decrypted with this key", field=context.partition(" ")[0]) from None
