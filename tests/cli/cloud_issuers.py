"""Issuers that answer as Keycloak, Entra ID, Okta, Google, GitHub and Cognito are documented to; no sockets."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from keyfob.client.ports import LoginEvent, Redirected
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign, sign_bytes
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.json_text import write_json
from keyfob.protocol.secret import Secret
from keyfob.testing.scripted_server import ScriptedWorld

KEY = SigningKey.generate("RS256")


@dataclass(frozen=True)
class Cloud:
    """What one service documents.

    Attributes:
        paths: The paths of its endpoints, by their name in metadata.
        lacks: Scopes of OpenID that its clients may not request.
        matches: The redirect URIs that it accepts; a port of 0 stands for any.
        metadata: Further members of its metadata; None if it has no document.
        has_secret: Whether it refuses a request for a user's tokens without the client's secret.
        is_openid: Whether it issues ID tokens.
        pending: The status of its answer while the user of a device login thinks.
        declined: Status and code if that user says no.
    """

    issuer: str
    host: str
    paths: Mapping[str, str]
    matches: tuple[str, ...]
    lacks: frozenset[str] = frozenset()
    metadata: Mapping[str, object] | None = field(default_factory=dict[str, object])
    has_secret: bool = False
    is_openid: bool = True
    pending: int = 400
    declined: tuple[int, str] = (400, "access_denied")


GUID = "8a7b3c1e-0000-4000-8000-123456789abc"
REALM = "https://sso.northwind.example/realms/staff"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE"
CLOUDS = {
    "Keycloak": Cloud(
        REALM,
        REALM,
        {
            "authorization_endpoint": "/protocol/openid-connect/auth",
            "device_authorization_endpoint": "/protocol/openid-connect/auth/device",
            "token_endpoint": "/protocol/openid-connect/token",
        },
        ("http://127.0.0.1:0/callback",),
        metadata={"code_challenge_methods_supported": ["plain", "S256"]},
    ),
    "Microsoft Entra ID": Cloud(
        f"https://login.microsoftonline.com/{GUID}/v2.0",
        f"https://login.microsoftonline.com/{GUID}/oauth2/v2.0",
        {
            "authorization_endpoint": "/authorize",
            "device_authorization_endpoint": "/devicecode",
            "token_endpoint": "/token",
        },
        ("http://localhost:0/callback",),
        metadata={
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "response_modes_supported": ["query", "fragment", "form_post"],
        },
        declined=(400, "authorization_declined"),
    ),
    "Okta": Cloud(
        "https://northwind.okta.com/oauth2/default",
        "https://northwind.okta.com/oauth2/default",
        {
            "authorization_endpoint": "/v1/authorize",
            "device_authorization_endpoint": "/v1/device/authorize",
            "token_endpoint": "/v1/token",
        },
        ("http://127.0.0.1:8484/callback",),
        metadata={"scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"]},
    ),
    "Google": Cloud(
        "https://accounts.google.com",
        "https://google.example",
        {
            "authorization_endpoint": "/o/oauth2/v2/auth",
            "device_authorization_endpoint": "/device/code",
            "token_endpoint": "/token",
        },
        ("http://127.0.0.1:0/callback",),
        lacks=frozenset({"offline_access"}),
        metadata={"scopes_supported": ["openid", "email", "profile"]},
        has_secret=True,
        pending=428,
        declined=(403, "access_denied"),
    ),
    "GitHub": Cloud(
        "https://github.com/login/oauth",
        "https://github.com/login",
        {
            "authorization_endpoint": "/oauth/authorize",
            "device_authorization_endpoint": "/device/code",
            "token_endpoint": "/oauth/access_token",
        },
        (),
        lacks=frozenset({"openid", "profile", "email"}),
        metadata=None,
        is_openid=False,
        pending=200,
        declined=(200, "access_denied"),
    ),
    "Amazon Cognito": Cloud(
        POOL,
        "https://northwind.auth.eu-central-1.amazoncognito.com",
        {"authorization_endpoint": "/oauth2/authorize", "token_endpoint": "/oauth2/token"},
        ("http://localhost:8484/callback",),
        lacks=frozenset({"offline_access"}),
        metadata={
            "scopes_supported": ["openid", "email", "phone", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        },
    ),
}


class CloudWorld(ScriptedWorld):
    """A World at one of them.

    Attributes:
        requested: What the user's login requested.
        declines: Whether the user of a device login says no.
    """

    def __init__(self, cloud: Cloud) -> None:
        super().__init__({})
        self.cloud = cloud
        self.requested: dict[str, str] = {}
        self.declines = False
        self._polls = 0

    async def send(self, request: Request) -> Response:
        self.sent.append((self.time.passed, request))
        form = dict(parse_qsl(request.body.decode()))
        if request.url == f"{self.cloud.issuer}/.well-known/openid-configuration":
            return self._metadata()
        if request.url == f"{self.cloud.issuer}/keys":
            return json_response(200, {"keys": [KEY.public_jwk()]})
        names = {f"{self.cloud.host}{path}": name for name, path in self.cloud.paths.items()}
        match names.get(request.url):
            case "device_authorization_endpoint":
                return self._begin(form)
            case "token_endpoint":
                return self._token(request, form)
            case _:
                return Response(404)

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """Answer the address that the browser was sent to."""
        del span
        self.requested = dict(parse_qsl(urlsplit(self.address).query))
        address = urlsplit(self.requested["redirect_uri"])
        any_port = address._replace(netloc=f"{address.hostname}:0").geturl()
        assert {address.geturl(), any_port} & set(self.cloud.matches), "the page says that the redirect URI is unknown"
        assert self.requested["code_challenge_method"] == "S256"
        error = self._error(self.requested)
        return Redirected({"state": self.state, **({"error": error} if error else {"code": "code"})})

    def _metadata(self) -> Response:
        if self.cloud.metadata is None:
            return Response(404)
        own = {name: f"{self.cloud.host}{path}" for name, path in self.cloud.paths.items()}
        usual = {"issuer": self.cloud.issuer, "jwks_uri": f"{self.cloud.issuer}/keys", **own}
        return json_response(200, {**usual, "response_types_supported": ["code"], **self.cloud.metadata})

    def _error(self, asked: Mapping[str, str]) -> str:
        return "invalid_scope" if set(asked.get("scope", "").split()) & self.cloud.lacks else ""

    def _begin(self, form: dict[str, str]) -> Response:
        self.requested = form
        if self._error(form):
            return json_response(400, {"error": self._error(form)})
        uri = "verification_url" if self.cloud.issuer.endswith("google.com") else "verification_uri"
        members = {"device_code": "device", "user_code": "WDJB-MJHT", uri: "https://example.com/device"}
        return json_response(200, {**members, "expires_in": 900, "interval": 5})

    def _token(self, request: Request, form: dict[str, str]) -> Response:
        has_proof = "client_secret" in form or "client_assertion" in form or request.header("authorization") is not None
        if (self.cloud.has_secret or form["grant_type"] == "client_credentials") and not has_proof:
            return json_response(400, {"error": "invalid_client", "error_description": "client_secret is missing."})
        asked = form if form["grant_type"] == "client_credentials" else self.requested
        if self._error(asked):
            return json_response(400, {"error": self._error(asked)})
        if form["grant_type"].endswith(":device_code"):
            self._polls += 1
            if self._polls == 1:
                return json_response(self.cloud.pending, {"error": "authorization_pending"})
            if self.declines:
                status, error = self.cloud.declined
                return json_response(status, {"error": error})
        members: dict[str, object] = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600}
        if self.cloud.is_openid and "openid" in asked.get("scope", "").split():
            now = self.time.now().wall.timestamp()
            claims = {"iss": self.cloud.issuer, "sub": "pat", "aud": asked["client_id"], "iat": now, "exp": now + 300,
                      "email": "pat@northwind.example", "nonce": asked.get("nonce")}  # fmt: skip
            spoken = {name: value for name, value in claims.items() if value is not None}
            members["id_token"] = sign(spoken, KEY, token_type="JWT").reveal()
        return json_response(200, members)


def access_token(header: Mapping[str, object], claims: Mapping[str, object]) -> Secret:
    """Sign an access token with exactly this header, besides `alg` and `kid`."""
    parts = ({"alg": "RS256", "kid": KEY.key_id, **header}, claims)
    return sign_bytes(b".".join(base64.urlsafe_b64encode(write_json(part)).rstrip(b"=") for part in parts), KEY)
