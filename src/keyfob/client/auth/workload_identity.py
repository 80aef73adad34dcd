"""What runs here says so by its platform's token: for exchange, or as an assertion (RFC 8693 §2.1, RFC 7523 §2.1-2.2).

Here is what is asked of a platform and how its answer is read; `io/identity.py` does the asking.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from keyfob.client.model.certificate import read_claims
from keyfob.client.model.credential import PlatformToken
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
_OK: Final = 200


def ask_github(address: str, request_token: str, audience: str) -> Request:
    """A job asks GitHub Actions for its token. `address` has a query already."""
    joint = "&" if "?" in address else "?"
    headers = (("authorization", f"Bearer {request_token}"), ("accept", JSON))
    return Request("GET", f"{address}{joint}{urlencode({'audience': audience})}", headers)


def ask_google(server: str, audience: str) -> Request:
    """A machine, a pod or a function asks Google's metadata server for an ID token of its service account."""
    asked = urlencode({"audience": audience, "format": "full"})
    path = "/computeMetadata/v1/instance/service-accounts/default/identity"
    return Request("GET", f"{server}{path}?{asked}", (("metadata-flavor", "Google"),))


def ask_azure(server: str, resource: str) -> Request:
    """A machine asks Azure's metadata service for a token of its managed identity."""
    asked = urlencode({"api-version": _AZURE_VERSION, "resource": resource or ENTRA_EXCHANGE})
    return Request("GET", f"{server}/metadata/identity/oauth2/token?{asked}", (("metadata", "true"),))


def read_answer(response: Response, member: str | None, what: str, hint: str) -> str:
    """The token in a platform's answer: in a member of a JSON object, or the whole body.

    Args:
        response: The platform's.
        member: Its name, or None.
        what: Who answers.
        hint: What helps where it refuses.

    Raises:
        Refused: It gives none.
        Malformed: The answer holds none.
    """
    if response.status != _OK:
        raise Refused(f"{what} gives no token (status {response.status})", hint=hint)
    if member is None:
        return response.body.decode("ascii", "replace")
    return read_json(response.body, what).text(member)


def read_platform_token(text: str, where: str) -> PlatformToken:
    """A token as it lies somewhere.

    Raises:
        Misuse: It is none. Says where, never what.
    """
    token = text.strip()
    if not token or len(token) > _LONGEST or not all("!" <= letter <= "~" for letter in token):
        raise Misuse(f"{where} holds no token", code="identity-missing", hint="A token is one word of plain ASCII.")
    return PlatformToken(Secret(token), read_claims(token))


def check_platform_token(identity: PlatformToken, use: IdentityUse, now: datetime) -> None:
    """Refuse a token that no server would take, before it is sent anywhere.

    Raises:
        Misuse: It has lapsed; or it is to be an assertion and lacks what RFC 7523 §3 demands.
    """
    claims = identity.claims
    if use != "exchange":
        missing = [name for name in ("iss", "sub", "aud", "exp") if claims is None or not claims.has(name)]
        if missing:
            problem = "is no JWT" if claims is None else f"lacks {missing[0]}"
            hint = "A token of another kind can only be exchanged: --identity-as exchange."
            raise Misuse(f"the identity token {problem}, so it is no assertion", code="identity-missing", hint=hint)
    try:
        expires_at = None if claims is None else claims.optional_time("exp")
    except Malformed:
        return  # an odd `exp` is for the server to judge
    if expires_at is not None and expires_at <= now:
        hint = "The platform gives a new one to each job, or renews the file; look at this machine's clock, too."
        raise Misuse("the identity token has lapsed", code="identity-missing", hint=hint)


def grant_of(identity: PlatformToken, use: IdentityUse, target: Target, scope: Scope | None) -> Grant:
    """The grant that a platform's token is used in; as an assertion it is no grant, but proves who asks."""
    if use == "grant":
        return JwtBearerGrant(identity.token, target, scope)
    kind = ACCESS_TOKEN if identity.claims is None else JWT
    return TokenExchangeGrant(identity.token, kind, target, scope, requested_token_type=ACCESS_TOKEN)


def check_issued(issued_token_type: str | None) -> None:
    """Refuse what an exchange brought, unless it can be shown to an API. Servers that do not say are believed.

    Raises:
        Malformed: It is no access token (RFC 8693 §2.2.1).
    """
    if issued_token_type not in {None, ACCESS_TOKEN, JWT}:
        raise Malformed("token answer: what was issued is no access token", field="issued_token_type")
