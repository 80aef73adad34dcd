"""An issuer and an API on this machine that say what a test wants, and `keyfob` run against them."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.stored_login import StoredLogin
from keyfob.login import App
from keyfob.protocol.secret import Secret
from keyfob.run import run
from tests.loopback import Answer, Loopback, says, serving

WELL_KNOWN = "/.well-known/openid-configuration"


def as_json(status: int, **members: object) -> Answer:
    return says(status, json.dumps(members).encode(), content_type="application/json")


def in_turn(*answers: Answer) -> Answer:
    """One after the other; the last again and again."""
    left = list(answers)

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler, body)

    return answer


def granted(**changed: object) -> Answer:
    members: dict[str, object] = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600}
    return as_json(200, **(members | {"refresh_token": "rt-1"} | changed))


PENDING = as_json(400, error="authorization_pending")


@contextmanager
def issuer(*polls: Answer, **more: Answer) -> Generator[Loopback]:
    """An issuer whose token endpoint gives these answers; `more` are other paths."""

    def metadata(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url = server.url
        endpoints = {
            "token_endpoint": f"{url}/token",
            "device_authorization_endpoint": f"{url}/device",
            "revocation_endpoint": f"{url}/revoke",
        }
        if "userinfo" in more:
            endpoints["userinfo_endpoint"] = f"{url}/userinfo"
        as_json(200, issuer=f"{url}/", **endpoints)(handler, body)

    def codes(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        shown = {"user_code": "WDJB-MJHT", "verification_uri": f"{server.url}/activate", "expires_in": 600}
        as_json(200, device_code="the-device-code", interval=0, **shown)(handler, body)

    paths = {WELL_KNOWN: metadata, "/device": codes, "/token": in_turn(*(polls or (granted(),))), "/revoke": says(200)}
    with serving(paths | {f"/{name}": answer for name, answer in more.items()}) as server:
        yield server


def keep_login(server: Loopback, *scopes: str, expires_in: float = 3600) -> None:
    """What a login at this issuer would have left in the vault, without the wait for it."""
    profile = App(issuer=f"{server.url}/", client_id="cli", scopes=scopes, profile="default").profile
    now = datetime.now(UTC)
    stored = StoredLogin(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=None,
        token_endpoint=f"{server.url}/token",
        revocation_endpoint=f"{server.url}/revoke",
        access_token=Secret("at-1"),
        expires_at=now + timedelta(seconds=expires_in),
        scope=profile.scope | profile.added_scope,
        obtained_at=now,
        refresh_token=Secret("rt-1"),
    )
    run(FileVault().save(profile.name, stored))
    ProfileFiles().save(profile)
