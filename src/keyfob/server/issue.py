"""From a decision to claims and tokens (RFC 9068 §2.2, OpenID Connect Core §2, Auth0's access token profile)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.opaque import NONCE_BYTES, encrypt
from keyfob.jose.tokens import sign
from keyfob.protocol.claims import AT_JWT, AccessClaims, IdClaims
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.keyed_hash import write_token
from keyfob.server.records import RefreshLogin, User
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Api, Application

TOKEN_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Grounds:
    """Why tokens are issued: to which program, for which API, how far, for whom, and since when logged in.

    Attributes:
        user: None where a program asks as itself.
        permissions: All that the person, or the program, may do at the API; None where tokens do not list it.
        grant: Auth0's `gty`; None for grants that it does not mark.
        key_thumbprint: The key that the token is bound to (RFC 9449 §6.1).
        certificate_thumbprint: The same for a certificate (RFC 8705 §3.1).
    """

    application: Application
    api: Api
    scope: Scope
    user: User | None = None
    auth_time: datetime | None = None
    permissions: tuple[str, ...] | None = None
    grant: str | None = None
    nonce: str | None = None
    sid: str | None = None
    key_thumbprint: str | None = None
    certificate_thumbprint: str | None = None


@dataclass(frozen=True, slots=True)
class Mint:
    """What signs: the tenant's settings, the newest key of each algorithm, and what seals opaque tokens."""

    config: TenantConfig
    keys: Mapping[Algorithm, SigningKey]
    opaque_key: bytes

    def issue(
        self, grounds: Grounds, now: datetime, random: bytes, refresh: Secret | None = None,
        login: RefreshLogin | None = None,
    ) -> TokenAnswer:  # fmt: skip
        """Sign the tokens.

        Args:
            grounds: Why.
            now: Aware, UTC.
            random: At least 16 bytes, for `jti` or an opaque token's nonce.
            refresh: The refresh token to hand over, if any.
            login: The login that can be renewed, if any.
        """
        # No standard has it and Auth0 says nothing, so it is said in our own dialect alone.
        until = min(login.expires_at, login.idle_expires_at) if login and self.config.wire == "rfc" else None
        wants_identity = grounds.user is not None and "openid" in grounds.scope
        return TokenAnswer(
            access_token=self._access_token(grounds, now, random),
            token_type="Bearer" if grounds.key_thumbprint is None else "DPoP",
            expires_in=grounds.api.token_lifetime,
            scope=grounds.scope,
            refresh_token=refresh,
            refresh_expires_in=until - now if until else None,
            id_token=self._id_token(grounds, grounds.user, now) if grounds.user and wants_identity else None,
        )

    def _access_token(self, grounds: Grounds, now: datetime, random: bytes) -> Secret:
        api, config = grounds.api, self.config
        is_opaque = api.audience == config.userinfo_audience
        # A scope of `openid` lets the token open /userinfo as well; then `aud` is a list.
        opens_userinfo = grounds.user is not None and "openid" in grounds.scope
        client_id = grounds.application.client_id
        claims = AccessClaims(
            issuer=config.issuer,
            subject=f"{client_id}@clients" if grounds.user is None else grounds.user.user_id,
            audience=(api.audience, config.userinfo_audience) if opens_userinfo and not is_opaque else (api.audience,),
            client_id=client_id,
            issued_at=now,
            expires_at=now + api.token_lifetime,
            scope=grounds.scope,
            permissions=grounds.permissions if api.lists_permissions else None,
            token_id=write_token(random[:TOKEN_ID_BYTES]) if api.profile == "rfc9068" else None,
            grant_type=grounds.grant,
            key_thumbprint=grounds.key_thumbprint,
            certificate_thumbprint=grounds.certificate_thumbprint,
            auth_time=grounds.auth_time if api.profile == "rfc9068" else None,
        )
        members = claims.write(api.profile)
        if is_opaque:
            return encrypt(members, self.opaque_key, nonce=random[:NONCE_BYTES], issuer=config.issuer)
        return sign(members, self.keys[api.algorithm], token_type=AT_JWT if api.profile == "rfc9068" else "JWT")

    def _id_token(self, grounds: Grounds, user: User, now: datetime) -> Secret:
        claims = IdClaims(
            issuer=self.config.issuer,
            subject=user.user_id,
            audience=(grounds.application.client_id,),
            issued_at=now,
            expires_at=now + grounds.application.id_token_lifetime,
            nonce=grounds.nonce,
            auth_time=grounds.auth_time,
            session_id=grounds.sid,
            person=tuple(person_claims(user, grounds.scope).items()),
        )
        return sign(claims.write(), self.keys["RS256"], token_type="JWT")


def person_claims(user: User, scope: Scope) -> dict[str, object]:
    """What a scope lets a program know of a person (OpenID Connect Core §5.4)."""
    claims: dict[str, object] = {}
    if "profile" in scope:
        stamp = user.updated_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        claims |= {"name": user.name, "nickname": user.email.partition("@")[0], "updated_at": stamp}
        claims |= {"picture": user.picture} if user.picture else {}
    if "email" in scope:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return claims
