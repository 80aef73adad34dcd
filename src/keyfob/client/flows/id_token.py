"""Verify an ID token, and check that userinfo is about the same user (OpenID Connect Core §3.1.3.7, §5.3.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import World
from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import believe, take_apart
from keyfob.protocol.claims import IdClaims
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import speakable
from keyfob.protocol.secret import Secret

LEEWAY: Final = timedelta(minutes=2)
_SHOWN_AUDIENCES: Final = 5


async def check(
    world: World,
    token: Secret,
    metadata: ServerMetadata,
    client_id: str,
    nonce: str | None = None,
    assurance: Assurance = ANY_LOGIN,
) -> IdClaims:
    """Fetch the issuer's keys and verify an ID token from the token endpoint.

    Args:
        nonce: The `nonce` of the authorization request; None in flows without a `nonce`, such as the device flow.
        assurance: The requirements on the user's authentication.

    Raises:
        InvalidToken: A check failed.
        Malformed: The issuer publishes no usable keys.
    """
    unverified = take_apart(token, expected_algorithms(metadata))
    if unverified.type.lower() not in {"", "jwt"}:
        raise InvalidToken("the token is not an ID token, by its type")  # for example an access token
    if metadata.jwks_uri is None:
        raise Malformed("the metadata has no jwks_uri", field="jwks_uri", code="metadata-missing")
    response = await world.send(Request("GET", metadata.jwks_uri, (("accept", JSON),)))
    if response.status != 200:
        raise Malformed("the issuer's keys cannot be fetched", field="jwks_uri", code="metadata-missing")
    key = KeySet.read(read_json(response.body, "key set")).choose(unverified.algorithm, unverified.key_id)
    if key is None:
        raise InvalidToken("the ID token was signed with a key that the issuer does not have")
    try:
        claims = IdClaims.read(believe(unverified, key))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    moment = world.now()
    judge(claims, metadata.issuer, client_id, nonce, moment.wall)
    judge_assurance(claims, assurance, moment.wall)
    return claims


def expected_algorithms(metadata: ServerMetadata) -> tuple[Algorithm, ...]:
    """Return the algorithms that the metadata lists and keyfob accepts; RS256 if the metadata lists none."""
    announced = metadata.id_token_signing_alg_values_supported
    return tuple(name for name in ALGORITHMS if name in announced) or ("RS256",)


def judge(claims: IdClaims, issuer: str, client_id: str, nonce: str | None, moment: datetime) -> None:
    """Verify the claims; the signature was checked before.

    Raises:
        InvalidToken: A check failed.
    """
    if claims.issuer != issuer:
        raise InvalidToken("the ID token is from another issuer")
    if client_id not in claims.audience:
        raise InvalidToken("the ID token is for another client", hint=_audiences(claims))
    # Further audiences are trusted if the issuer says that the token was made for us (docs/decisions/0033).
    if claims.authorized_party != client_id and (claims.authorized_party is not None or len(claims.audience) > 1):
        raise InvalidToken("the ID token was issued to another client", hint=_audiences(claims))
    if moment >= claims.expires_at + LEEWAY:
        raise InvalidToken("the ID token has expired")
    if claims.issued_at > moment + LEEWAY:
        raise InvalidToken("the ID token was issued in the future; check this computer's clock")
    if nonce is not None and claims.nonce != nonce:
        raise InvalidToken("the ID token belongs to another login (nonce)")


def _audiences(claims: IdClaims) -> str:
    """Return a hint that names the token's audiences, shortened and safe to print."""
    named = speakable(", ".join(claims.audience[:_SHOWN_AUDIENCES]))
    party = f", azp: {speakable(claims.authorized_party)}" if claims.authorized_party is not None else ""
    return f"Check the client ID. The token has aud: {named}{party}"


def judge_assurance(claims: IdClaims, wanted: Assurance, moment: datetime) -> None:
    """Verify that the authentication meets the requirements (OpenID Connect Core §3.1.3.7, items 12 and 13).

    Raises:
        InvalidToken: `acr` or `auth_time` is missing or does not meet the requirements.
    """
    if wanted.max_age is not None:
        if claims.auth_time is None:
            raise InvalidToken("the ID token does not say when the user logged in (auth_time)")
        if moment > claims.auth_time + wanted.max_age + LEEWAY:
            raise InvalidToken("the user logged in longer ago than allowed (max_age)")
    if wanted.acr_values and claims.acr not in wanted.acr_values:
        raise InvalidToken("the login is weaker than requested (acr)")


def check_renewed(token: Secret, stored: StoredLogin, moment: datetime) -> None:
    """Verify an ID token from a refresh (OpenID Connect Core §12.2).

    The signature is not checked, so a refresh fetches no keys. The check can be omitted because the token came from the
    issuer over TLS (§3.1.3.7, item 6). No claim of this token is stored.

    Raises:
        InvalidToken: The ID token's user, client or login is not that of the refreshed login.
    """
    try:
        claims = IdClaims.read(read_json(take_apart(token).payload, "ID token"))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    judge(claims, stored.issuer, stored.client_id, None, moment)
    if stored.subject is not None and claims.subject != stored.subject:
        raise InvalidToken("the refreshed ID token is for another user")
    if None not in {stored.auth_time, claims.auth_time} and claims.auth_time != stored.auth_time:
        raise InvalidToken("the refreshed ID token belongs to another login (auth_time)")
    if claims.nonce not in {None, stored.nonce}:
        raise InvalidToken("the refreshed ID token belongs to another login (nonce)")


def check_userinfo(answer: Response, subject: str) -> None:
    """Check that userinfo has the ID token's subject, since an access token may have been substituted (§5.3.2).

    Signed userinfo is not supported.

    Args:
        answer: A response with status 200.
        subject: The `sub` of the login's ID token.

    Raises:
        Malformed: The response is not JSON, or its `sub` is missing or different. Its content must not be used.
    """
    if read_json(answer.body, "userinfo").text("sub") != subject:
        raise Malformed("userinfo: it is for another user than the ID token", field="sub")
