"""User codes of the device flow: written from random bytes, read as they are typed (RFC 8628 §5.1, §6.1)."""

from __future__ import annotations

import unicodedata
from typing import Final

from keyfob.errors import Misuse

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words; nothing to confuse
CODE_LENGTH: Final = 8


def write_user_code(random: bytes) -> str:
    """Return a code for a user, from random bytes, every one equally likely.

    Args:
        random: At least 16 bytes.

    Raises:
        Misuse: Too few of the bytes could be used; more are needed.
    """
    # 240 is the largest multiple of 20 in a byte; beyond it some letters would be likelier.
    letters = [ALPHABET[byte % 20] for byte in random if byte < 240][:CODE_LENGTH]
    if len(letters) < CODE_LENGTH:
        raise Misuse("too little randomness for a user code")
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def read_user_code(typed: str) -> str | None:
    """Return a typed code as it was written, or None where it cannot be one.

    Case, dashes of every kind, spaces and full-width letters do not matter (RFC 8628 §6.1).
    """
    plain = unicodedata.normalize("NFKC", typed[:100]).upper()
    letters = "".join(letter for letter in plain if letter in ALPHABET)
    others = [letter for letter in plain if letter.isalnum() and letter not in ALPHABET]
    return None if others or len(letters) != CODE_LENGTH else f"{letters[:4]}-{letters[4:]}"
