"""GET or POST /userinfo: who is it (OpenID Connect Core §5.3, Auth0)."""

from __future__ import annotations

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import believe, take_apart
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.claims import AT_JWT, AccessClaims
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.server.issue import person_claims
from keyfob.server.site import Site
from keyfob.server.wire import answer


async def userinfo(site: Site, request: Request) -> Response:
    """The person's claims as they are now. A token without `openid` gets `{}` at Auth0, 403 by the RFC."""
    header = request.header("authorization") or ""
    scheme, _, shown = header.partition(" ")
    if scheme.lower() != "bearer":
        return answer(site.config.wire, "token_missing", headers=_challenge({"realm": "userinfo"}))
    try:
        claims = _judge(site, Secret(shown.strip()))
    except InvalidToken:
        return answer(site.config.wire, "token_invalid", headers=_challenge({"error": "invalid_token"}))
    if "openid" not in claims.scope and site.config.wire == "auth0":
        return json_response(200, {})
    if "openid" not in claims.scope:
        denied = _challenge({"error": "insufficient_scope", "scope": "openid"})
        return json_response(403, {"error": "insufficient_scope"}, headers=denied)
    user = await site.store.read(lambda transaction: transaction.user_by_id(claims.subject))
    if user is None or user.is_blocked:
        return answer(site.config.wire, "token_invalid", headers=_challenge({"error": "invalid_token"}))
    return json_response(200, {"sub": user.user_id, **person_claims(user, claims.scope)})


def _judge(site: Site, token: Secret) -> AccessClaims:
    """Check one of our own tokens.

    Raises:
        InvalidToken: It is not ours, has lapsed, or is not meant for this endpoint.
    """
    unverified = take_apart(token, tuple({key.algorithm for key in site.keys}))
    key = KeySet(tuple(key.public_key() for key in site.keys)).choose(unverified.algorithm, unverified.key_id)
    if key is None or unverified.type.lower() not in {"jwt", AT_JWT}:
        raise InvalidToken("not one of our access tokens")
    try:
        claims = AccessClaims.read(believe(unverified, key))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    # An ID token names the program as its audience, never an API: it is no access token.
    is_for_an_api = any(site.config.api(audience) for audience in claims.audience)
    if claims.issuer != site.config.issuer or not is_for_an_api or site.now() >= claims.expires_at:
        raise InvalidToken("not for this endpoint, or lapsed")
    return claims


def _challenge(parameters: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (("www-authenticate", Challenge("Bearer", parameters).write()),)
