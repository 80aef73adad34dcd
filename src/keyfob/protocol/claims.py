"""The claims of access tokens and ID tokens (RFC 9068 §2.2, OpenID Connect Core §2, Auth0's access token profile)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final, Literal, Self, cast

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope

Profile = Literal["auth0", "rfc9068"]
AT_JWT = "at+jwt"
JKT = "jkt"
X5T = "x5t#S256"


@light_dataclass(frozen=True, slots=True)
class AccessClaims:
    """An access token's claims.

    Attributes:
        audience: One or more audiences. Auth0 adds the URL of its `/userinfo` if `openid` was granted.
        client_id: `client_id` in RFC 9068, `azp` in Auth0's profile, `cid` at Okta, `appid` in Entra's version 1.0.
        permissions: Auth0's `permissions`; None if the claim is absent.
        token_id: `jti`. Tokens of RFC 9068 have `jti` and `auth_time`; tokens of Auth0's profile have neither.
        key_thumbprint: `cnf.jkt`: the token is valid only with the DPoP key of this thumbprint (RFC 9449 §6.1).
        certificate_thumbprint: `cnf.x5t#S256`: the token is valid only over TLS with the client certificate of this
            thumbprint (RFC 8705 §3.1).
        session_id: `sid`: the id of the login that the token was issued for.
    """

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str
    issued_at: datetime
    expires_at: datetime
    scope: Scope = Scope()
    permissions: tuple[str, ...] | None = None
    token_id: str | None = None
    grant_type: str | None = None
    not_before: datetime | None = None
    auth_time: datetime | None = None
    acr: str | None = None
    key_thumbprint: str | None = None
    certificate_thumbprint: str | None = None
    session_id: str | None = None

    def write(self, profile: Profile) -> dict[str, object]:
        audience: object = self.audience[0] if len(self.audience) == 1 else list(self.audience)
        members: dict[str, object] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": audience,
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
            "scope": self.scope.write() or None,
        }
        if profile == "auth0":
            members["azp"], members["gty"] = self.client_id, self.grant_type
        else:
            members["client_id"], members["jti"] = self.client_id, self.token_id
            members["auth_time"], members["acr"] = _numeric(self.auth_time), self.acr
        members["sid"] = self.session_id
        if self.permissions is not None:
            members["permissions"] = list(self.permissions)
        if self.key_thumbprint is not None or self.certificate_thumbprint is not None:
            bound = {JKT: self.key_thumbprint, X5T: self.certificate_thumbprint}
            members["cnf"] = {name: value for name, value in bound.items() if value is not None}
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse the payload of an access token. Validate only the types of the claims, not the values."""
        present = fields.values
        permissions = fields.texts("permissions") if "permissions" in present else None
        key_thumbprint, certificate_thumbprint = read_confirmation(fields) if "cnf" in present else (None, None)
        # This code is fast, since an API runs it for every request: it does not parse absent claims, and keyword
        # arguments would take twice as long.
        return cls(
            fields.text("iss"),
            fields.text("sub"),
            fields.text_or_texts("aud"),
            (fields.optional_text("client_id") if "client_id" in present else None)
            or fields.optional_text("azp")
            or fields.optional_text("cid")
            or fields.optional_text("appid")
            or "",
            fields.time("iat"),
            fields.time("exp"),
            Scope.read(fields.optional_text("scope") or ""),
            permissions,
            fields.optional_text("jti") if "jti" in present else None,
            fields.optional_text("gty") if "gty" in present else None,
            fields.optional_time("nbf") if "nbf" in present else None,
            fields.optional_time("auth_time") if "auth_time" in present else None,
            fields.optional_text("acr") if "acr" in present else None,
            key_thumbprint,
            certificate_thumbprint,
            fields.optional_text("sid") if "sid" in present else None,
        )


# The claims that indicate an ID token, and the claims that an ID token never has.
_OF_ID_TOKENS: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "auth_time", "sid"})
OF_ACCESS_TOKENS: Final = frozenset({"scope", "scp", "permissions", "gty", "cnf", "client_id", "cid", "roles"})


def is_like_id_token(names: Collection[str]) -> bool:
    """Return whether the names of the claims indicate an ID token, not an access token (RFC 9068 §5).

    `azp` and `sid` together do not indicate an ID token, since Auth0's access tokens can have both.
    """
    if _OF_ID_TOKENS.isdisjoint(names) or not OF_ACCESS_TOKENS.isdisjoint(names):
        return False
    return "azp" not in names or not _OF_ID_TOKENS.isdisjoint(set(names) - {"sid"})


def _numeric(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def read_confirmation(fields: Fields) -> tuple[str | None, str | None]:
    """Return the thumbprints of the key and the certificate that a token is bound to (RFC 7800 §3.1).

    A thumbprint is None if the token has no such binding.

    Raises:
        Malformed: `cnf` is not an object, has no supported member, or has a wrong value. The caller could then not
            verify the binding.
    """
    confirmation = fields.values.get("cnf")
    if confirmation is None:
        return None, None
    if not isinstance(confirmation, dict):
        raise Malformed("token: cnf is not an object", field="cnf")
    bound = Fields(cast("dict[str, object]", confirmation), "token")
    if bound.values.keys().isdisjoint({JKT, X5T}):
        raise Malformed("token: cnf is of a kind that we do not know", field="cnf")
    return bound.text(JKT) if JKT in bound.values else None, bound.text(X5T) if X5T in bound.values else None


@light_dataclass(frozen=True, slots=True)
class IdClaims:
    """An ID token's claims (OpenID Connect Core §2). `person` contains all claims that no other field contains."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    nonce: str | None = None
    authorized_party: str | None = None
    auth_time: datetime | None = None
    session_id: str | None = None
    acr: str | None = None
    person: tuple[tuple[str, object], ...] = ()

    def write(self) -> dict[str, object]:
        members: dict[str, object] = {
            **dict(self.person),
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audience[0] if len(self.audience) == 1 else list(self.audience),
            "iat": int(self.issued_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
            "nonce": self.nonce,
            "azp": self.authorized_party,
            "auth_time": _numeric(self.auth_time),
            "sid": self.session_id,
            "acr": self.acr,
        }
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        known = {"iss", "sub", "aud", "iat", "exp", "nonce", "azp", "auth_time", "sid", "acr"}
        return cls(
            issuer=fields.text("iss"),
            subject=fields.text("sub"),
            audience=fields.text_or_texts("aud"),
            issued_at=fields.time("iat"),
            expires_at=fields.time("exp"),
            nonce=fields.optional_text("nonce"),
            authorized_party=fields.optional_text("azp"),
            auth_time=fields.optional_time("auth_time"),
            session_id=fields.optional_text("sid"),
            acr=fields.optional_text("acr"),
            person=tuple(sorted((name, value) for name, value in fields.values.items() if name not in known)),
        )
