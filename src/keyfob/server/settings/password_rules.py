"""Check a new password: its length, and how easily it is guessed (NIST SP 800-63B-4 §3.1.1.2, §3.1.1.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any, Final
from urllib.parse import urlsplit

from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.server.settings.config import ONLY_FACTOR_LENGTH, TenantConfig

LONGEST_PASSWORD: Final = 1024
_ESTIMATED: Final = 72  # zxcvbn accepts no more characters
# The time of an estimate grows with the square of the length, times the number of ways to read signs such as `1` as
# letters.
MOST_WORK: Final = 4 * _ESTIMATED**2
# Scores up to 4: more than 10^8 guesses for a password as the only factor, more than 10^6 with a second factor.
_LEAST_SCORE: Final = 3
_LEAST_SCORE_OF_SHORT: Final = 2
_HINT: Final = "Choose another, such as five words at random, or have one made with --generate."


def check_new_password(password: Secret, config: TenantConfig, *own_words: str) -> None:
    """Check a new password. No kinds of characters, such as digits or signs, are required.

    Args:
        password: The password.
        config: The settings of the tenant. A password must not consist of the tenant's names.
        own_words: The e-mail address and the name of the user. A password must not consist of these words.

    Raises:
        Misuse: The password is too short, too long, common, or easily guessed.
    """
    if len(password) < config.password_length:
        raise Misuse(f"the password has fewer than {config.password_length} characters", hint=_HINT)
    if len(password) > LONGEST_PASSWORD:
        raise Misuse(f"the password has more than {LONGEST_PASSWORD} characters", hint=_HINT)
    host = urlsplit(config.issuer).hostname or ""
    words = {*own_words, config.name, host, *re.split(r"\W+", " ".join((*own_words, config.name, host)))}
    # Imported late: zxcvbn reads a list of 30,000 common passwords, and has no type annotations.
    estimate: Callable[..., dict[str, Any]] = import_module("zxcvbn").zxcvbn
    found = estimate(estimated_part(password.reveal()), user_inputs=sorted(words - {""}))
    if found["score"] < (_LEAST_SCORE if config.password_length >= ONLY_FACTOR_LENGTH else _LEAST_SCORE_OF_SHORT):
        warning = found["feedback"]["warning"] or "It is made of words about its owner or this service."
        raise Misuse(f"the password is too easily guessed. {warning}", hint=_HINT)


def estimated_part(password: str) -> str:
    """Return the longest start of a password whose strength zxcvbn can estimate quickly."""
    letters: dict[str, list[str]] = import_module("zxcvbn.matching").L33T_TABLE
    for length in range(min(len(password), _ESTIMATED), 0, -1):
        signs = set(password[:length])
        ways = prod(max(1, len(signs.intersection(read_as))) for read_as in letters.values())
        if ways * length**2 <= MOST_WORK:
            return password[:length]
    return ""
