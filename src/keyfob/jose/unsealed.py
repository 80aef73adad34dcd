"""Open a box of `sealed.py` without what that imports, for the one command that runs all the time (RFC 5116, RFC 5869).

`cryptography`'s public modules take 30 ms and more to load, mostly for ciphers that nobody uses here; its binding alone
takes a third. What has moved there some day is an ImportError or AttributeError, and the caller goes the ordinary way.
"""

from hmac import compare_digest, digest

from cryptography.hazmat.bindings._rust import openssl

_VERSION = b"kf1"
_NONCE_BYTES = 12
_HASH_BYTES = 32


def unseal(box: bytes, master: bytes, key_id: str, *, purpose: str, context: str) -> bytes:
    """Open a box with the key that its purpose has from the master key.

    Args:
        box: As `sealed.seal` makes it.
        master: The master key.
        key_id: What `sealed.key_id` must say of it.
        purpose: As for `sealed.derive`.
        context: What it is and whose.

    Raises:
        ValueError: Another version or key.
        Exception: Another context, or damage; as `cryptography` has it.
    """
    if not box.startswith(_VERSION) or not compare_digest(_derive(master, "name")[:8].hex(), key_id):
        raise ValueError
    nonce, body = box[len(_VERSION) : len(_VERSION) + _NONCE_BYTES], box[len(_VERSION) + _NONCE_BYTES :]
    return openssl.aead.AESGCM(_derive(master, purpose)).decrypt(nonce, body, context.encode())


def _derive(master: bytes, purpose: str) -> bytes:
    """HKDF with SHA-256, no salt, and one block of output (RFC 5869 §2)."""
    extracted = digest(bytes(_HASH_BYTES), master, "sha256")
    return digest(extracted, b"keyfob " + purpose.encode() + b"\x01", "sha256")
