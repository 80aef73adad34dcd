"""Verify an ID token, and userinfo against it (OpenID Connect Core §3.1.3.7, §5.3.2)."""

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
from keyfob.protocol.secret import Secret

LEEWAY: Final = timedelta(minutes=2)
_OK: Final = 200


async def check(
    world: World,
    token: Secret,
    metadata: ServerMetadata,
    client_id: str,
    nonce: str | None = None,
    assurance: Assurance = ANY_LOGIN,
) -> IdClaims:
    """Fetch the issuer's keys and judge an ID token that came over the token endpoint.

    Args:
        token: As it came.
        metadata: Of the issuer that the login went to.
        client_id: Ours.
        nonce: What was sent; None in flows that send none, such as the device login.
        assurance: How sure a login was asked for.

    Raises:
        InvalidToken: A check failed.
        Malformed: The issuer publishes no usable keys.
    """
    unverified = take_apart(token, expected_algorithms(metadata))
    if unverified.type.lower() not in {"", "jwt"}:
        raise InvalidToken("the ID token is of another type")  # an access token, say
    if metadata.jwks_uri is None:
        raise Malformed("the metadata names no keys", field="jwks_uri", code="metadata-missing")
    response = await world.send(Request("GET", metadata.jwks_uri, (("accept", JSON),)))
    if response.status != _OK:
        raise Malformed("the issuer's keys cannot be fetched", field="jwks_uri", code="metadata-missing")
    key = KeySet.read(read_json(response.body, "key set")).choose(unverified.algorithm, unverified.key_id)
    if key is None:
        raise InvalidToken("the ID token's key is not one of its issuer's")
    try:
        claims = IdClaims.read(believe(unverified, key))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    moment = world.now()
    judge(claims, metadata.issuer, client_id, nonce, moment.wall)
    judge_assurance(claims, assurance, moment.wall)
    return claims


def expected_algorithms(metadata: ServerMetadata) -> tuple[Algorithm, ...]:
    """What the issuer says it signs with, of what we accept; RS256 where it says nothing. Never the token's word."""
    said = metadata.id_token_signing_alg_values_supported
    return tuple(name for name in ALGORITHMS if name in said) or ("RS256",)


def judge(claims: IdClaims, issuer: str, client_id: str, nonce: str | None, moment: datetime) -> None:
    """The claims alone; the signature has been checked.

    Raises:
        InvalidToken: A check failed.
    """
    if claims.issuer != issuer:
        raise InvalidToken("the ID token is from another issuer")
    if claims.audience != (client_id,):
        raise InvalidToken("the ID token is for another program, or for others too")
    if claims.authorized_party not in {None, client_id}:
        raise InvalidToken("the ID token was made for another program")
    if moment >= claims.expires_at + LEEWAY:
        raise InvalidToken("the ID token has expired")
    if claims.issued_at > moment + LEEWAY:
        raise InvalidToken("the ID token was issued in the future; look at this machine's clock")
    if nonce is not None and claims.nonce != nonce:
        raise InvalidToken("the ID token answers another login")


def judge_assurance(claims: IdClaims, wanted: Assurance, moment: datetime) -> None:
    """Whether the login is as sure as was asked (OpenID Connect Core §3.1.3.7, 12 and 13).

    Raises:
        InvalidToken: It is not, or the issuer does not say.
    """
    if wanted.max_age is not None:
        if claims.auth_time is None:
            raise InvalidToken("the ID token does not say when the person logged in")
        if moment > claims.auth_time + wanted.max_age + LEEWAY:
            raise InvalidToken("the person's login is older than was asked for")
    if wanted.acr_values and claims.acr not in wanted.acr_values:
        raise InvalidToken("the login was not made as surely as was asked for")


def check_renewed(token: Secret, stored: StoredLogin, moment: datetime) -> None:
    """Judge an ID token that came with a refresh (OpenID Connect Core §12.2).

    It came straight from the issuer over TLS, which is enough (§3.1.3.7, 6), and nothing of it is kept: so its
    signature is not checked, and no keys are fetched at every refresh.

    Raises:
        InvalidToken: It is about another person, program or login than the one that was refreshed.
    """
    try:
        claims = IdClaims.read(read_json(take_apart(token).payload, "ID token"))
    except Malformed as problem:
        raise InvalidToken(problem.message) from None
    judge(claims, stored.issuer, stored.client_id, None, moment)
    if stored.subject is not None and claims.subject != stored.subject:
        raise InvalidToken("the refreshed ID token is about another person")
    if None not in {stored.auth_time, claims.auth_time} and claims.auth_time != stored.auth_time:
        raise InvalidToken("the refreshed ID token tells of another login")
    if claims.nonce not in {None, stored.nonce}:
        raise InvalidToken("the refreshed ID token answers another login")


def check_userinfo(answer: Response, subject: str) -> None:
    """Refuse an answer about anybody but the person of the ID token: a token that was swapped gives another's (§5.3.2).

    A signed answer is not read: nobody asks for one at registration.

    Args:
        answer: With status 200.
        subject: The `sub` of the login's ID token.

    Raises:
        Malformed: It names no `sub` or another, or is no JSON. Nothing of it may be used then.
    """
    if read_json(answer.body, "userinfo").text("sub") != subject:
        raise Malformed("userinfo: it is about somebody else than the ID token", field="sub")
