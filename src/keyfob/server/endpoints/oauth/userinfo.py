"""GET and POST /userinfo: the claims about the user (OpenID Connect Core §5.3, RFC 9449 §7, Auth0)."""

from __future__ import annotations

from keyfob.errors import InvalidToken
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.own_tokens import check_active, check_binding, verify_own
from keyfob.server.issue import user_claims
from keyfob.server.site import Site
from keyfob.server.wire import answer


async def userinfo(site: Site, request: Request) -> Response:
    """Return the user's current claims.

    For a token without the scope `openid`, return `{}` with `wire = "auth0"`, and 403 with `wire = "rfc"`.
    """
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if scheme.lower() not in {"bearer", "dpop"}:
        return answer(site.config.wire, "token_missing", headers=_challenge({"realm": "userinfo"}))
    token = Secret(value.strip())
    try:
        claims = verify_own(site, token, None)
        await check_binding(site, request, scheme.lower(), claims, token)
        user = await check_active(site, claims)
    except InvalidToken:
        return _invalid(site)
    if "openid" not in claims.scope and site.config.wire == "auth0":
        return json_response(200, {})
    if "openid" not in claims.scope:
        denied = _challenge({"error": "insufficient_scope", "scope": "openid"})
        return json_response(403, {"error": "insufficient_scope"}, headers=denied)
    if site.config.userinfo_audience not in claims.audience:
        return _invalid(site)
    if user is None:
        return _invalid(site)
    return json_response(200, {"sub": user.user_id, **user_claims(user, claims.scope)})


def _invalid(site: Site) -> Response:
    return answer(site.config.wire, "token_invalid", headers=_challenge({"error": "invalid_token"}))


def _challenge(parameters: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (("www-authenticate", Challenge("Bearer", parameters).write()),)
