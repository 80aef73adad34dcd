"""The tenant describes itself and publishes its keys (RFC 8414 §3, OpenID Connect Discovery §4, RFC 7517 §5)."""

from __future__ import annotations

from typing import Final

from keyfob.protocol.grants import DEVICE_CODE, REFRESH_TOKEN
from keyfob.protocol.http import Headers, Request, Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.server.config import STANDARD_SCOPES
from keyfob.server.site import Site

# Long enough to spare the network, short enough that a turned key is soon seen.
CACHED: Final[Headers] = (("cache-control", "public, max-age=300"),)


async def metadata(site: Site, _: Request) -> Response:
    """Only what works is listed (RFC 8414 §2)."""
    base = site.config.issuer
    api_scopes = {name for api in site.config.apis for name in api.scopes}
    document = ServerMetadata(
        issuer=base,
        token_endpoint=f"{base}oauth/token",
        jwks_uri=f"{base}.well-known/jwks.json",
        device_authorization_endpoint=f"{base}oauth/device/code",
        userinfo_endpoint=f"{base}userinfo",
        revocation_endpoint=f"{base}oauth/revoke",
        scopes_supported=(*STANDARD_SCOPES, *sorted(api_scopes - set(STANDARD_SCOPES))),
        grant_types_supported=(DEVICE_CODE, REFRESH_TOKEN),
        id_token_signing_alg_values_supported=("RS256",),
        more={
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "name", "nickname", "email",
                                 "email_verified", "updated_at"],
        },
    )  # fmt: skip
    # RFC 8414 §2 wants response_types_supported; there is no authorization endpoint yet, so the list is empty.
    return json_response(200, {**document.write(), "response_types_supported": []}, headers=CACHED)


async def jwks(site: Site, _: Request) -> Response:
    """Every key that may have signed a living token."""
    return json_response(200, {"keys": [key.public_jwk() for key in site.keys]}, headers=CACHED)


async def health(site: Site, _: Request) -> Response:
    """Alive, and the store answers."""
    await site.store.read(lambda transaction: transaction.signing_keys())
    return json_response(200, {"status": "ok"})
