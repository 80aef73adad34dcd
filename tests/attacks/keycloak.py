"""An issuer that answers as Keycloak does, with the settings of one client; no sockets, no waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from keyfob.client.ports import LoginEvent, Redirected
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.http import Request, Response, json_response
from keyfob.testing.scripted_server import ScriptedWorld

ISSUER = "https://sso.example/realms/staff"
ENDPOINTS = f"{ISSUER}/protocol/openid-connect"
_KEY = SigningKey.generate("RS256")
_SUPPORTED = ["openid", "offline_access", "profile", "email", "address", "phone", "roles"]


@dataclass(frozen=True)
class Client:
    """What an administrator has set for the client `cli`, and for the user."""

    scopes: frozenset[str] = frozenset({"openid", "profile", "email", "offline_access"})
    user_may_be_offline: bool = True
    audiences: tuple[str, ...] = ("cli",)
    authorized_party: str | None = "cli"
    must_push: bool = False
    must_prove: bool = False
    has_device: bool = True


def _refusal(error: str, description: str, status: int = 400) -> Response:
    return json_response(status, {"error": error, "error_description": description})


class Keycloak(ScriptedWorld):
    """A World at that issuer. `visits` are the parameters of each authorization request that the browser made."""

    def __init__(self, client: Client | None = None, supported: list[str] | None = None) -> None:
        super().__init__({})
        self.client = client or Client()
        self.supported = _SUPPORTED if supported is None else supported
        self.visits: list[dict[str, str]] = []
        self._pushed: dict[str, dict[str, str]] = {}
        self._asked: dict[str, dict[str, str]] = {}
        self._answered = ""

    async def send(self, request: Request) -> Response:
        self.sent.append((self.time.passed, request))
        form = dict(parse_qsl(request.body.decode()))
        match request.url.removeprefix(ISSUER).partition("?")[0]:
            case "/.well-known/openid-configuration":
                return json_response(200, self._metadata())
            case "/protocol/openid-connect/certs":
                return json_response(200, {"keys": [_KEY.public_jwk()]})
            case "/protocol/openid-connect/ext/par/request":
                return self._push(form)
            case "/protocol/openid-connect/auth/device":
                return self._device(form)
            case "/protocol/openid-connect/auth":
                query = dict(parse_qsl(urlsplit(request.url).query))
                return Response(200 if query.get("client_id") == "cli" else 400, (), b"<html>")
            case "/protocol/openid-connect/token":
                return self._token(request, form)
            case _:
                return Response(404)

    async def next_event(self, span: timedelta) -> LoginEvent | None:
        """Answer each address that the browser was sent to, once."""
        if self.address == self._answered:
            return await super().next_event(span)
        self._answered = self.address
        query = dict(parse_qsl(urlsplit(self.address).query))
        asked = self._pushed.pop(query.get("request_uri", ""), query)
        self.visits.append(asked)
        return Redirected({"state": asked.get("state", self.state), "iss": ISSUER, **self._authorize(query, asked)})

    def _authorize(self, query: Mapping[str, str], asked: dict[str, str]) -> dict[str, str]:
        if self.client.must_push and "request_uri" not in query:
            return {
                "error": "invalid_request",
                "error_description": "Pushed Authorization Request is only allowed.",
            }
        problem = self._problem(asked)
        if problem:
            return {"error": "invalid_scope", "error_description": problem}
        self._asked["code"] = asked
        return {"code": "code"}

    def _problem(self, asked: Mapping[str, str]) -> str:
        scopes = asked.get("scope", "").split()
        return "" if set(scopes) <= self.client.scopes else f"Invalid scopes: {' '.join(scopes)}"

    def _push(self, form: dict[str, str]) -> Response:
        name = f"urn:ietf:params:oauth:request_uri:{len(self.sent)}"
        self._pushed[name] = form
        return json_response(201, {"request_uri": name, "expires_in": 60})

    def _device(self, form: dict[str, str]) -> Response:
        if form["client_id"] != "cli":
            return _refusal("invalid_client", "Invalid client or Invalid client credentials", 401)
        if not self.client.has_device:
            return _refusal("unauthorized_client", "Client is not allowed to initiate OAuth 2.0 Device Authorization "
                            "Grant. The flow is disabled for the client.", 401)  # fmt: skip
        problem = self._problem(form)
        if problem:
            return _refusal("invalid_scope", problem)
        self._asked["device"] = form
        return json_response(200, {
            "device_code": "device", "user_code": "WDJB-MJHT", "verification_uri": f"{ISSUER}/device",
            "expires_in": 600, "interval": 5,
        })  # fmt: skip

    def _token(self, request: Request, form: dict[str, str]) -> Response:
        if self.client.must_prove and request.header("dpop") is None:
            return _refusal("invalid_dpop_proof", "DPoP proof is missing")
        asked = self._asked.get(form.get("device_code") or form.get("code") or "", {})
        scopes = asked.get("scope", "").split()
        if "offline_access" in scopes and not self.client.user_may_be_offline:
            return _refusal("not_allowed", "Offline tokens not allowed for the user or client")
        now = self.time.now().wall
        claims = {
            "iss": ISSUER, "sub": "pat", "aud": list(self.client.audiences), "azp": self.client.authorized_party,
            "iat": now.timestamp(), "exp": (now + timedelta(minutes=5)).timestamp(), "nonce": asked.get("nonce"),
            "email": "pat@example.com",
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        tokens = {"access_token": "at", "token_type": "Bearer", "expires_in": 300, "scope": " ".join(scopes)}
        if "openid" in scopes:
            tokens["id_token"] = sign(claims, _KEY, token_type="JWT").reveal()
        return json_response(200, tokens)

    def _metadata(self) -> dict[str, object]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ENDPOINTS}/auth",
            "token_endpoint": f"{ENDPOINTS}/token",
            "jwks_uri": f"{ENDPOINTS}/certs",
            "device_authorization_endpoint": f"{ENDPOINTS}/auth/device",
            "pushed_authorization_request_endpoint": f"{ENDPOINTS}/ext/par/request",
            "require_pushed_authorization_requests": False,
            "scopes_supported": self.supported,
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials",
                                      "urn:ietf:params:oauth:grant-type:device_code"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip
