"""A program at one server: every request that it proves itself in goes through here (RFC 6749 §2.3, §3.2.1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from keyfob.client.auth.token_response import as_meant
from keyfob.client.model.certificate import Certificate
from keyfob.client.ports import World
from keyfob.protocol.client_authentication import TLS_METHODS, AuthMethod, Credentials
from keyfob.protocol.grants import Grant, TokenRequest
from keyfob.protocol.http import Headers, Request, Response, form_request, json_request
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import INVALID_CLIENT, USE_DPOP_NONCE, OAuthError
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.auth.dpop import DpopKey
    from keyfob.client.model.credential import Credential, PrivateKey

_OK = 200
_REFUSES = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_ID_BYTES = 16
ASSERTION_LIFE: Final = timedelta(minutes=1)
ASSERTION_TYPE: Final = "client-authentication+jwt"


@dataclass(slots=True)
class OAuthClient:
    """One program at one server, for as long as one command or session lasts.

    Attributes:
        credential: What it proves itself with; a public program has nothing and only says its id.
        prover: Its own key, where its tokens are bound to one (RFC 9449).
        methods: How it may prove itself, the best first. What the server has once refused is not tried again.
        token_endpoint: For whom a legacy assertion is made out.
    """

    client_id: str
    issuer: str
    credential: Credential | None = None
    methods: tuple[AuthMethod, ...] = ("none",)
    token_endpoint: str = ""
    dpop_key: DpopKey | None = None

    @property
    def token_types(self) -> tuple[str, ...]:
        """What it can use; with a proof, a plain token too, unless it insists (RFC 9449 §5)."""
        if self.dpop_key is None:
            return ("Bearer",)
        return ("DPoP",) if self.dpop_key.is_required else ("DPoP", "Bearer")

    @property
    def proof_key(self) -> Secret | None:
        """What its tokens are bound to, for the vault."""
        return None if self.dpop_key is None else self.dpop_key.write()

    @classmethod
    def context(cls, metadata: ServerMetadata, client_id: str, credential: Credential | None = None) -> Self:
        """At a server that says which ways it knows."""
        methods = methods_for(credential, metadata)
        return cls(client_id, metadata.issuer, credential, methods, token_endpoint=metadata.token_endpoint)


def methods_for(credential: Credential | None, metadata: ServerMetadata) -> tuple[AuthMethod, ...]:
    """How a credential may be shown to a server, the best first. Metadata that says nothing means Basic (RFC 8414 §2).

    A secret goes into the Basic header first (RFC 6749 §2.3.1), and into the body where the header was refused and the
    body is offered: metadata speaks of the server, and not of this program. A certificate is shown by the connection,
    in the same way for both methods that there are (RFC 8705 §2.1-2.2).
    """
    if credential is None:
        return ("none",)
    if isinstance(credential, Certificate):
        known: list[AuthMethod] = [one for one in TLS_METHODS if one in metadata.token_endpoint_auth_methods_supported]
        return (known[0] if known else "tls_client_auth",)
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
    """Send parameters in the program's name, as a form or as JSON. May raise `Unreachable` or `Malformed`.

    Args:
        program: Who asks.
        endpoint: Whom.
        parameters: What.
        as_json: Not as a form.
        proves: Whether a proof of the program's key goes with it, where it has one (RFC 9449 §5, §10.1).
    """
    *first, last = client.methods
    for method in first:
        response = await _post(world, client, method, endpoint, parameters, as_json=as_json, proves=proves)
        if not _is_refused(response):
            client.methods = (method,)
            return response
    return await _post(world, client, last, endpoint, parameters, as_json=as_json, proves=proves)


def _is_refused(response: Response) -> bool:
    """Whether a server will not have a program proven like that. RFC 6749 §5.2 allows 400; some say 403 and no more."""
    error = OAuthError.find(response) if response.status >= _REFUSES else None
    is_unknown = error is not None and error.error == INVALID_CLIENT
    return response.status == _UNAUTHORIZED or is_unknown or (response.status == _FORBIDDEN and error is None)


async def request_tokens(world: World, client: OAuthClient, endpoint: str, grant: Grant) -> Response:
    """Trade a grant for tokens; the answer is not judged. May raise `Unreachable` or `Malformed`."""
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
    """Once; and once more with a server's nonce, where it wants one (RFC 9449 §8)."""
    dpop_key = client.dpop_key if proves else None
    for may_retry in (dpop_key is not None, False):
        shown, headers = Credentials(method, client.client_id, _authenticate(world, client)).write()
        request = _write(endpoint, {**parameters, **shown}, headers, as_json=as_json)
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
    error = None if response.status == _OK else OAuthError.find(response)
    return error is not None and error.error == USE_DPOP_NONCE


def _authenticate(world: World, client: OAuthClient) -> Secret | None:
    """The secret, or a fresh assertion; nothing where the connection shows a certificate."""
    credential = client.credential
    if credential is None or isinstance(credential, Secret):
        return credential
    if isinstance(credential, Certificate):
        return None
    from keyfob.client.model.credential import PlatformToken  # noqa: PLC0415  as the next one

    if isinstance(credential, PlatformToken):
        return credential.token
    return write_assertion(world, credential, client.client_id, client.issuer, client.token_endpoint)


def write_assertion(
    world: World, credential: PrivateKey, client_id: str, issuer: str, token_endpoint: str = ""
) -> Secret:
    """A fresh assertion, for a minute and for the issuer alone, wherever it is shown (rfc7523bis §4).

    Older servers want their token endpoint in it, as OpenID Connect Core §9 once had it, and know no type of its own.
    """
    from keyfob.jose.tokens import sign  # noqa: PLC0415  signatures cost 100 ms, and few clients need them

    moment = world.now().wall
    token_id = world.random(_ID_BYTES)
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_endpoint if credential.is_legacy and token_endpoint else issuer,
        "jti": base64.urlsafe_b64encode(token_id).rstrip(b"=").decode("ascii"),
        "iat": int(moment.timestamp()),
        "exp": int((moment + ASSERTION_LIFE).timestamp()),
    }
    header = {"kid": credential.key_id} if credential.key_id else {}
    return sign(claims, credential.key, token_type="JWT" if credential.is_legacy else ASSERTION_TYPE, header=header)
