"""What a scripted issuer says."""

from datetime import UTC, datetime, timedelta

from keyfob.client.auth.client_auth import OAuthClient
from keyfob.client.model.login_state import PendingLogin
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import CodeShown
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.testing.fake_time import NOON

ISSUER = "https://login.example/"
CLIENT = "cli"
API = "https://api.example"
METADATA = ServerMetadata(
    issuer=ISSUER,
    token_endpoint="https://login.example/token",
    jwks_uri="https://login.example/jwks",
    device_authorization_endpoint="https://login.example/device",
    revocation_endpoint="https://login.example/revoke",
)
PROFILE = Profile("default", ISSUER, CLIENT, API, Scope.of(["openid", "read:orders"]))
DOCUMENT = json_response(200, METADATA.write())
OPENID = "/.well-known/openid-configuration"
PAGE = Response(200, (("content-type", "text/html"),), b"<html>Welcome to the hotel</html>")


def client() -> OAuthClient:
    """A public one."""
    return OAuthClient(CLIENT, ISSUER)


def context(issuer: str) -> Profile:
    return Profile("default", issuer, CLIENT)


def codes(**changed: object) -> Response:
    members: dict[str, object] = {
        "device_code": "the-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://login.example/activate",
        "expires_in": 900,
        "interval": 5,
    }
    return json_response(200, {name: value for name, value in (members | changed).items() if value is not None})


def tokens(**changed: object) -> Response:
    members: dict[str, object] = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600}
    return json_response(200, {name: value for name, value in (members | changed).items() if value is not None})


def error(code: str, status: int = 400, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    answer = json_response(status, {"error": code})
    return Response(answer.status, answer.headers + headers, answer.body)


PENDING = error("authorization_pending")
SLOW_DOWN = error("slow_down")


def pending(interval: float = 5, expires_in: float = 900, wall: datetime = NOON) -> PendingLogin:
    left = timedelta(seconds=expires_in)
    shown = CodeShown("WDJB-MJHT", "https://login.example/activate", None, left, wall + left)
    return PendingLogin(
        PROFILE,
        METADATA.token_endpoint,
        Secret("the-device-code"),
        None,
        timedelta(seconds=interval),
        Moment(wall + left, left),
        shown,
    )


def stored(expires_in: float | None = 3600, refresh: str | None = "rt-1", token: str = "at-1") -> StoredLogin:
    return StoredLogin(
        issuer=ISSUER,
        client_id=CLIENT,
        audience=API,
        token_endpoint=METADATA.token_endpoint,
        revocation_endpoint=METADATA.revocation_endpoint,
        access_token=Secret(token),
        expires_at=None if expires_in is None else NOON + timedelta(seconds=expires_in),
        scope=Scope.of(["openid", "read:orders"]),
        obtained_at=NOON,
        refresh_token=None if refresh is None else Secret(refresh),
    )


def long_ago() -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC)
