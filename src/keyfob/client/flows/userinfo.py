"""Judge what an issuer says of a person beside the ID token (OpenID Connect Core §5.3)."""

from __future__ import annotations

from keyfob.errors import Malformed
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import Response


def check_userinfo(answer: Response, subject: str) -> None:
    """Refuse an answer about anybody but the person of the ID token: a token that was swapped gives another's (§5.3.2).

    A signed answer is not read: nobody asks for one at registration.

    Args:
        answer: With status 200.
        subject: The `sub` of the login's ID token.

    Raises:
        Malformed: It names no `sub` or another, or is no JSON. Nothing of it may be used then.
    """
    if read_json(answer.body, "userinfo").text("sub") != subject:
        raise Malformed("userinfo: it is about somebody else than the ID token", field="sub")
