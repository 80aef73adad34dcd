"""Access tokens in the shapes that Auth0 gives them, profile by profile; what is none for this API is refused."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from keyfob.errors import InvalidToken
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import sign
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import Policy
from keyfob.resource.verify import Principal, verify
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW

IAT = int(NOW.timestamp())
EXP = int((NOW + timedelta(days=1)).timestamp())
ID = "k3yF0bCl13ntId0123456789abcdefgh"
PERSON = "auth0|652f1c9e8b7a6d5c4b3a2f1e"
TIMES: dict[str, object] = {"iss": ISSUER, "iat": IAT, "exp": EXP}

# Name: its type, what it says, the scopes found, the permissions found, and whether a machine calls.
Shape = tuple[str, dict[str, object], str, tuple[str, ...], bool]
SHAPES: dict[str, Shape] = {
    "a person, openid asked": (
        "JWT",
        {"sub": PERSON, "aud": [AUDIENCE, f"{ISSUER}userinfo"], "azp": ID, "scope": "openid profile read:orders"},
        "openid profile read:orders",
        (),
        False,
    ),
    "a person, openid not asked": (
        "JWT",
        {"sub": PERSON, "aud": AUDIENCE, "azp": ID, "scope": "read:orders"},
        "read:orders",
        (),
        False,
    ),
    "a person of another directory": (
        "JWT",
        {"sub": "google-oauth2|108204268033311374519", "aud": AUDIENCE, "azp": ID, "scope": "read:orders"},
        "read:orders",
        (),
        False,
    ),
    "a password login": (
        "JWT",
        {"sub": PERSON, "aud": AUDIENCE, "azp": ID, "scope": "read:orders", "gty": "password"},
        "read:orders",
        (),
        False,
    ),
    "renewed": (
        "JWT",
        {"sub": PERSON, "aud": AUDIENCE, "azp": ID, "scope": "read:orders offline_access", "gty": "refresh_token"},
        "offline_access read:orders",
        (),
        False,
    ),
    "a machine": (
        "JWT",
        {"sub": f"{ID}@clients", "aud": AUDIENCE, "azp": ID, "scope": "read:orders", "gty": "client-credentials"},
        "read:orders",
        (),
        True,
    ),
    "a machine that was granted nothing": (
        "JWT",
        {"sub": f"{ID}@clients", "aud": AUDIENCE, "azp": ID, "gty": "client-credentials"},
        "",
        (),
        True,
    ),
    "a machine in an organization": (
        "JWT",
        {
            "sub": f"{ID}@clients",
            "aud": AUDIENCE,
            "azp": ID,
            "gty": "client-credentials",
            "org_id": "org_9ybsU1dN2dKfDkBi",
            "org_name": "orders",
        },
        "",
        (),
        True,
    ),
    "with permissions": (
        "JWT",
        {
            "sub": PERSON,
            "aud": AUDIENCE,
            "azp": ID,
            "scope": "read:orders",
            "permissions": ["read:orders", "write:orders"],
        },
        "read:orders",
        ("read:orders", "write:orders"),
        False,
    ),
    "with permissions, and none of them": (
        "JWT",
        {"sub": PERSON, "aud": AUDIENCE, "azp": ID, "scope": "", "permissions": []},
        "",
        (),
        False,
    ),
    "with claims of the tenant's own": (
        "JWT",
        {
            "sub": PERSON,
            "aud": AUDIENCE,
            "azp": ID,
            "scope": "read:orders",
            "https://orders.example/roles": ["clerk"],
            "sid": "s3ss10n",
            "authorization_details": [{"type": "payment", "amount": 12}],
        },
        "read:orders",
        (),
        False,
    ),
    "RFC 9068, a person": (
        "at+jwt",
        {
            "sub": PERSON,
            "aud": [AUDIENCE, f"{ISSUER}userinfo"],
            "client_id": ID,
            "jti": "oGjnNhLmFyOUJfFTdDzKs3",
            "scope": "openid read:orders",
        },
        "openid read:orders",
        (),
        False,
    ),
    "RFC 9068, a machine with permissions": (
        "at+jwt",
        {
            "sub": f"{ID}@clients",
            "aud": AUDIENCE,
            "client_id": ID,
            "jti": "oGjnNhLmFyOUJfFTdDzKs4",
            "scope": "read:orders",
            "permissions": ["read:orders"],
        },
        "read:orders",
        ("read:orders",),
        True,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_token_in_a_shape_of_auth0_s_is_understood(mint: TokenMaker, shape: str) -> None:
    token_type, claims, scope, permissions, is_machine = SHAPES[shape]
    token = sign({**TIMES, **claims}, mint.key, token_type=token_type)
    found = verify(token, KeySet((mint.key.public_key(),)), Policy(ISSUER, AUDIENCE), NOW)
    assert isinstance(found, Principal)
    assert (found.issuer, found.subject, found.client_id) == (ISSUER, claims["sub"], ID)
    assert (found.scope.write(), found.permissions, found.is_machine) == (scope, permissions, is_machine)
    assert found.claims == {**TIMES, **claims}


def opaque(mint: TokenMaker) -> Secret:
    """What Auth0 gives when no audience is asked for: a JWE of five parts, and the second is empty."""
    header = json.dumps({"alg": "dir", "enc": "A256GCM", "iss": ISSUER}).encode()
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, b"", b"i" * 12, b"c" * 90)]
    return Secret(".".join([*parts, "dGFnIG9mIHNpeHRlZW4"]))


def for_userinfo(mint: TokenMaker) -> Secret:
    return sign({**TIMES, "sub": PERSON, "aud": f"{ISSUER}userinfo", "azp": ID}, mint.key, token_type="JWT")


def for_management(mint: TokenMaker) -> Secret:
    return sign({**TIMES, "sub": f"{ID}@clients", "aud": f"{ISSUER}api/v2/", "azp": ID}, mint.key, token_type="JWT")


def id_token(mint: TokenMaker) -> Secret:
    """It has the same type as an access token; only whom it is for tells them apart."""
    return sign({**TIMES, "sub": PERSON, "aud": ID, "nonce": "n", "sid": "s"}, mint.key, token_type="JWT")


def audience_with_a_slash_less(mint: TokenMaker) -> Secret:
    return sign({**TIMES, "sub": PERSON, "aud": AUDIENCE.rstrip("/"), "azp": ID}, mint.key, token_type="JWT")


@pytest.mark.parametrize("made", [opaque, for_userinfo, for_management, id_token, audience_with_a_slash_less])
def test_a_token_of_auth0_s_that_is_not_for_this_api_is_refused(mint: TokenMaker, made: object) -> None:
    """[RS-9068-03]."""
    with pytest.raises(InvalidToken):
        verify(made(mint), KeySet((mint.key.public_key(),)), Policy(ISSUER, AUDIENCE), NOW)  # type: ignore[operator]
