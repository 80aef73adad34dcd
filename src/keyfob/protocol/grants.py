"""The token request, with a class for each grant type (RFC 6749 §4 and §6, RFC 8628, RFC 7523, RFC 8693, Auth0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, Self, assert_never

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import ANY, Target

AUTHORIZATION_CODE: Final = "authorization_code"
CLIENT_CREDENTIALS: Final = "client_credentials"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MFA_OOB: Final = "http://auth0.com/oauth/grant-type/mfa-oob"
MFA_OTP: Final = "http://auth0.com/oauth/grant-type/mfa-otp"
MFA_RECOVERY_CODE: Final = "http://auth0.com/oauth/grant-type/mfa-recovery-code"
PASSWORD: Final = "password"
PASSWORD_REALM: Final = "http://auth0.com/oauth/grant-type/password-realm"
REFRESH_TOKEN: Final = "refresh_token"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
# The grant types that keyfob's server supports. keyfob's client can use the other grant types with other servers.
GRANT_TYPES: Final = (
    AUTHORIZATION_CODE, CLIENT_CREDENTIALS, DEVICE_CODE, MFA_OOB, MFA_OTP, MFA_RECOVERY_CODE, PASSWORD, PASSWORD_REALM,
    REFRESH_TOKEN,
)  # fmt: skip


@light_dataclass(frozen=True, slots=True)
class AuthorizationCodeGrant:
    """An authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""

    grant_type: ClassVar[str] = AUTHORIZATION_CODE
    code: Secret
    redirect_uri: str | None = None
    code_verifier: Secret | None = None


@light_dataclass(frozen=True, slots=True)
class ClientCredentialsGrant:
    """Client credentials (RFC 6749 §4.4.2). A `scope` of None requests all scopes that are granted to the client."""

    grant_type: ClassVar[str] = CLIENT_CREDENTIALS
    target: Target = ANY
    scope: Scope | None = None
    organization: str | None = None


@light_dataclass(frozen=True, slots=True)
class DeviceCodeGrant:
    """A poll with a device code (RFC 8628 §3.4).

    Attributes:
        code_verifier: The verifier, if the device authorization request had a `code_challenge`.
        number: The number from the approval page, if the server requires it. This is a parameter of keyfob.
    """

    grant_type: ClassVar[str] = DEVICE_CODE
    device_code: Secret
    code_verifier: Secret | None = None
    number: Secret | None = None


@light_dataclass(frozen=True, slots=True)
class JwtBearerGrant:
    """A JWT of an issuer that the server trusts (RFC 7523 §2.1)."""

    grant_type: ClassVar[str] = JWT_BEARER
    assertion: Secret
    target: Target = ANY
    scope: Scope | None = None


@light_dataclass(frozen=True, slots=True)
class MfaOobGrant:
    """A code that was sent out of band, as second factor (Auth0). `binding_code` is the code that the user typed."""

    grant_type: ClassVar[str] = MFA_OOB
    mfa_token: Secret
    oob_code: Secret
    binding_code: Secret | None = None


@light_dataclass(frozen=True, slots=True)
class MfaOtpGrant:
    """A code from an authenticator app as second factor (Auth0, RFC 6238)."""

    grant_type: ClassVar[str] = MFA_OTP
    mfa_token: Secret
    otp: Secret


@light_dataclass(frozen=True, slots=True)
class MfaRecoveryGrant:
    """A recovery code in place of a lost second factor (Auth0)."""

    grant_type: ClassVar[str] = MFA_RECOVERY_CODE
    mfa_token: Secret
    recovery_code: Secret


@light_dataclass(frozen=True, slots=True)
class PasswordGrant:
    """A user's password (RFC 6749 §4.3.2, legacy).

    Attributes:
        has_realm: Whether the grant type is Auth0's password-realm.
        realm: Auth0's connection, in which the user is searched; None means the server's default.
    """

    username: str
    password: Secret
    target: Target = ANY
    scope: Scope | None = None
    has_realm: bool = False
    realm: str | None = None

    @property
    def grant_type(self) -> str:
        """The grant type: `password`, or Auth0's password-realm."""
        return PASSWORD_REALM if self.has_realm else PASSWORD


@light_dataclass(frozen=True, slots=True)
class RefreshGrant:
    """A refresh token (RFC 6749 §6). A `scope` of None requests the scope that was granted before."""

    grant_type: ClassVar[str] = REFRESH_TOKEN
    refresh_token: Secret
    scope: Scope | None = None


@light_dataclass(frozen=True, slots=True)
class TokenExchangeGrant:
    """Token exchange (RFC 8693 §2.1). `actor_token` and `actor_token_type` are both present or both absent."""

    grant_type: ClassVar[str] = TOKEN_EXCHANGE
    subject_token: Secret
    subject_token_type: str
    target: Target = ANY
    scope: Scope | None = None
    requested_token_type: str | None = None
    actor_token: Secret | None = None
    actor_token_type: str | None = None


Grant = (
    AuthorizationCodeGrant
    | ClientCredentialsGrant
    | DeviceCodeGrant
    | JwtBearerGrant
    | MfaOobGrant
    | MfaOtpGrant
    | MfaRecoveryGrant
    | PasswordGrant
    | RefreshGrant
    | TokenExchangeGrant
)


@light_dataclass(frozen=True, slots=True)
class TokenRequest:
    """The token request. `client_id` is "" if the request's client credentials contain the id instead."""

    client_id: str
    grant: Grant

    def write(self) -> dict[str, str]:
        own = {"client_id": self.client_id} if self.client_id else {}
        return {**own, "grant_type": self.grant.grant_type, **_write_grant(self.grant)}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse form or JSON parameters.

        Raises:
            Malformed: A parameter is missing or wrong, or the grant type is unknown (code `unsupported-grant`).
        """
        grant_type = fields.text("grant_type")
        read = _READERS.get(grant_type)
        if read is None:
            raise Malformed("token request: grant_type is not supported", field="grant_type", code="unsupported-grant")
        return cls(fields.optional_text("client_id") or "", read(fields))


def _write_grant(grant: Grant) -> dict[str, str]:  # noqa: C901  a list, as long as the union
    match grant:
        case AuthorizationCodeGrant():
            verifier = None if grant.code_verifier is None else grant.code_verifier.reveal()
            members = {"code": grant.code.reveal(), "redirect_uri": grant.redirect_uri, "code_verifier": verifier}
        case ClientCredentialsGrant():
            members = {**grant.target.write(), "scope": _text(grant.scope), "organization": grant.organization}
        case DeviceCodeGrant():
            verifier = None if grant.code_verifier is None else grant.code_verifier.reveal()
            members = {"device_code": grant.device_code.reveal(), "code_verifier": verifier}
            members |= {"number": None if grant.number is None else grant.number.reveal()}
        case JwtBearerGrant():
            members = {"assertion": grant.assertion.reveal(), **grant.target.write(), "scope": _text(grant.scope)}
        case MfaOobGrant():
            members = {"mfa_token": grant.mfa_token.reveal(), "oob_code": grant.oob_code.reveal()}
            members |= {"binding_code": None if grant.binding_code is None else grant.binding_code.reveal()}
        case MfaOtpGrant():
            members = {"mfa_token": grant.mfa_token.reveal(), "otp": grant.otp.reveal()}
        case MfaRecoveryGrant():
            members = {"mfa_token": grant.mfa_token.reveal(), "recovery_code": grant.recovery_code.reveal()}
        case PasswordGrant():
            members = {"username": grant.username, "password": grant.password.reveal(), **grant.target.write()}
            members |= {"scope": _text(grant.scope), "realm": grant.realm}
        case RefreshGrant():
            members = {"refresh_token": grant.refresh_token.reveal(), "scope": _text(grant.scope)}
        case TokenExchangeGrant():
            members = {"subject_token": grant.subject_token.reveal(), "subject_token_type": grant.subject_token_type}
            members |= {**grant.target.write(), "scope": _text(grant.scope)}
            members |= {"requested_token_type": grant.requested_token_type, "actor_token_type": grant.actor_token_type}
            members |= {"actor_token": None if grant.actor_token is None else grant.actor_token.reveal()}
        case _:  # pragma: no cover
            assert_never(grant)
    return {name: value for name, value in members.items() if value}


def _text(scope: Scope | None) -> str | None:
    return None if scope is None else scope.write()


def _secret(fields: Fields, name: str) -> Secret:
    return Secret(fields.text(name))


def _optional_secret(fields: Fields, name: str) -> Secret | None:
    found = fields.optional_text(name)
    return None if found is None else Secret(found)


def _read_code(fields: Fields) -> Grant:
    code, verifier = _secret(fields, "code"), _optional_secret(fields, "code_verifier")
    return AuthorizationCodeGrant(code, fields.optional_text("redirect_uri"), verifier)


def _read_password(fields: Fields) -> Grant:
    return PasswordGrant(
        username=fields.text("username"),
        password=_secret(fields, "password"),
        target=Target.read(fields),
        scope=Scope.optional(fields),
        has_realm=fields.text("grant_type") == PASSWORD_REALM,
        realm=fields.optional_text("realm"),
    )


def _read_oob(fields: Fields) -> Grant:
    mfa_token, oob_code = _secret(fields, "mfa_token"), _secret(fields, "oob_code")
    return MfaOobGrant(mfa_token, oob_code, _optional_secret(fields, "binding_code"))


def _read_exchange(fields: Fields) -> Grant:
    actor_token, actor_token_type = _optional_secret(fields, "actor_token"), fields.optional_text("actor_token_type")
    if (actor_token is None) != (actor_token_type is None):
        raise Malformed("token request: actor_token and its type come together", field="actor_token_type")
    return TokenExchangeGrant(
        subject_token=_secret(fields, "subject_token"),
        subject_token_type=fields.text("subject_token_type"),
        target=Target.read(fields),
        scope=Scope.optional(fields),
        requested_token_type=fields.optional_text("requested_token_type"),
        actor_token=actor_token,
        actor_token_type=actor_token_type,
    )


_READERS: Final[dict[str, Callable[[Fields], Grant]]] = {
    AUTHORIZATION_CODE: _read_code,
    CLIENT_CREDENTIALS: lambda fields: ClientCredentialsGrant(
        Target.read(fields), Scope.optional(fields), fields.optional_text("organization")
    ),
    DEVICE_CODE: lambda fields: DeviceCodeGrant(
        _secret(fields, "device_code"), _optional_secret(fields, "code_verifier"), _optional_secret(fields, "number")
    ),
    JWT_BEARER: lambda fields: JwtBearerGrant(
        _secret(fields, "assertion"), Target.read(fields), Scope.optional(fields)
    ),
    MFA_OOB: _read_oob,
    MFA_OTP: lambda fields: MfaOtpGrant(_secret(fields, "mfa_token"), _secret(fields, "otp")),
    MFA_RECOVERY_CODE: lambda fields: MfaRecoveryGrant(_secret(fields, "mfa_token"), _secret(fields, "recovery_code")),
    PASSWORD: _read_password,
    PASSWORD_REALM: _read_password,
    REFRESH_TOKEN: lambda fields: RefreshGrant(_secret(fields, "refresh_token"), Scope.optional(fields)),
    TOKEN_EXCHANGE: _read_exchange,
}
