"""One secret box for what lies on disk: AES-256-GCM, a key derived for each purpose (RFC 5116, RFC 5869, RFC 7914)."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keyfob.errors import Malformed

NONCE_BYTES: Final = 12
STRETCH_COST: Final = 17  # 2^17 rounds of 1 KiB: 128 MiB and some tenths of a second (OWASP's floor for scrypt)
_VERSION: Final = b"kf1"


def derive(master: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose from the master key."""
    return HKDF(SHA256(), 32, salt=None, info=b"keyfob " + purpose.encode()).derive(master)


def key_id(master: bytes) -> str:
    """A name for a master key that says nothing about it."""
    return derive(master, "name")[:8].hex()


def stretch(passphrase: bytes, salt: bytes, cost: int = STRETCH_COST) -> bytes:
    """A 32-byte key from what a person can remember: scrypt, 2^cost rounds."""
    return Scrypt(salt=salt, length=32, n=1 << cost, r=8, p=1).derive(passphrase)


def seal(plain: bytes, key: bytes, *, nonce: bytes, context: str) -> bytes:
    """Seal bytes to a key and a context, which must be given again to open.

    Args:
        plain: What to hide.
        key: 32 bytes.
        nonce: 12 random bytes, never used twice with this key.
        context: What it is and whose, so that one box cannot stand in for another.
    """
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plain, context.encode())


def unseal(box: bytes, key: bytes, *, context: str) -> bytes:
    """Open a box.

    Raises:
        Malformed: Another key, another context, or damage.
    """
    if not box.startswith(_VERSION):
        raise Malformed("a sealed box is of another version", field=context.partition(" ")[0])
    nonce, body = box[len(_VERSION) : len(_VERSION) + NONCE_BYTES], box[len(_VERSION) + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, context.encode())
    except (InvalidTag, ValueError):
        raise Malformed("a sealed box does not open with this key", field=context.partition(" ")[0]) from None
