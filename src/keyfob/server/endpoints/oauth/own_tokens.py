"""Judge one of our own access tokens, where the tenant itself is the API (RFC 9068 §4, RFC 9449 §7)."""

from __future__ import annotations

from typing import Final

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet
from keyfob.jose.opaque import decrypt, is_opaque
from keyfob.jose.proofs import NonceNeeded, Nonces, judge_proof
from keyfob.jose.tokens import believe, take_apart
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.claims import AT_JWT, AccessClaims
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.site import Site

_ACCESS: Final = frozenset({"jwt", AT_JWT})


async def check_binding(site: Site, request: Request, scheme: str, claims: AccessClaims, token: Secret) -> None:
    """A token that is bound to a key or to a certificate is worth nothing without it.

    Args:
        site: The tenant.
        request: What came with the token.
        scheme: Of the `Authorization` header, in lower case.
        claims: What the token says, as `judge_own` found it.
        token: As it was shown.

    Raises:
        InvalidToken: What it is bound to is missing, wrong, or a proof that was used before.
    """
    _check_certificate(claims, request)
    await _check_key(site, request, scheme, claims, token)


def judge_own(site: Site, token: Secret, audience: str | None) -> AccessClaims:
    """Check signature or seal, issuer, lifetime and audience.

    Does not look at the key or the certificate that it may be bound to: `check_binding` does.

    Args:
        site: The tenant.
        token: As it came.
        audience: Whom it must be for; None for any API of this tenant.

    Raises:
        InvalidToken: It is not ours, has lapsed, or is not meant for this.
    """
    try:
        claims = AccessClaims.read(_opaque(site, token) if is_opaque(token) else signed_by_us(site, token, _ACCESS))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    # An ID token names the program as its audience, never an API: it is no access token.
    ours = claims.audience if audience is None else (audience,) if audience in claims.audience else ()
    is_for_us = any(site.config.target(one) for one in ours)
    if claims.issuer != site.config.issuer or not is_for_us or site.now() >= claims.expires_at:
        raise InvalidToken("not for this endpoint, or lapsed")
    return claims


def _opaque(site: Site, token: Secret) -> Fields:
    return decrypt(token, site.hash_keys.opaque, issuer=site.config.issuer)


def signed_by_us(site: Site, token: Secret, types: frozenset[str]) -> Fields:
    """The claims of a JWT that one of our keys has signed. Judges none of them.

    Raises:
        InvalidToken: It is not ours, or not of those types.
    """
    unverified = take_apart(token, tuple({key.algorithm for key in site.keys}))
    key = KeySet(tuple(key.public_key() for key in site.keys)).choose(unverified.algorithm, unverified.key_id)
    if key is None or unverified.type.lower() not in types:
        raise InvalidToken("The token is not one of ours.")
    return believe(unverified, key)


def _check_certificate(claims: AccessClaims, request: Request) -> None:
    """A token that is bound to a certificate is worth nothing over a connection that shows another (RFC 8705 §3).

    Raises:
        InvalidToken: It is such a one.
    """
    bound = claims.certificate_thumbprint
    if bound is not None and bound != (thumbprint_of(request.certificate) if request.certificate else None):
        raise InvalidToken("the token is bound to a certificate that was not shown")


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
