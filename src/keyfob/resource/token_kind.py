"""Guess the kind of a token from its form (RFC 9068 §2.1, RFC 7516 §3.1, OpenID Connect Core §2)."""

from __future__ import annotations

from typing import Final, Literal

from keyfob.jose.tokens import looks_signed, peek
from keyfob.protocol.claims import AT_JWT, OF_ACCESS_TOKENS, is_like_id_token
from keyfob.protocol.secret import Secret

TokenKind = Literal["access-token", "id-token", "signed", "encrypted", "opaque"]

_ACCESS: Final = frozenset({AT_JWT, f"application/{AT_JWT}"})
_PLAIN: Final = frozenset({"", "jwt", "application/jwt"})
_OF_USERS: Final = frozenset({"email", "name", "picture"})


def kind_of(token: Secret, client_id: str | None = None) -> TokenKind:
    """Return the likely kind. The token is not verified, and no check depends on this.

    Args:
        token: Without its scheme.
        client_id: A known client: a token whose only audience is this client is an ID token.

    Returns:
        "signed" for a JWT of another `typ`, such as a DPoP proof; "opaque" for all that only the issuer can read,
        nonsense included.
    """
    header, claims = peek(token)
    if header is None or not isinstance(header.values.get("alg"), str):
        return "opaque"
    if not looks_signed(token):
        return "encrypted" if "enc" in header.values else "opaque"
    written = header.values.get("typ", "")
    token_type = written.lower() if isinstance(written, str) else "?"
    if token_type in _ACCESS:
        return "access-token"
    if token_type not in _PLAIN:
        return "signed"
    names = frozenset[str]() if claims is None else claims.values.keys()
    audience = None if claims is None else claims.values.get("aud")
    is_for_client = client_id is not None and audience in (client_id, [client_id])
    if names.isdisjoint(OF_ACCESS_TOKENS) and (is_for_client or names & _OF_USERS or is_like_id_token(names)):
        return "id-token"
    return "access-token"
