"""GET or POST /userinfo: who is it (OpenID Connect Core §5.3, RFC 9449 §7, Auth0)."""

from __future__ import annotations

from keyfob.errors import InvalidToken
from keyfob.jose.proofs import NonceNeeded, Nonces, judge_proof
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.claims import AccessClaims
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.own_tokens import check_certificate, judge_own
from keyfob.server.issue import person_claims
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.site import Site
from keyfob.server.wire import answer


async def userinfo(site: Site, request: Request) -> Response:
    """The person's claims as they are now. A token without `openid` gets `{}` at Auth0, 403 by the RFC."""
    header = request.header("authorization") or ""
    scheme, _, shown = header.partition(" ")
    if scheme.lower() not in {"bearer", "dpop"}:
        return answer(site.config.wire, "token_missing", headers=_challenge({"realm": "userinfo"}))
    token = Secret(shown.strip())
    try:
        claims = judge_own(site, token, None)
        check_certificate(claims, request)
        await _check_key(site, request, scheme.lower(), claims, token)
    except InvalidToken:
        return _invalid(site)
    if "openid" not in claims.scope and site.config.wire == "auth0":
        return json_response(200, {})
    if "openid" not in claims.scope:
        denied = _challenge({"error": "insufficient_scope", "scope": "openid"})
        return json_response(403, {"error": "insufficient_scope"}, headers=denied)
    if site.config.userinfo_audience not in claims.audience:
        return _invalid(site)
    user = await site.store.read(lambda transaction: transaction.user_by_id(claims.subject))
    if user is None or user.is_blocked:
        return _invalid(site)
    return json_response(200, {"sub": user.user_id, **person_claims(user, claims.scope)})


async def _check_key(site: Site, request: Request, scheme: str, claims: AccessClaims, token: Secret) -> None:
    """A bound token is worth nothing without its key, and never as a plain Bearer (RFC 9449 §7.1-7.2).

    Raises:
        InvalidToken: The proof is missing, wrong, or was used before.
    """
    if claims.key_thumbprint is None:
        if scheme == "dpop":
            raise InvalidToken("the token is not bound to a key")
        return
    proofs = request.header_values("dpop")
    if scheme != "dpop" or len(proofs) != 1:
        raise InvalidToken("the token is bound to a key, and no proof came with it")
    decision = judge_proof(
        Secret(proofs[0]),
        method=request.method,
        address=site.config.address_of(request),
        now=site.now(),
        nonces=Nonces(site.hash_keys.nonces, are_needed=False),
        access_token=token,
    )
    if isinstance(decision, NonceNeeded) or decision.key_thumbprint != claims.key_thumbprint:
        raise InvalidToken("the proof was made with another key")
    mark = keyed_hash(site.hash_keys.codes, decision.mark)
    if not await site.store.write(lambda transaction: transaction.use_once(mark, decision.until)):
        raise InvalidToken("the proof was used before")


def _invalid(site: Site) -> Response:
    return answer(site.config.wire, "token_invalid", headers=_challenge({"error": "invalid_token"}))


def _challenge(parameters: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (("www-authenticate", Challenge("Bearer", parameters).write()),)
