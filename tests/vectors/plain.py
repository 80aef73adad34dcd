"""Base64url by the standard library: what a vector says is read without the code that it tests."""

from base64 import urlsafe_b64decode


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(decoded(text))
