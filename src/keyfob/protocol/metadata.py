"""Authorization server metadata (RFC 8414 §2-3, OpenID Connect Discovery §3-4, RFC 8705 §5)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Final, Self, cast
from urllib.parse import urlsplit, urlunsplit

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields

# The endpoints that a client's settings may override.
ENDPOINTS: Final = (
    "authorization_endpoint",
    "device_authorization_endpoint",
    "end_session_endpoint",
    "jwks_uri",
    "mfa_challenge_endpoint",
    "pushed_authorization_request_endpoint",
    "revocation_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
)
# The endpoints that a client calls with its certificate. Other endpoints are public or for browsers.
_OF_CERTIFICATES: Final = (
    "device_authorization_endpoint",
    "introspection_endpoint",
    "mfa_challenge_endpoint",
    "pushed_authorization_request_endpoint",
    "revocation_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
)


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The metadata members that keyfob uses.

    Attributes:
        device_facts_supported: Whether the device authorization endpoint accepts `device_name` and `device_system`.
            This is a member of keyfob.
        more: Members for which this class has no field. `write` adds them unchanged, even if a value is false. Of the
            fields of this class, `write` omits false values.
    """

    issuer: str
    token_endpoint: str
    jwks_uri: str | None = None
    authorization_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    userinfo_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    pushed_authorization_request_endpoint: str | None = None
    mfa_challenge_endpoint: str | None = None
    introspection_endpoint: str | None = None
    scopes_supported: tuple[str, ...] = ()
    response_types_supported: tuple[str, ...] = ()
    response_modes_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ()
    code_challenge_methods_supported: tuple[str, ...] = ()
    dpop_signing_alg_values_supported: tuple[str, ...] = ()
    authorization_response_iss_parameter_supported: bool = False
    require_pushed_authorization_requests: bool = False
    device_facts_supported: bool = False
    more: dict[str, object] = field(default_factory=dict[str, object])

    def write(self) -> dict[str, object]:
        members = asdict(self)
        known = {name: value for name, value in members.items() if name != "more" and value not in (None, (), False)}
        return known | self.more

    @classmethod
    def read(cls, fields: Fields, *, issuer: str) -> Self:
        """Parse a metadata document.

        Args:
            fields: The document.
            issuer: The expected issuer. The document must name exactly this issuer (RFC 8414 §3.3).

        Raises:
            Malformed: The document names another issuer (code `wrong-issuer`), or a member is missing or wrong.
        """
        if (named := fields.text("issuer")) != issuer:
            raise Malformed(
                "the metadata names another issuer than the one asked for",
                field="issuer",
                code="wrong-issuer",
                hint=_how_it_differs(named, issuer),
            )
        return cls(
            issuer=issuer,
            token_endpoint=fields.url("token_endpoint"),
            jwks_uri=fields.optional_url("jwks_uri"),
            authorization_endpoint=fields.optional_url("authorization_endpoint"),
            device_authorization_endpoint=fields.optional_url("device_authorization_endpoint"),
            userinfo_endpoint=fields.optional_url("userinfo_endpoint"),
            revocation_endpoint=fields.optional_url("revocation_endpoint"),
            end_session_endpoint=fields.optional_url("end_session_endpoint"),
            pushed_authorization_request_endpoint=fields.optional_url("pushed_authorization_request_endpoint"),
            mfa_challenge_endpoint=fields.optional_url("mfa_challenge_endpoint"),
            introspection_endpoint=fields.optional_url("introspection_endpoint"),
            scopes_supported=fields.texts("scopes_supported"),
            response_types_supported=fields.texts("response_types_supported"),
            response_modes_supported=fields.texts("response_modes_supported"),
            grant_types_supported=fields.texts("grant_types_supported"),
            token_endpoint_auth_methods_supported=fields.texts("token_endpoint_auth_methods_supported"),
            id_token_signing_alg_values_supported=fields.texts("id_token_signing_alg_values_supported"),
            code_challenge_methods_supported=fields.texts("code_challenge_methods_supported"),
            dpop_signing_alg_values_supported=fields.texts("dpop_signing_alg_values_supported"),
            authorization_response_iss_parameter_supported=(
                fields.values.get("authorization_response_iss_parameter_supported") is True
            ),
            require_pushed_authorization_requests=fields.values.get("require_pushed_authorization_requests") is True,
            device_facts_supported=fields.values.get("device_facts_supported") is True,
        )


def aliases(fields: Fields) -> dict[str, str]:
    """Return the mTLS endpoint aliases, which a client with a certificate must use (RFC 8705 §5)."""
    found = fields.values.get("mtls_endpoint_aliases")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{fields.what}: mtls_endpoint_aliases is not an object", field="mtls_endpoint_aliases")
    inner = Fields(cast("dict[str, object]", found), f"{fields.what}: mtls_endpoint_aliases")
    named = {name: inner.optional_url(name) for name in _OF_CERTIFICATES}
    return {name: address for name, address in named.items() if address is not None}


def _how_it_differs(named: str, asked: str) -> str:
    """Return a hint on how two issuers differ. The hint does not contain the issuer that the server sent."""
    if named == f"{asked}/":
        return "Write the issuer with a slash at its end."
    if f"{named}/" == asked:
        return "Write the issuer without the slash at its end."
    if "{" in named:
        return (
            "That address is for many tenants: use that of yours, at Microsoft microsoft:TENANT with the tenant's id."
        )
    if named.lower() == asked.lower():
        return "Capital and small letters count: use the issuer exactly as its metadata writes it."
    return "Use the issuer exactly as its metadata writes it; a trailing slash counts."


def well_known(issuer: str) -> tuple[str, str]:
    """Return the two URLs of an issuer's metadata: OpenID Connect's, then RFC 8414's.

    OpenID Connect Discovery §4 appends the well-known path to the issuer. RFC 8414 §3.1 inserts the well-known path
    between host and path. In both cases, a trailing slash of the issuer is removed first.
    """
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    openid = urlunsplit((parts.scheme, parts.netloc, f"{path}/.well-known/openid-configuration", "", ""))
    oauth = urlunsplit((parts.scheme, parts.netloc, f"/.well-known/oauth-authorization-server{path}", "", ""))
    return openid, oauth
