"""Error responses and their codes (RFC 6749 §5.2, RFC 8628 §3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import Response

AUTHORIZATION_PENDING: Final = "authorization_pending"
SLOW_DOWN: Final = "slow_down"
ACCESS_DENIED: Final = "access_denied"
DECLINED: Final = frozenset({ACCESS_DENIED, "authorization_declined"})  # the latter for Microsoft Entra's device flow
EXPIRED_TOKEN: Final = "expired_token"
INVALID_GRANT: Final = "invalid_grant"
BAD_REFRESH_TOKEN: Final = "bad_refresh_token"  # GitHub sends this in place of invalid_grant
# Error codes of the authorization endpoint (OpenID Connect Core §3.1.2.6). Microsoft Entra's token endpoint sends them
# too.
NEEDS_USER: Final = frozenset({"interaction_required", "login_required", "consent_required"})
INVALID_REQUEST: Final = "invalid_request"
INVALID_CLIENT: Final = "invalid_client"
INVALID_SCOPE: Final = "invalid_scope"
INVALID_TOKEN: Final = "invalid_token"  # RFC 6750 §3.1
UNAUTHORIZED_CLIENT: Final = "unauthorized_client"
USE_DPOP_NONCE: Final = "use_dpop_nonce"  # RFC 9449 §8

_LONGEST_CODE: Final = 80


@dataclass(frozen=True, slots=True)
class OAuthError:
    """An error response. It contains only what the recipient may read, never details for the log."""

    error: str
    description: str = ""

    def write(self) -> dict[str, object]:
        """Return the JSON members, with only characters that RFC 6749 §5.2 allows."""
        members: dict[str, object] = {"error": self.error}
        if self.description:
            members["error_description"] = speakable(self.description)
        return members

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse JSON members. Replace characters of the description that are not safe to print."""
        error = fields.text("error")
        if len(error) > _LONGEST_CODE or not all("!" <= letter <= "~" for letter in error):
            raise Malformed("error answer: error is not a plain word", field="error")
        description = fields.values.get("error_description")
        return cls(error, speakable(description) if isinstance(description, str) else "")

    @classmethod
    def find(cls, response: Response) -> Self | None:
        """Parse the body of a response. Return None if it is not an OAuth error, such as HTML from a proxy."""
        try:
            return cls.read(read_json(response.body, "error answer"))
        except Malformed:
            return None


def speakable(text: str) -> str:
    r"""Reduce a text to the character set of RFC 6749 §5.2: at most 400 printable ASCII characters, no `"`, no `\`."""
    kept = (
        letter if " " <= letter <= "~" and letter not in '"\\' else "'" if letter == '"' else "?" for letter in text
    )
    return "".join(kept)[:400]
