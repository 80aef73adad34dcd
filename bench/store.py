"""Measure device requests, pending polls and refreshes without sockets, with SQLite in a file and in memory."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from measure import show

from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, ready_config
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person

ISSUER = "https://login.example/"
EMAIL, PASSWORD = "person@example.com", "correct horse battery staple"
ROUNDS, CALLS, AT_ONCE = 7, 300, 32


def main() -> None:
    """Print calls per second. `raw signing` is one RS256 signature, as in a refresh without an ID token."""
    key = SigningKey.generate("RS256")
    start = time.perf_counter()
    for _ in range(CALLS):
        sign({"sub": "x"}, key, token_type="JWT")
    taken = {"raw signing, RS256": (time.perf_counter() - start) / CALLS}
    config = replace(ready_config(ISSUER), device_requests=10**9, requests_per_minute=10**9)  # all from one address
    with tempfile.TemporaryDirectory() as folder:
        tenants = {
            "memory": Tenant.in_memory(config, audit=lambda _: None),
            "SQLite": Tenant.open(Path(folder), config),
        }
        for name, tenant in tenants.items():
            taken |= {f"{work}, {name}": seconds for work, seconds in _measure(tenant).items()}
            tenant.close()
    show(taken, beside="raw signing, RS256")


def _measure(tenant: Tenant) -> dict[str, float]:
    asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))
    pair = Pair({"https://login.example": tenant.app})
    begin = form_request("/oauth/device/code", {"client_id": READY_CLIENT_ID, "scope": "openid offline_access"})
    absolute = form_request(f"{ISSUER}oauth/device/code", {"client_id": READY_CLIENT_ID, "scope": "offline_access"})
    pending = json.loads(pair.send(absolute).body)
    approved = json.loads(pair.send(absolute).body)
    person = Person(pair.send)
    person.open(approved["verification_uri_complete"])
    person.press("confirm")
    person.press("login", email=EMAIL, password=PASSWORD)
    stored = {"token": json.loads(pair.send(_poll(ISSUER, approved["device_code"])).body)["refresh_token"]}

    def refresh() -> Request:
        parameters = {"client_id": READY_CLIENT_ID, "grant_type": "refresh_token", "refresh_token": stored["token"]}
        return form_request("/oauth/token", parameters)

    def save(response: Response) -> None:
        stored["token"] = json.loads(response.body)["refresh_token"]

    poll = _poll("/", pending["device_code"])
    return {
        "device request": asyncio.run(_time(tenant, lambda: begin, lambda _: None)),
        f"device request, {AT_ONCE} at once": asyncio.run(_time_together(tenant, begin)),
        "pending poll": asyncio.run(_time(tenant, lambda: poll, lambda _: None)),
        "refresh with rotation": asyncio.run(_time(tenant, refresh, save)),
    }


def _poll(base: str, code: str) -> Request:
    parameters = {"client_id": READY_CLIENT_ID, "grant_type": DEVICE_CODE, "device_code": code}
    return form_request(f"{base}oauth/token", parameters)


async def _time_together(tenant: Tenant, request: Request) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS // AT_ONCE):
            await asyncio.gather(*(tenant.app.answer(request) for _ in range(AT_ONCE)))
        best = min(best, (time.perf_counter() - start) / (CALLS // AT_ONCE * AT_ONCE))
    return best


async def _time(tenant: Tenant, make: Callable[[], Request], receive: Callable[[Response], None]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            receive(await tenant.app.answer(make()))
        best = min(best, (time.perf_counter() - start) / CALLS)
    return best
