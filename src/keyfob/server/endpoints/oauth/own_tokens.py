"""Verify access tokens for the tenant's own endpoints (RFC 9068 §4, RFC 9449 §7)."""

from __future__ import annotations

import contextlib
import json
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
from keyfob.server.decide.active import TokenRecords, is_about_user, is_active
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.site import Site

_ACCESS: Final = frozenset({"jwt", AT_JWT})


async def check_binding(site: Site, request: Request, scheme: str, claims: AccessClaims, token: Secret) -> None:
    """Check that the caller has the DPoP key and the certificate that a token is bound to, if any.

    Args:
        site: The tenant.
        request: The request with the token.
        scheme: The authentication scheme of the request, in lower case.
        claims: The claims that `verify_own` returned.
        token: The token.

    Raises:
        InvalidToken: The proof or the certificate is missing or wrong, or the proof has been used before.
    """
    _check_certificate(claims, request)
    await _check_key(site, request, scheme, claims, token)


def verify_own(site: Site, token: Secret, audience: str | None) -> AccessClaims:
    """Verify an access token, and return its claims.

    Check the issuer, the lifetime, the audience, and the signature of a JWT or the encryption of an opaque token. Then
    the caller must call two other functions: `check_binding` checks the key to which the token is bound, and
    `check_active` checks the token's login.

    Args:
        site: The tenant.
        token: The token.
        audience: The required audience; None for any API of this tenant.

    Raises:
        InvalidToken: A check failed.
    """
    try:
        claims = AccessClaims.read(_opaque(site, token) if is_opaque(token) else verify_own_jwt(site, token, _ACCESS))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    # The audience of an ID token is a client, never an API, so this also rejects ID tokens.
    found = claims.audience if audience is None else (audience,) if audience in claims.audience else ()
    has_api = any(site.config.target(one) for one in found)
    if claims.issuer != site.config.issuer or not has_api or site.now() >= claims.expires_at:
        raise InvalidToken("not for this endpoint, or lapsed")
    return claims


async def check_active(site: Site, claims: AccessClaims) -> User | None:
    """Check that a token is active. Return its user, or None for a token of the client itself.

    Raises:
        InvalidToken: The token was revoked, its login has ended, or its user or its client is no longer allowed.
    """
    application, mark = site.config.application(claims.client_id), revocation_mark(site, claims)
    login_id = _login_id(claims)

    async def load(transaction: Transaction) -> TokenRecords:
        user = await transaction.user_by_id(claims.subject) if is_about_user(claims) else None
        login = None if login_id is None else await transaction.refresh_by_id(login_id)
        return TokenRecords(application, user, login, await transaction.is_revoked(mark))

    records = await site.store.read(load)
    if not is_active(claims, records, site.now()):
        raise InvalidToken("the token is not active any more")
    return records.user


def revocation_mark(site: Site, claims: AccessClaims) -> bytes:
    """Return the key under which a revoked token is stored: a keyed hash of the token's claims.

    The claims are always hashed in the same format. So the key does not depend on the format of the token.
    """
    return keyed_hash(site.hash_keys.codes, f"access token {json.dumps(claims.write('rfc9068'), sort_keys=True)}")


def _login_id(claims: AccessClaims) -> bytes | None:
    try:
        return bytes.fromhex(claims.session_id) if claims.session_id else None
    except ValueError:
        return None


def _opaque(site: Site, token: Secret) -> Fields:
    *former, last = site.hash_keys.opaque
    for key in former:
        with contextlib.suppress(InvalidToken):
            return decrypt(token, key, issuer=site.config.issuer)
    return decrypt(token, last, issuer=site.config.issuer)


def verify_own_jwt(site: Site, token: Secret, types: frozenset[str]) -> Fields:
    """Verify that this server has signed a JWT. Return its claims, whose values the caller must check.

    Raises:
        InvalidToken: The signature is wrong, or the type is not one of `types`.
    """
    unverified = take_apart(token, tuple({key.algorithm for key in site.keys}))
    key = KeySet(tuple(key.public_key() for key in site.keys)).choose(unverified.algorithm, unverified.key_id)
    if key is None or unverified.type.lower() not in types:
        raise InvalidToken("The token is not one of ours.")
    return believe(unverified, key)


def _check_certificate(claims: AccessClaims, request: Request) -> None:
    """Check that the connection has the client certificate that the token is bound to, if any (RFC 8705 §3)."""
    bound = claims.certificate_thumbprint
    if bound is not None and bound != (thumbprint_of(request.certificate) if request.certificate else None):
        raise InvalidToken("the token is bound to a certificate that was not shown")


async def _check_key(site: Site, request: Request, scheme: str, claims: AccessClaims, token: Secret) -> None:
    """Check that the request fits the DPoP key that the token is bound to, if any (RFC 9449 §7.1-7.2).

    A bound token needs the scheme DPoP and a proof by its key. A token that is not bound must not use the scheme DPoP.
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
    replay_key = keyed_hash(site.hash_keys.codes, decision.mark)
    if not await site.store.write(lambda transaction: transaction.use_once(replay_key, decision.until)):
        raise InvalidToken("the proof was used before")
