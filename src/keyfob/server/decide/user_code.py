"""Generate and parse the user codes of the device flow (RFC 8628 §5.1, §6.1)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from keyfob.errors import Misuse

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words; no similar letters
CODE_LENGTH: Final = 8
# The letter of each byte. 240 is the largest multiple of 20 in a byte. Larger values would make some letters likelier.
_LETTERS: Final = bytes(ord(ALPHABET[byte % 20]) for byte in range(256))
_SKIPPED: Final = bytes(range(240, 256))
LONGEST_TYPED: Final = 300  # a whole link may be pasted
_HALF: Final = f"([{ALPHABET}]{{4}})"
_IN_LINK: Final = re.compile(rf"[?&]USER_CODE={_HALF}(?:-|%2D)?{_HALF}(?![A-Z0-9])")
_IN_TEXT: Final = re.compile(rf"(?<![A-Z0-9=]){_HALF}[ \-\u2010-\u2015\u2212]{_HALF}(?![A-Z0-9])")


def write_user_code(random: bytes) -> str:
    """Return a user code from random bytes; every code is equally likely.

    Raises:
        Misuse: Fewer than 8 of the bytes are below 240. Bytes from 240 on are skipped, so the caller must pass more
            than 8 bytes.
    """
    letters = random.translate(_LETTERS, _SKIPPED)[:CODE_LENGTH].decode("ascii")
    if len(letters) < CODE_LENGTH:
        raise Misuse("too little randomness for a user code")
    return f"{letters[:4]}-{letters[4:]}"


def read_user_code(typed: str) -> str | None:
    """Return a typed code in its canonical form, or None if the text does not contain exactly one code.

    Case, dashes of every kind, spaces and full-width letters do not matter (RFC 8628 §6.1). The text may also be a
    pasted link or a sentence.
    """
    plain = unicodedata.normalize("NFKC", typed[:LONGEST_TYPED]).upper()
    letters = "".join(letter for letter in plain if letter in ALPHABET)
    others = [letter for letter in plain if letter.isalnum() and letter not in ALPHABET]
    if not others and len(letters) == CODE_LENGTH:
        return f"{letters[:4]}-{letters[4:]}"
    found = {pair for pattern in (_IN_LINK, _IN_TEXT) for pair in pattern.findall(plain)}
    return "-".join(found.pop()) if len(found) == 1 else None
