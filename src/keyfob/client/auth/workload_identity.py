"""Workload identity: exchange a platform's token, or use it as an assertion (RFC 8693 §2.1, RFC 7523 §2.1-2.2).

This module writes the requests to platforms, and reads the responses. `client/io/platform_tokens.py` sends the
requests.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from keyfob.client.model.credential import PlatformToken, read_claims
from keyfob.client.model.presets import ENTRA_EXCHANGE
from keyfob.client.model.source import IdentityUse
from keyfob.errors import Malformed, Misuse, Refused
from keyfob.protocol.fields import read_json
from keyfob.protocol.grants import Grant, JwtBearerGrant, TokenExchangeGrant
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_AZURE_VERSION: Final = "2018-02-01"
_LONGEST: Final = 16 * 1024


def ask_github(address: str, request_token: str, audience: str) -> Request:
    """Return the request for the ID token of a GitHub Actions job. `address` may already have a query."""
    joint = "&" if "?" in address else "?"
    headers = (("authorization", f"Bearer {request_token}"), ("accept", JSON))
    return Request("GET", f"{address}{joint}{urlencode({'audience': audience})}", headers)


def ask_google(server: str, audience: str) -> Request:
    """Return the request for the service account's ID token at Google's metadata server."""
    query = urlencode({"audience": audience, "format": "full"})
    path = "/computeMetadata/v1/instance/service-accounts/default/identity"
    return Request("GET", f"{server}{path}?{query}", (("metadata-flavor", "Google"),))


def ask_azure(server: str, resource: str) -> Request:
    """Return the request for the managed identity's token at Azure's metadata service."""
    query = urlencode({"api-version": _AZURE_VERSION, "resource": resource or ENTRA_EXCHANGE})
    return Request("GET", f"{server}/metadata/identity/oauth2/token?{query}", (("metadata", "true"),))


def read_answer(response: Response, member: str | None, what: str, hint: str) -> str:
    """Return the token in a platform's response: a member of a JSON object, or the whole body.

    Args:
        member: The member's name; None for the whole body.
        what: The platform's name, for messages.
        hint: The hint of the error if the platform refuses.

    Raises:
        Refused: The platform refuses.
        Malformed: The response contains no token.
    """
    if response.status != 200:
        raise Refused(f"{what} issued no token (status {response.status})", hint=hint)
    if member is None:
        return response.body.decode("ascii", "replace")
    return read_json(response.body, what).text(member)


def read_platform_token(text: str, where: str) -> PlatformToken:
    """Parse a platform's token.

    Raises:
        Misuse: `text` is not a token. The error message contains `where`, never `text`.
    """
    token = text.strip()
    if not token or len(token) > _LONGEST or not all("!" <= letter <= "~" for letter in token):
        raise Misuse(f"{where} contains no token", code="identity-missing", hint="A token is one word of plain ASCII.")
    return PlatformToken(Secret(token), read_claims(token))


def check_platform_token(identity: PlatformToken, use: IdentityUse, now: datetime) -> None:
    """Check a platform's token before sending it.

    Raises:
        Misuse: The token has expired. Or it is to be used as an assertion, and is not a JWT or lacks a claim that
            RFC 7523 §3 requires.
    """
    claims = identity.claims
    if use != "exchange":
        missing = [name for name in ("iss", "sub", "aud", "exp") if claims is None or not claims.has(name)]
        if missing:
            problem = "is not a JWT" if claims is None else f"lacks {missing[0]}"
            hint, flags = "Another type of token can only be exchanged (token exchange).", "--identity-as exchange"
            what = f"the identity token {problem}, so it cannot be an assertion"
            raise Misuse(what, code="identity-missing", hint=hint, flags=flags)
    try:
        expires_at = None if claims is None else claims.optional_time("exp")
    except Malformed:
        return  # an odd `exp` is for the server to judge
    if expires_at is not None and expires_at <= now:
        hint = "The platform issues one for each job, or replaces the file. Check this computer's clock too."
        raise Misuse("the identity token has expired", code="identity-missing", hint=hint)


def grant_of(identity: PlatformToken, use: IdentityUse, target: Target, scope: Scope | None) -> Grant:
    """Return the grant for a platform's token: token exchange, or JWT bearer if `use` is "grant".

    `use` is never "assertion", because a client assertion is no grant.
    """
    if use == "grant":
        return JwtBearerGrant(identity.token, target, scope)
    kind = ACCESS_TOKEN if identity.claims is None else JWT
    return TokenExchangeGrant(identity.token, kind, target, scope, requested_token_type=ACCESS_TOKEN)


def check_issued(issued_token_type: str | None) -> None:
    """Check the `issued_token_type` in the response to a token exchange. A missing type (None) is accepted.

    Raises:
        Malformed: The issued token is not an access token (RFC 8693 §2.2.1).
    """
    if issued_token_type not in {None, ACCESS_TOKEN, JWT}:
        raise Malformed("token response: the issued token is not an access token", field="issued_token_type")
