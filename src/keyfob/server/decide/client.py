"""Who is asking, and is it proven (RFC 6749 §2.3, RFC 7523 §3, draft-ietf-oauth-rfc7523bis §4, RFC 8705 §2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.keys import KeySet, PublicKey
from keyfob.jose.tokens import Unverified, believe, take_apart
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.secret import Secret
from keyfob.server.settings.registered import Application

LONGEST_ASSERTION: Final = 2048
LONGEST_CLAIM: Final = 64
LONGEST_LIFE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=10)
# What a program's key signs besides, such as a proof of possession, is no assertion (RFC 8725 §3.11).
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """A program's own signature on who it is. `token_id` may be used once until `expires_at`."""

    token_id: str
    expires_at: datetime


def whose(shown: Credentials) -> str:
    """Whom a program says it is; from its assertion, unproven, where nothing else says it."""
    if shown.client_id or shown.method != "private_key_jwt" or shown.proof is None:
        return shown.client_id
    try:
        return read_json(take_apart(shown.proof).payload, "assertion").optional_text("iss") or ""
    except (InvalidToken, Malformed):
        return ""


def is_right_secret(application: Application | None, secret_hash: bytes) -> bool:
    """Whether the secret is one of the application's; takes as long for an unknown one."""
    known = application.secret_hashes if application else ()
    return any([hmac.compare_digest(secret_hash, one) for one in known or (b"nobody has this",)])  # noqa: C419  all


def is_right_certificate(application: Application, certificate: bytes, authorities: tuple[bytes, ...]) -> bool:
    """Whether a certificate proves an application (RFC 8705 §2.1-2.2). Whoever ended TLS saw that its key is there.

    A name counts only in what an authority has signed itself: what another application has on record as its own, or
    what is signed by that, may bear any name.

    Args:
        application: Whom it says it is.
        certificate: In DER.
        authorities: The tenant's, in DER.
    """
    from keyfob.jose.shown import has_name, is_issued_by, read_certificate  # noqa: PLC0415  few programs have one

    methods, name = application.auth_methods, application.certificate_name
    if "self_signed_tls_client_auth" in methods:
        own = [read_certificate(one) for one in application.certificates]
        if any(hmac.compare_digest(certificate, one) for one in own):
            return True
    is_named = "tls_client_auth" in methods and name is not None and has_name(certificate, name)
    return is_named and is_issued_by(certificate, authorities)


def judge_assertion(assertion: Secret, application: Application, audiences: frozenset[str], now: datetime) -> Assertion:
    """Judge a private_key_jwt.

    Args:
        assertion: As it came.
        application: Whom it names.
        audiences: This tenant's names; the assertion must be for one of them and for nobody else.
        now: Aware, UTC.

    Raises:
        InvalidToken: Says which check failed.
    """
    if len(assertion) > LONGEST_ASSERTION:
        raise InvalidToken("the assertion is too long")
    unverified = take_apart(assertion)
    if unverified.type.lower().removeprefix("application/") not in _TYPES:
        raise InvalidToken("what was signed is no assertion")
    claims = _believed(unverified, tuple(PublicKey.read(jwk) for jwk in application.public_keys))
    try:
        issuer, subject, token_id = claims.text("iss"), claims.text("sub"), claims.text("jti")
        expires_at, audience = claims.time("exp"), claims.text_or_texts("aud")
        early = max(claims.optional_time("iat") or now, claims.optional_time("nbf") or now)
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    if issuer != application.client_id or subject != application.client_id or len(token_id) > LONGEST_CLAIM:
        raise InvalidToken("the assertion is not about this application")
    if len(audience) != 1 or audience[0] not in audiences:
        raise InvalidToken("the assertion is not for this tenant alone")
    if not now < expires_at <= now + LONGEST_LIFE + SKEW or early > now + SKEW:
        raise InvalidToken("the assertion has lapsed, is not valid yet, or lives too long")
    return Assertion(token_id, expires_at)


def _believed(unverified: Unverified, keys: tuple[PublicKey, ...]) -> Fields:
    """The claims, by whichever of the application's keys; a `kid` is only a hint, as programs make theirs up.

    Raises:
        InvalidToken: None of them made the signature.
    """
    named = KeySet(keys).choose(unverified.algorithm, unverified.key_id) if unverified.key_id else None
    for key in (named,) if named else keys:
        if key.fits(unverified.algorithm):
            try:
                return believe(unverified, key)
            except InvalidToken:
                continue
    raise InvalidToken("the assertion was not signed by a key of this application")
