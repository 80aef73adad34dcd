"""Server metadata and signing keys (RFC 8414 §3, OpenID Connect Discovery §4, RFC 7517 §5)."""

from __future__ import annotations

from typing import Final

from keyfob.jose.algorithms import ALGORITHMS
from keyfob.protocol.client_authentication import AUTH_METHODS, TLS_METHODS, AuthMethod
from keyfob.protocol.grants import (
    GRANT_TYPES,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    PASSWORD_REALM,
)
from keyfob.protocol.http import Headers, Request, Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.pkce import S256
from keyfob.server.decide.authorization_facts import RESPONSE_MODES
from keyfob.server.settings.config import STANDARD_SCOPES, TenantConfig
from keyfob.server.site import Site

# Short, so that clients soon see a new signing key.
CACHED: Final[Headers] = (("cache-control", "public, max-age=300"),)
_PASSWORD_GRANTS: Final = frozenset({PASSWORD, PASSWORD_REALM, MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE})


async def metadata(site: Site, _: Request) -> Response:
    return json_response(200, describe_tenant(site.config).write(), headers=CACHED)


def describe_tenant(config: TenantConfig) -> ServerMetadata:
    """Return the metadata.

    With `wire = "auth0"`, a feature that Auth0 lacks is listed only if the settings enable it.
    """
    base, is_rfc = config.issuer, config.wire == "rfc"
    api_scopes = {name for api in config.apis for name in api.scopes}
    methods = [*_auth_methods(config), *(TLS_METHODS if config.for_certificates else ())]
    more: dict[str, object] = {
        "subject_types_supported": ["public"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "name", "nickname",
                             "picture", "email", "email_verified", "updated_at"],
    }  # fmt: skip
    if is_rfc:
        more["refresh_token_expiration_types_supported"] = ["authorization", "token_timeout"]
    if config.offers_introspection:
        more["introspection_endpoint"] = f"{base}oauth/introspect"
        more["introspection_endpoint_auth_methods_supported"] = [name for name in methods if name != "none"]
        more["introspection_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
    if config.for_certificates is not None:
        more["tls_client_certificate_bound_access_tokens"] = True
        more["mtls_endpoint_aliases"] = _aliases(config, config.for_certificates.address)
    return ServerMetadata(
        issuer=base,
        token_endpoint=f"{base}oauth/token",
        jwks_uri=f"{base}.well-known/jwks.json",
        authorization_endpoint=f"{base}authorize",
        device_authorization_endpoint=f"{base}oauth/device/code",
        userinfo_endpoint=f"{base}userinfo",
        revocation_endpoint=f"{base}oauth/revoke",
        end_session_endpoint=f"{base}oidc/logout",
        pushed_authorization_request_endpoint=f"{base}oauth/par",
        mfa_challenge_endpoint=None if is_rfc else f"{base}mfa/challenge",
        scopes_supported=(*STANDARD_SCOPES, *sorted(api_scopes - set(STANDARD_SCOPES))),
        response_types_supported=("code",),
        response_modes_supported=RESPONSE_MODES,
        grant_types_supported=_grants(config),
        token_endpoint_auth_methods_supported=tuple(methods),
        id_token_signing_alg_values_supported=tuple(sorted(config.algorithms)),
        code_challenge_methods_supported=(S256,),
        dpop_signing_alg_values_supported=ALGORITHMS,
        authorization_response_iss_parameter_supported=is_rfc,
        device_facts_supported=True,
        more=more,
    )


def _aliases(config: TenantConfig, base: str) -> dict[str, str]:
    """Return the `mtls_endpoint_aliases`: endpoints for clients with a certificate (RFC 8705 §5)."""
    found = {
        "token_endpoint": "oauth/token",
        "device_authorization_endpoint": "oauth/device/code",
        "userinfo_endpoint": "userinfo",
        "revocation_endpoint": "oauth/revoke",
        "pushed_authorization_request_endpoint": "oauth/par",
    }
    more = {"introspection_endpoint": "oauth/introspect"} if config.offers_introspection else {}
    more |= {"mfa_challenge_endpoint": "mfa/challenge"} if config.wire == "auth0" else {}
    return {name: f"{base}{path}" for name, path in {**found, **more}.items()}


def _auth_methods(config: TenantConfig) -> tuple[AuthMethod, ...]:
    """Return the authentication methods at the token endpoint, other than those with a client certificate.

    `none` is listed only if a public client is registered, or if no client is registered at all.
    """
    has_public = not config.applications or any(application.is_public for application in config.applications)
    return tuple(method for method in AUTH_METHODS if method != "none" or has_public)


def _grants(config: TenantConfig) -> tuple[str, ...]:
    """Return the grants that at least one client may use.

    The password grants are left out if the tenant does not allow them, and always with `wire = "rfc"` (RFC 9700 §2.4).
    """
    used = {grant for application in config.applications for grant in application.grants}
    hidden = _PASSWORD_GRANTS if config.wire == "rfc" or not config.allows_password else frozenset[str]()
    return tuple(grant for grant in GRANT_TYPES if grant in used - hidden)


async def jwks(site: Site, _: Request) -> Response:
    return json_response(200, {"keys": [key.public_jwk() for key in site.keys]}, headers=CACHED)
