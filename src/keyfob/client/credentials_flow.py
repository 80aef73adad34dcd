"""A program logs in as itself: client credentials (RFC 6749 §4.4; RFC 7523 §2.2, draft-ietf-oauth-rfc7523bis §4)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final, NoReturn

from keyfob.client.asks import Flow, draw, now, send
from keyfob.client.credential import Credential, PrivateKey
from keyfob.client.discover import discover
from keyfob.client.held import Held
from keyfob.client.profile import Profile
from keyfob.errors import Refused, Unreachable
from keyfob.jose.tokens import sign
from keyfob.protocol.client_authentication import AuthMethod, Credentials
from keyfob.protocol.fields import read_json
from keyfob.protocol.grants import ClientCredentialsGrant, TokenRequest
from keyfob.protocol.http import Response, form_request
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import OAuthError
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.protocol.tokens import TokenAnswer

ASSERTION_LIFE: Final = timedelta(minutes=1)
_ID_BYTES: Final = 16
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_SERVER_FAULT: Final = 500


def log_in(profile: Profile, credential: Credential) -> Flow[Held]:
    """From nothing to an access token that may be kept; there is no refresh token, the program just asks again.

    A secret travels as the server's metadata says it may: in the Basic header first (RFC 6749 §2.3.1), and in the body
    where the header was refused and the body is offered, since metadata speaks of the server and not of this program.

    Raises:
        Refused: The server does not know the program, or will not give it that.
        Unreachable: No usable answer at the moment.
        Malformed: Metadata or tokens came, but not as they should.
        Misuse: The issuer could never be asked safely.
    """
    metadata = yield from discover(profile.issuer)
    *first, last = methods_for(credential, metadata)
    for method in first:
        response = yield from _ask(profile, credential, metadata, method)
        if response.status != _UNAUTHORIZED:
            return (yield from _judge(profile, metadata, response))
    return (yield from _judge(profile, metadata, (yield from _ask(profile, credential, metadata, last))))


def methods_for(credential: Credential, metadata: ServerMetadata) -> tuple[AuthMethod, ...]:
    """How it may be shown to that server, the best first. Metadata that says nothing means Basic (RFC 8414 §2)."""
    if isinstance(credential, PrivateKey):
        return ("private_key_jwt",)
    offered = metadata.token_endpoint_auth_methods_supported or ("client_secret_basic",)
    ours: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post")
    return tuple(method for method in ours if method in offered) or ours


def _ask(profile: Profile, credential: Credential, metadata: ServerMetadata, method: AuthMethod) -> Flow[Response]:
    proof = credential if isinstance(credential, Secret) else (yield from _assert(profile, credential))
    parameters, headers = Credentials(method, profile.client_id, proof).write()
    grant = ClientCredentialsGrant(Target(profile.audience), profile.scope or None)
    asked = {**TokenRequest("", grant).write(), **parameters}
    return (yield from send(form_request(metadata.token_endpoint, asked, headers=headers)))


def _assert(profile: Profile, credential: PrivateKey) -> Flow[Secret]:
    """A fresh assertion, for the issuer alone and for a minute."""
    moment = (yield from now()).wall
    token_id = yield from draw(_ID_BYTES)
    claims = {
        "iss": profile.client_id,
        "sub": profile.client_id,
        "aud": profile.issuer,
        "jti": base64.urlsafe_b64encode(token_id).rstrip(b"=").decode("ascii"),
        "iat": int(moment.timestamp()),
        "exp": int((moment + ASSERTION_LIFE).timestamp()),
    }
    header = {"kid": credential.key_id} if credential.key_id else {}
    return sign(claims, credential.key, token_type="JWT", header=header)


def _judge(profile: Profile, metadata: ServerMetadata, response: Response) -> Flow[Held]:
    if response.status == _OK:
        answer = TokenAnswer.read(read_json(response.body, "token answer"))
        return Held.of(answer, metadata, profile, None, (yield from now()).wall)
    if response.status >= _SERVER_FAULT or response.status == _TOO_MANY:
        raise Unreachable(f"the server answers {response.status} at the moment", hint="Try again.")
    _refuse(response)


def _refuse(response: Response) -> NoReturn:
    """Say what the server said.

    Raises:
        Refused: Always.
    """
    error = OAuthError.find(response)
    if error is None:
        raise Refused(f"the server does not let this program in (status {response.status})")
    said = f": {error.description}" if error.description else ""
    is_unknown = response.status == _UNAUTHORIZED
    hint = "Look at the client id and its secret or key." if is_unknown else "Look at the audience and the scope."
    raise Refused(f"the server does not let this program in ({error.error}){said}", oauth_code=error.error, hint=hint)
