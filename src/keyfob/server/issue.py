"""From a decision to claims and tokens (RFC 9068 §2.2, OpenID Connect Core §2, Auth0's access token profile)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.claims import AT_JWT, AccessClaims, IdClaims
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.config import Api, TenantConfig
from keyfob.server.keyed_hash import write_token
from keyfob.server.records import User

TOKEN_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Grounds:
    """Why tokens are issued: who, to which program, for which API, how far, and since when logged in."""

    user: User
    client_id: str
    api: Api
    scope: Scope
    auth_time: datetime


def mint(
    grounds: Grounds, config: TenantConfig, key: SigningKey, now: datetime, token_id: bytes, refresh: Secret | None
) -> TokenAnswer:
    """Sign the tokens.

    Args:
        grounds: Why.
        config: The tenant's.
        key: The key that signs at the moment.
        now: Aware, UTC.
        token_id: Random bytes for `jti`.
        refresh: The refresh token to hand over, if any.
    """
    api, scope = grounds.api, grounds.scope
    # A scope of `openid` lets the token open /userinfo as well; then `aud` is a list.
    audience = (api.audience, f"{config.issuer}userinfo") if "openid" in scope else (api.audience,)
    claims = AccessClaims(
        issuer=config.issuer,
        subject=grounds.user.user_id,
        audience=audience,
        client_id=grounds.client_id,
        issued_at=now,
        expires_at=now + api.token_lifetime,
        scope=scope,
        token_id=write_token(token_id) if api.profile == "rfc9068" else None,
    )
    token_type = AT_JWT if api.profile == "rfc9068" else "JWT"
    return TokenAnswer(
        access_token=sign(claims.write(api.profile), key, token_type=token_type),
        expires_in=api.token_lifetime,
        scope=scope,
        refresh_token=refresh,
        id_token=_id_token(grounds, config, key, now) if "openid" in scope else None,
    )


def _id_token(grounds: Grounds, config: TenantConfig, key: SigningKey, now: datetime) -> Secret:
    claims = IdClaims(
        issuer=config.issuer,
        subject=grounds.user.user_id,
        audience=(grounds.client_id,),
        issued_at=now,
        expires_at=now + config.id_token_lifetime,
        auth_time=grounds.auth_time,
        person=tuple(person_claims(grounds.user, grounds.scope).items()),
    )
    return sign(claims.write(), key, token_type="JWT")


def person_claims(user: User, scope: Scope) -> dict[str, object]:
    """What a scope lets a program know of a person (OpenID Connect Core §5.4)."""
    claims: dict[str, object] = {}
    if "profile" in scope:
        stamp = user.updated_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        claims |= {"name": user.name, "nickname": user.email.partition("@")[0], "updated_at": stamp}
    if "email" in scope:
        claims |= {"email": user.email, "email_verified": True}
    return claims
