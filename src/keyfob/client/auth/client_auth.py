"""Client authentication (RFC 6749 §2.3). `post` sends every request that authenticates the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from keyfob.client.auth.token_response import as_meant
from keyfob.client.model.credential import Certificate, Credential, PlatformToken, PrivateKey
from keyfob.client.ports import World
from keyfob.protocol.base64url import base64url
from keyfob.protocol.client_authentication import TLS_METHODS, AuthMethod, Credentials
from keyfob.protocol.grants import Grant, TokenRequest
from keyfob.protocol.http import Headers, Request, Response, form_request, json_request
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import INVALID_CLIENT, USE_DPOP_NONCE, OAuthError
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.auth.dpop import DpopKey

_ID_BYTES = 16
ASSERTION_LIFE: Final = timedelta(minutes=1)
ASSERTION_TYPE: Final = "client-authentication+jwt"


@dataclass(slots=True)
class OAuthClient:
    """One client at one authorization server, for the duration of a command or session.

    Attributes:
        credential: The client's credential; None for a public client.
        methods: The authentication methods to try, the best first. As soon as the server accepts one of them, `post`
            keeps only that method.
        token_endpoint: The token endpoint, which older servers require as the audience of a client assertion.
        dpop_key: The DPoP key to which tokens are bound (RFC 9449); None if they are not bound to one.
    """

    client_id: str
    issuer: str
    credential: Credential | None = None
    methods: tuple[AuthMethod, ...] = ("none",)
    token_endpoint: str = ""
    dpop_key: DpopKey | None = None

    @property
    def token_types(self) -> tuple[str, ...]:
        """The accepted token types (RFC 9449 §5): "DPoP" if there is a DPoP key; "Bearer" unless DPoP is required."""
        if self.dpop_key is None:
            return ("Bearer",)
        return ("DPoP",) if self.dpop_key.is_required else ("DPoP", "Bearer")

    @property
    def proof_key(self) -> Secret | None:
        """The DPoP private key, for the vault; None without DPoP."""
        return None if self.dpop_key is None else self.dpop_key.write()

    @classmethod
    def context(cls, metadata: ServerMetadata, client_id: str, credential: Credential | None = None) -> Self:
        """Create a client from metadata and choose its authentication methods."""
        methods = methods_for(credential, metadata)
        return cls(client_id, metadata.issuer, credential, methods, token_endpoint=metadata.token_endpoint)


def methods_for(credential: Credential | None, metadata: ServerMetadata) -> tuple[AuthMethod, ...]:
    """Return the authentication methods to try with a credential, the best first.

    - No credential: only "none".
    - A secret: first the Basic header (RFC 6749 §2.3.1), then the body (`client_secret_post`). If the metadata lists
      only one of these two methods, only that one is tried. If it lists neither of them, both are tried. If it lists no
      methods at all, only Basic is tried (RFC 8414 §2). The second method is needed because a listed method may be
      refused: the metadata describes the server and not this client's registration.
    - A certificate: It has one method (RFC 8705 §2.1-2.2), because the TLS connection presents the certificate.
    - A private key or a platform's token: only `private_key_jwt`.
    """
    if credential is None:
        return ("none",)
    if isinstance(credential, Certificate):
        announced = metadata.token_endpoint_auth_methods_supported
        tls: list[AuthMethod] = [method for method in TLS_METHODS if method in announced]
        return tuple(tls[:1]) or ("tls_client_auth",)
    if not isinstance(credential, Secret):
        return ("private_key_jwt",)
    offered = metadata.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    ours: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
    return tuple(method for method in ours if method in offered) or ours


async def post(
    world: World,
    client: OAuthClient,
    endpoint: str,
    parameters: Mapping[str, object],
    *,
    as_json: bool = False,
    proves: bool = False,
) -> Response:
    """Send parameters with client authentication, as a form or as JSON. Raises the errors of `World.send`.

    Args:
        proves: Whether to add a DPoP proof if the client has a DPoP key (RFC 9449 §5, §10.1).
    """
    method, *others = client.methods
    response = await _post(world, client, method, endpoint, parameters, as_json=as_json, proves=proves)
    while others and _is_refused(response):
        method, *others = others
        response = await _post(world, client, method, endpoint, parameters, as_json=as_json, proves=proves)
    if response.status < 500 and not _is_refused(response):  # a server that fails has accepted nothing
        client.methods = (method,)
    return response


def _is_refused(response: Response) -> bool:
    """Return whether client authentication failed: status 401, error `invalid_client`, or 403 without an error code."""
    error = OAuthError.find(response) if response.status >= 400 else None
    is_invalid_client = error is not None and error.error == INVALID_CLIENT
    return response.status == 401 or is_invalid_client or (response.status == 403 and error is None)


async def request_tokens(world: World, client: OAuthClient, endpoint: str, grant: Grant) -> Response:
    """Send a token request, and return the response unchecked. Raises the errors of `World.send`."""
    return await post(world, client, endpoint, TokenRequest("", grant).write(), proves=True)


async def _post(
    world: World,
    client: OAuthClient,
    method: AuthMethod,
    endpoint: str,
    parameters: Mapping[str, object],
    *,
    as_json: bool,
    proves: bool,
) -> Response:
    """Send the request. If the response demands a DPoP nonce, repeat the request once with that nonce (RFC 9449 §8)."""
    dpop_key = client.dpop_key if proves else None
    for may_retry in (dpop_key is not None, False):
        parameters_of_client, headers = Credentials(method, client.client_id, _authenticate(world, client)).write()
        request = _write(endpoint, {**parameters, **parameters_of_client}, headers, as_json=as_json)
        if dpop_key is not None:
            moment, random_bytes = world.now(), world.random(_ID_BYTES)
            request = replace(request, headers=request.headers + dpop_key.prove(request, moment.wall, random_bytes))
        response = as_meant(await world.send(request))
        has_nonce = dpop_key is not None and dpop_key.store_nonce(request, response)
        if not (may_retry and has_nonce and _wants_nonce(response)):
            break
    return response


def _write(endpoint: str, members: Mapping[str, object], headers: Headers, *, as_json: bool) -> Request:
    if as_json:
        return json_request(endpoint, members, headers=headers)
    return form_request(endpoint, {name: str(value) for name, value in members.items()}, headers=headers)


def _wants_nonce(response: Response) -> bool:
    error = None if response.status == 200 else OAuthError.find(response)
    return error is not None and error.error == USE_DPOP_NONCE


def _authenticate(world: World, client: OAuthClient) -> Secret | None:
    """Return the secret, platform token or new assertion to send; None for a public client or a certificate."""
    credential = client.credential
    if credential is None or isinstance(credential, Secret):
        return credential
    if isinstance(credential, Certificate):
        return None
    if isinstance(credential, PlatformToken):
        return credential.token
    return write_assertion(world, credential, client.client_id, client.issuer, client.token_endpoint)


def write_assertion(
    world: World, credential: PrivateKey, client_id: str, issuer: str, token_endpoint: str = ""
) -> Secret:
    """Return a signed client assertion, valid for a minute. Its only audience is the issuer (rfc7523bis §4).

    For older servers (`credential.is_legacy`), the audience is the token endpoint (OpenID Connect Core §9), and the
    header's `typ` is `JWT` instead of the newer, more specific type.
    """
    from keyfob.jose.tokens import sign  # noqa: PLC0415  cryptography is slow to import, and few clients sign

    moment = world.now().wall
    token_id = world.random(_ID_BYTES)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_endpoint if credential.is_legacy and token_endpoint else issuer,
        "jti": base64url(token_id),
        "iat": int(moment.timestamp()),
        "exp": int((moment + ASSERTION_LIFE).timestamp()),
    }
    header = {"kid": credential.key_id} if credential.key_id else {}
    return sign(claims, credential.key, token_type="JWT" if credential.is_legacy else ASSERTION_TYPE, header=header)
