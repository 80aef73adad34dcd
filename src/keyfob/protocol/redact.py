"""Redaction of secrets in text for logs (RFC 6749 §10.3-10.4, RFC 6750 §5.3)."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "[secret]"

# The names of the parameters and JSON members whose values are secret.
NAMES: Final = (
    "access_token", "assertion", "binding_code", "client_assertion", "client_secret", "code", "code_verifier",
    "device_code", "id_token", "id_token_hint", "mfa_token", "oob_code", "otp", "password", "recovery_code",
    "recovery_codes", "refresh_token", "secret", "subject_token", "token",
)  # fmt: skip
_NAME: Final = "|".join(sorted(NAMES, key=len, reverse=True))
_RULES: Final = (
    # JSON, and the repr of a Python dict: "name": "value".
    re.compile(rf"""(?P<keep>["'](?:{_NAME})["']\s*:\s*b?)(?P<quote>["']).*?(?P=quote)""", re.IGNORECASE),
    # A form or a query: name=value.
    re.compile(rf"(?P<keep>(?<![\w-])(?:{_NAME})=)(?P<quote>)[^\s&;'\"#]+", re.IGNORECASE),
    # Headers, in HTTP and in the repr of a Python list.
    re.compile(r"""(?P<keep>\b(?:bearer|basic|dpop)\s+)(?P<quote>)[^\s"',;]{6,}""", re.IGNORECASE),
    re.compile(r"""(?P<keep>\b(?:set-)?cookie["']?\s*[:,=]\s*b?)(?P<quote>["']?)[^"'\r\n]+(?P=quote)""", re.IGNORECASE),
    # A JWS or JWE anywhere in the text.
    re.compile(r"(?P<keep>)(?P<quote>)\beyJ[\w-]{8,}\.[\w-]*\.[\w.-]*"),
)


def redact(text: str) -> str:
    """Replace each value that could be a secret, judging by its name or form."""
    for rule in _RULES:
        text = rule.sub(rf"\g<keep>\g<quote>{HIDDEN}\g<quote>", text)
    return text
