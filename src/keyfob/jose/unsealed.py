"""Decryption of `sealed.py`'s output with few imports, for `keyfob token`, which runs often (RFC 5116, RFC 5869).

`cryptography`'s public modules take 30 ms or more to import, mostly for unused ciphers; its binding alone takes a
third. If a later version moves it, the ImportError or AttributeError makes the caller use the ordinary path.
"""

from hmac import compare_digest, digest

from cryptography.hazmat.bindings._rust import openssl

_VERSION = b"kf1"
_NONCE_BYTES = 12
_HASH_BYTES = 32


def unseal(ciphertext: bytes, master: bytes, key_id: str, *, purpose: str, context: str) -> bytes:
    """Decrypt with the key that is derived for a purpose.

    Args:
        ciphertext: The output of `sealed.seal`.
        master: The master key.
        key_id: The required `sealed.key_id` of the master key.
        purpose: As for `sealed.derive`.
        context: As for `sealed.seal`.

    Raises:
        ValueError: Another version or key.
        Exception: Another context, or damage: an error of `cryptography`.
    """
    if not ciphertext.startswith(_VERSION) or not compare_digest(_derive(master, "name")[:8].hex(), key_id):
        raise ValueError
    nonce_end = len(_VERSION) + _NONCE_BYTES
    nonce, body = ciphertext[len(_VERSION) : nonce_end], ciphertext[nonce_end:]
    return openssl.aead.AESGCM(_derive(master, purpose)).decrypt(nonce, body, context.encode())


def _derive(master: bytes, purpose: str) -> bytes:
    """HKDF with SHA-256, no salt, and one block of output (RFC 5869 §2)."""
    extracted = digest(bytes(_HASH_BYTES), master, "sha256")
    return digest(extracted, b"keyfob " + purpose.encode() + b"\x01", "sha256")
