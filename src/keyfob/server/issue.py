"""Build and sign tokens (RFC 9068 §2.2, OpenID Connect Core §2, Auth0's access token profile)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.opaque import NONCE_BYTES, encrypt
from keyfob.jose.tokens import sign
from keyfob.light import light_dataclass
from keyfob.protocol.base64url import base64url
from keyfob.protocol.claims import AT_JWT, AccessClaims, IdClaims
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.records import RefreshLogin, User
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.registered import Api, Application

TOKEN_ID_BYTES = 16


@light_dataclass(frozen=True, slots=True)
class TokenContent:
    """The content of the tokens to issue.

    Attributes:
        user: The user; None for the client credentials grant.
        permissions: The permissions of the user or the client at the API; None if tokens do not list permissions.
        grant: The value of Auth0's claim `gty`; None for grants without this claim.
        key_thumbprint: The thumbprint of the DPoP key that the token is bound to (RFC 9449 §6.1).
        certificate_thumbprint: The thumbprint of the client certificate that the token is bound to (RFC 8705 §3.1).
        login_id: The id of the user's login. A new login is created with this id; None means a random id.
        longest_login: The longest life of a new login; None means the life in the client's settings.
        device_name: For a new login, the device on which the client claims to run.
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
    login_id: bytes | None = None
    longest_login: timedelta | None = None
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Issues tokens.

    Attributes:
        config: The tenant's settings.
        keys: The current signing key of each algorithm.
        opaque_key: The key that encrypts opaque access tokens.
    """

    config: TenantConfig
    keys: Mapping[Algorithm, SigningKey]
    opaque_key: bytes

    def issue(
        self, content: TokenContent, now: datetime, random: bytes, refresh: Secret | None = None,
        login: RefreshLogin | None = None,
    ) -> TokenAnswer:  # fmt: skip
        """Sign the tokens, and return the token response.

        Args:
            content: The content of the tokens.
            now: The current time; aware, UTC.
            random: At least 16 random bytes, for the `jti` or for the nonce of an opaque token.
            refresh: The refresh token for the response; None for a response without one.
            login: The login of the refresh token; None if there is no refresh token. In the dialect `rfc`, the response
                contains the time until this login ends.
        """
        # Only the dialect `rfc` sends the time at which the login ends, since Auth0 does not send this time.
        told = login if refresh and self.config.wire == "rfc" else None
        wants_identity = content.user is not None and "openid" in content.scope
        return TokenAnswer(
            access_token=self._access_token(content, now, random),
            token_type="Bearer" if content.key_thumbprint is None else "DPoP",
            expires_in=content.api.token_lifetime,
            scope=content.scope,
            refresh_token=refresh,
            refresh_expires_in=min(told.expires_at, told.idle_expires_at) - now if told else None,
            authorization_expires_in=told.expires_at - now if told else None,
            id_token=self._id_token(content, content.user, now) if content.user and wants_identity else None,
        )

    def _access_token(self, content: TokenContent, now: datetime, random: bytes) -> Secret:
        api, config = content.api, self.config
        is_opaque = api.audience == config.userinfo_audience
        # A token with the scope `openid` is valid at the API and at /userinfo, so `aud` is a list.
        opens_userinfo = content.user is not None and "openid" in content.scope
        client_id = content.application.client_id
        claims = AccessClaims(
            issuer=config.issuer,
            subject=f"{client_id}@clients" if content.user is None else content.user.user_id,
            audience=(api.audience, config.userinfo_audience) if opens_userinfo and not is_opaque else (api.audience,),
            client_id=client_id,
            issued_at=now,
            expires_at=now + api.token_lifetime,
            scope=content.scope,
            permissions=content.permissions if api.lists_permissions else None,
            token_id=base64url(random[:TOKEN_ID_BYTES]) if api.profile == "rfc9068" else None,
            grant_type=content.grant,
            key_thumbprint=content.key_thumbprint,
            certificate_thumbprint=content.certificate_thumbprint,
            auth_time=content.auth_time if api.profile == "rfc9068" else None,
            session_id=None if content.login_id is None else content.login_id.hex(),
        )
        members = claims.write(api.profile)
        if is_opaque:
            return encrypt(members, self.opaque_key, nonce=random[:NONCE_BYTES], issuer=config.issuer)
        return sign(members, self.keys[api.algorithm], token_type=AT_JWT if api.profile == "rfc9068" else "JWT")

    def _id_token(self, content: TokenContent, user: User, now: datetime) -> Secret:
        claims = IdClaims(
            issuer=self.config.issuer,
            subject=user.user_id,
            audience=(content.application.client_id,),
            issued_at=now,
            expires_at=now + content.application.id_token_lifetime,
            nonce=content.nonce,
            auth_time=content.auth_time,
            session_id=content.sid,
            person=tuple(user_claims(user, content.scope).items()),
        )
        return sign(claims.write(), self.keys["RS256"], token_type="JWT")


def user_claims(user: User, scope: Scope) -> dict[str, object]:
    """Return the claims about a user that the scope allows (OpenID Connect Core §5.4)."""
    claims: dict[str, object] = {}
    if "profile" in scope:
        stamp = user.updated_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        claims |= {"name": user.name, "nickname": user.email.partition("@")[0], "updated_at": stamp}
        claims |= {"picture": user.picture} if user.picture else {}
    if "email" in scope:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    return claims
