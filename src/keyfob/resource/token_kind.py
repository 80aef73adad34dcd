"""What kind of token something is, by its looks (RFC 9068 §2.1, RFC 7516 §3.1, OpenID Connect Core §2)."""

from __future__ import annotations

from typing import Final, Literal

from keyfob.jose.tokens import looks_signed, peek
from keyfob.protocol.claims import AT_JWT
from keyfob.protocol.secret import Secret

Kind = Literal["access-token", "id-token", "signed", "encrypted", "opaque"]

_ACCESS: Final = frozenset({AT_JWT, f"application/{AT_JWT}"})
_PLAIN: Final = frozenset({"", "jwt", "application/jwt"})
# An ID token is about how somebody logged in; an access token is about what may be done.
_OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "sid", "email", "name", "picture"})
_OF_ACCESS_TOKENS: Final = frozenset({"scope", "scp", "permissions", "gty", "cnf", "client_id"})


def kind_of(token: Secret, client_id: str | None = None) -> Kind:
    """What it looks like; nothing in it is believed, and no check hangs on this.

    Args:
        token: As it came.
        client_id: A program that is known: a token for it alone tells it who logged in.

    Returns:
        "signed" is a JWT that says it is something else, such as a proof; "opaque" is whatever only its issuer can
        read, so also nonsense.
    """
    header, claims = peek(token)
    if header is None or not isinstance(header.values.get("alg"), str):
        return "opaque"
    if not looks_signed(token):
        return "encrypted" if "enc" in header.values else "opaque"
    said = header.values.get("typ", "")
    token_type = said.lower() if isinstance(said, str) else "?"
    if token_type in _ACCESS:
        return "access-token"
    if token_type not in _PLAIN:
        return "signed"
    names = frozenset[str]() if claims is None else claims.values.keys()
    audience = None if claims is None else claims.values.get("aud")
    is_for_program = client_id is not None and audience in (client_id, [client_id])
    if not names & _OF_ACCESS_TOKENS and (is_for_program or names & _OF_ID_TOKENS):
        return "id-token"
    return "access-token"
