"""A strict issuer: each refresh token is valid once, and its reuse ends the whole login (RFC 9700 §4.14.2).

Many authorization servers do this. A client that passes tests with this issuer loses no login at such servers. For
tests in memory, pass `issuer.send` to a World, or use `issuer.world()`. For tests with real processes, `with
issuer.serving():` listens on 127.0.0.1.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.lazy import LazyModule
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import FakeTime
from keyfob.testing.scripted_server import ScriptedWorld

if TYPE_CHECKING:
    from keyfob.jose import keys, tokens
else:  # imported at the first use, since only ID tokens are signed
    keys = LazyModule("keyfob.jose.keys")
    tokens = LazyModule("keyfob.jose.tokens")

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_DEVICE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_SHUTDOWN_POLL_S: Final = 0.02


@dataclass(slots=True)
class TokenFamily:
    """All tokens of one login.

    Attributes:
        newest: The number of the valid refresh token. Refresh tokens with lower numbers are spent.
        is_alive: Whether the login can still be refreshed.
        was_revoked: Whether the client revoked the login. If a reuse ended the login, this is False.
    """

    newest: int = 1
    is_alive: bool = True
    was_revoked: bool = False


class StrictIssuer:
    """The strict issuer. Every device login is approved at once.

    Attributes:
        issuer: The issuer identifier.
        families: The logins, oldest first.
        refreshes: How many refreshes succeeded.
        reuses: The spent refresh tokens that were presented again.
        revocations: The tokens that the client revoked.
        lifetime: The lifetime of access tokens.
        subject: The user who approves the next login; "" for logins without an ID token.
        claims: Additional claims of the next ID tokens.
        flaw: A function that returns changed members for each token response. The issued tokens are valid even if the
            changed response lacks them.
        before_answer: A function that is called with each refresh request and its response, before the response is
            sent. At this time, the old refresh token is spent, and the client does not have the new one yet.
    """

    def __init__(self, issuer: str = "https://strict.example/", time: FakeTime | None = None) -> None:
        """Start without logins.

        Args:
            issuer: The issuer identifier for tests in memory. For tests with sockets, the method `serving` sets the
                attribute `issuer` to the URL on which it listens.
            time: The clocks of the issuer and of `world`; None for the real time.
        """
        self.issuer = issuer
        self.families: list[TokenFamily] = []
        self.refreshes = 0
        self.reuses: list[str] = []
        self.revocations: list[str] = []
        self.lifetime = timedelta(hours=1)
        self.subject = ""
        self.claims: dict[str, object] = {}
        self.flaw: Callable[[dict[str, object]], dict[str, object]] = dict
        self.before_answer: Callable[[Request, Response], object] = lambda _request, _response: None
        self._time = time
        self._lock = threading.Lock()
        self._key: keys.SigningKey | None = None

    @property
    def metadata(self) -> ServerMetadata:
        """The metadata document."""
        return ServerMetadata(
            issuer=self.issuer,
            token_endpoint=f"{self.issuer}token",
            jwks_uri=f"{self.issuer}jwks",
            device_authorization_endpoint=f"{self.issuer}device",
            revocation_endpoint=f"{self.issuer}revoke",
            id_token_signing_alg_values_supported=("ES256",),
        )

    def log_in(self, profile: Profile, *, expires_in: timedelta | None = None) -> StoredLogin:
        """Return a new login, as the vault would store it. `expires_in` is the access token's lifetime from now on."""
        now = self._now()
        with self._lock:
            self.families.append(TokenFamily())
            number = len(self.families)
        return StoredLogin(
            issuer=self.issuer,
            client_id=profile.client_id,
            audience=profile.audience,
            token_endpoint=self.metadata.token_endpoint,
            revocation_endpoint=self.metadata.revocation_endpoint,
            access_token=Secret(f"at-{number}-1"),
            expires_at=now + (self.lifetime if expires_in is None else expires_in),
            scope=profile.scope,
            obtained_at=now - timedelta(hours=1),
            refresh_token=Secret(f"rt-{number}-1"),
            subject=self.subject or None,
        )

    def works(self, refresh_token: Secret | None) -> bool:
        """Return whether a refresh token is valid. The refresh token is not spent."""
        found = None if refresh_token is None else self._find(refresh_token.reveal())
        return found is not None and found[0].is_alive and found[0].newest == found[1]

    def send(self, request: Request) -> Response:
        """Return the response to a request, without a network."""
        path = urlsplit(request.url).path
        if path == _WELL_KNOWN:
            return json_response(200, self.metadata.write())
        if path == "/jwks":
            return json_response(200, {"keys": [self._signing_key().public_jwk()]})
        if path == "/device":
            shown: Mapping[str, object] = {
                "device_code": "the-device-code",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.issuer}activate",
                "expires_in": 600,
                "interval": 1,
            }
            return json_response(200, shown)
        form = read_form(request.body, "request").optional_text
        if path == "/revoke":
            return self._revoke(form("token") or "")
        if path == "/token" and form("grant_type") == _DEVICE:
            with self._lock:
                self.families.append(TokenFamily())
                return self._issue(len(self.families), 1, form("client_id") or "")
        if path == "/token" and form("grant_type") == "refresh_token":
            response = self._refresh(form("refresh_token") or "", form("client_id") or "")
            self.before_answer(request, response)
            return response
        return Response(404)

    def world(self) -> ScriptedWorld:
        """Return a World in memory whose network is this issuer."""
        return _World(self, self._time or FakeTime(self._now()))

    @contextmanager
    def serving(self) -> Generator[None]:
        """Listen on a free port of 127.0.0.1. The attribute `issuer` becomes the URL of this port."""
        server = _IssuerServer(self)
        thread = threading.Thread(target=server.serve_forever, args=(_SHUTDOWN_POLL_S,), daemon=True)
        thread.start()
        self.issuer = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _now(self) -> datetime:
        return datetime.now(UTC) if self._time is None else self._time.now().wall

    def _refresh(self, token: str, client_id: str) -> Response:
        with self._lock:
            found = self._find(token)
            if found is None or not found[0].is_alive:
                return json_response(400, {"error": "invalid_grant"})
            family, number = found
            if number != family.newest:
                self.reuses.append(token)
                family.is_alive = False
                return json_response(400, {"error": "invalid_grant", "error_description": "reused"})
            family.newest += 1
            self.refreshes += 1
            return self._issue(self.families.index(family) + 1, family.newest, client_id)

    def _issue(self, family: int, number: int, client_id: str) -> Response:
        members: dict[str, object] = {
            "access_token": f"at-{family}-{number}",
            "token_type": "Bearer",
            "expires_in": int(self.lifetime.total_seconds()),
            "refresh_token": f"rt-{family}-{number}",
        }
        if self.subject:
            members["id_token"] = self._id_token(family, client_id).reveal()
        return json_response(200, self.flaw(members))

    def _id_token(self, family: int, client_id: str) -> Secret:
        at = int(self._now().timestamp())
        claims = {"iss": self.issuer, "sub": self.subject, "aud": client_id, "iat": at, "exp": at + 3600}
        return tokens.sign(claims | {"sid": f"session-{family}"} | self.claims, self._signing_key(), token_type="JWT")

    def _revoke(self, token: str) -> Response:
        """End the login of a refresh token, even of a spent one. Revoking an access token succeeds without effect."""
        with self._lock:
            self.revocations.append(token)
            found = self._find(token) if token.startswith("rt-") else None
            if found is not None:
                found[0].is_alive, found[0].was_revoked = False, True
        return Response(200)

    def _find(self, token: str) -> tuple[TokenFamily, int] | None:
        _, _, numbers = token.partition("rt-")
        family, _, number = numbers.partition("-")
        if not (family.isdigit() and number.isdigit() and 0 < int(family) <= len(self.families)):
            return None
        return self.families[int(family) - 1], int(number)

    def _signing_key(self) -> keys.SigningKey:
        self._key = self._key or keys.SigningKey.generate("ES256")
        return self._key


class _World(ScriptedWorld):
    def __init__(self, issuer: StrictIssuer, time: FakeTime) -> None:
        super().__init__({}, time)
        self._issuer = issuer

    async def send(self, request: Request) -> Response:
        self.sent.append((self.time.passed, request))
        self.meanwhile.get(request.path, lambda: None)()
        return self._issuer.send(request)


class _IssuerServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # enough for tests with a hundred processes

    def __init__(self, issuer: StrictIssuer) -> None:
        class IssuerHandler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = tuple((name.lower(), value) for name, value in self.headers.items())
                request = Request(self.command, f"{issuer.issuer}{self.path[1:]}", headers, body)
                response = issuer.send(request)
                try:
                    self.send_response(response.status)
                    for name, value in response.headers:
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(response.body)))
                    self.end_headers()
                    self.wfile.write(response.body)
                except OSError:  # a test has killed the client
                    self.close_connection = True

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        super().__init__(("127.0.0.1", 0), IssuerHandler)


def expired(stored: StoredLogin) -> StoredLogin:
    """Return a copy of a login whose access token has expired."""
    return replace(stored, expires_at=stored.obtained_at - timedelta(hours=1))
