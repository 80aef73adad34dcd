"""Decryption of `sealed.py`'s output with few imports, for `keyfob token`, which runs often (RFC 5116, RFC 5869).

Importing the public modules of `cryptography` takes 30 ms or more, mostly for unused ciphers. Importing only its
OpenSSL binding takes a third of that time. If a later version of `cryptography` moves the binding, this module raises
ImportError or AttributeError, and the caller uses `sealed.py`.
"""

from hmac import compare_digest, digest

from cryptography.hazmat.bindings._rust import openssl

_VERSION = b"kf1"
_NONCE_BYTES = 12
_HASH_BYTES = 32


def unseal(ciphertext: bytes, master: bytes, key_id: str, *, purpose: str, context: str) -> bytes:
    """Decrypt a ciphertext with a key that is derived from the master key for a purpose.

    Args:
        ciphertext: The output of `sealed.seal`.
        master: The master key.
        key_id: The identifier (`sealed.key_id`) of the master key.
        purpose: The purpose that `sealed.derive` was called with.
        context: The context that `sealed.seal` was called with.

    Raises:
        ValueError: The ciphertext has another version or was made with another master key.
        Exception: The context is wrong or the ciphertext is damaged. `cryptography` defines the class of the error.
    """
    if not ciphertext.startswith(_VERSION) or not compare_digest(_derive(master, "name")[:8].hex(), key_id):
        raise ValueError
    nonce_end = len(_VERSION) + _NONCE_BYTES
    nonce, body = ciphertext[len(_VERSION) : nonce_end], ciphertext[nonce_end:]
    return openssl.aead.AESGCM(_derive(master, purpose)).decrypt(nonce, body, context.encode())


def _derive(master: bytes, purpose: str) -> bytes:
    """Derive a key by HKDF with SHA-256: no salt, and one block of output (RFC 5869 §2)."""
    extracted = digest(bytes(_HASH_BYTES), master, "sha256")
    return digest(extracted, b"keyfob " + purpose.encode() + b"\x01", "sha256")
