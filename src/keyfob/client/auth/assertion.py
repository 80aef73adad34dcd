"""A program proves itself with its key (RFC 7523 §2.2, draft-ietf-oauth-rfc7523bis §4)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final

from keyfob.client.model.credential import PrivateKey
from keyfob.client.ports import World
from keyfob.jose.tokens import sign
from keyfob.protocol.secret import Secret

LIFE: Final = timedelta(minutes=1)
TYPE: Final = "client-authentication+jwt"
_ID_BYTES: Final = 16


def write_assertion(
    world: World, credential: PrivateKey, client_id: str, issuer: str, token_endpoint: str = ""
) -> Secret:
    """A fresh assertion, for a minute and for the issuer alone, wherever it is shown (rfc7523bis §4).

    Older servers want their token endpoint in it, as OpenID Connect Core §9 once had it, and know no type of its own.
    """
    moment = world.now().wall
    token_id = world.random(_ID_BYTES)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_endpoint if credential.is_legacy and token_endpoint else issuer,
        "jti": base64.urlsafe_b64encode(token_id).rstrip(b"=").decode("ascii"),
        "iat": int(moment.timestamp()),
        "exp": int((moment + LIFE).timestamp()),
    }
    header = {"kid": credential.key_id} if credential.key_id else {}
    return sign(claims, credential.key, token_type="JWT" if credential.is_legacy else TYPE, header=header)
