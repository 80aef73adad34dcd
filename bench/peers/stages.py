"""Measure the stages of requests in the keyfob that is imported; bench/stages.py starts this for each source tree.

The program first prints the names of the requests and stages as JSON. For each line of stdin with a name, it makes many
batches of 8 or 32 calls, and prints the processor time of one call in the fastest batch, in seconds, over all threads.
A batch is so short that it is seldom interrupted by another program.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from keyfob.protocol.grants import DEVICE_CODE, PASSWORD, REFRESH_TOKEN, TokenRequest
from keyfob.protocol.http import FORM, Request
from keyfob.protocol.secret import Secret
from keyfob.serve import Application, Tenant
from keyfob.server.decide.access import decide_client_access
from keyfob.server.endpoints.oauth.client_request import ClientRequest, authenticate, check_dpop
from keyfob.server.endpoints.oauth.parameters import read_parameters
from keyfob.server.endpoints.oauth.token import token
from keyfob.server.endpoints.oauth.token_credentials import issue_to_client
from keyfob.server.endpoints.oauth.token_device import poll
from keyfob.server.endpoints.routes import handle
from keyfob.server.issue import TOKEN_ID_BYTES, TokenContent
from keyfob.server.keyed_hash import keyed_hash
from keyfob.testing.example_tenant import ORDERS, SECRET, STOCK, example_config

ISSUER, PEER = "http://127.0.0.1:8790/", "127.0.0.1"
EMAIL, WORD = "bench@example.com", "correct horse battery staple"
AT_ONCE, LOGINS, BATCHES, CALLS, EVENTS = 32, 64, 24, 8, 64
Job = Callable[[int], Awaitable[None]]


class Bench:
    """A tenant as in `keyfob serve`, with its audit log in a file, and requests in the form of an ASGI server."""

    def __init__(self, folder: Path) -> None:
        config = example_config(ISSUER)
        bench = Application("bench", "Bench", grants=(DEVICE_CODE, REFRESH_TOKEN, PASSWORD))
        # All requests come from one address, and no poll is too early.
        self.config = replace(
            config, applications=(bench, *config.applications), device_requests=10**9, requests_per_minute=10**9,
            refresh_limit=10**6, device_interval=timedelta(microseconds=1),
        )  # fmt: skip
        self.tenant = Tenant.follow(folder, self.config, audit=folder / "audit.jsonl")
        asyncio.run(self.tenant.add_user(EMAIL, Secret(WORD), "Pat"))
        self.app, self.site = self.tenant.app, self.tenant._site  # noqa: SLF001  the stages are inside
        self.refresh: list[str] = []
        self.codes: list[str] = []

    async def fill(self) -> None:
        """Log in and begin device logins, so that they can be refreshed and polled."""
        fields = {"client_id": "bench", "username": EMAIL, "password": WORD, "audience": ORDERS}
        login = self.post(grant_type=PASSWORD, scope="offline_access read:orders", **fields)
        self.refresh = [json.loads(await login())["refresh_token"] for _ in range(AT_ONCE + 1)]
        self.codes = [json.loads(await self.begin()())["device_code"] for _ in range(LOGINS)]

    def post(self, path: str = "/oauth/token", **fields: str) -> Callable[[], Awaitable[bytes]]:
        """Return a request through the ASGI application."""
        return partial(self.ask, "POST", path, urlencode(fields).encode())

    def begin(self) -> Callable[[], Awaitable[bytes]]:
        return self.post("/oauth/device/code", client_id="bench", scope="offline_access", audience=ORDERS)

    async def ask(self, method: str, path: str, body: bytes) -> bytes:
        """Send one request, and return the body of its answer."""
        answer: list[bytes] = []
        incoming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, object]:
            if not incoming:
                await asyncio.Event().wait()  # the sender stays until the response
            return incoming.pop()

        async def send(message: dict[str, object]) -> None:
            answer.append(message.get("body", b""))

        scope = {
            "type": "http", "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": _headers(body), "client": (PEER, 50000),
        }  # fmt: skip
        await self.app(scope, receive, send)
        return answer[-1]

    async def settle(self) -> None:
        """Wait until all events are written."""
        while getattr(self.site.audit, "_waiting", ()):  # noqa: ASYNC110  older trees have no event for it
            await asyncio.sleep(0.01)


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    length = str(len(body)).encode()
    return [(b"host", b"127.0.0.1:8790"), (b"content-type", FORM.encode()), (b"content-length", length)]


def _mint(bench: Bench, audience: str, scope: str) -> Job:
    fields = {"client_id": "machine", "client_secret": SECRET.reveal(), "resource": audience, "scope": scope}
    return _again(bench.post(grant_type="client_credentials", **fields))


def works(bench: Bench) -> dict[str, Job]:
    """Return the calls that make whole requests."""
    asks = cycle([bench.post(grant_type=DEVICE_CODE, client_id="bench", device_code=code) for code in bench.codes])

    async def polls(number: int) -> None:
        for _ in range(number):
            await next(asks)()

    async def refresh(place: int) -> None:
        own = {"grant_type": REFRESH_TOKEN, "client_id": "bench", "refresh_token": bench.refresh[place]}
        bench.refresh[place] = json.loads(await bench.post(**own)())["refresh_token"]

    async def refreshes(number: int) -> None:
        for _ in range(number):
            await refresh(AT_ONCE)

    async def refreshes_together(number: int) -> None:
        for _ in range(number // AT_ONCE):
            await asyncio.gather(*map(refresh, range(AT_ONCE)))

    async def begins_together(number: int) -> None:
        begin = bench.begin()
        for _ in range(number // AT_ONCE):
            await asyncio.gather(*(begin() for _ in range(AT_ONCE)))

    return {
        "healthz": _again(partial(bench.ask, "GET", "/healthz", b"")),
        "pending poll": polls,
        "mint ES256": _mint(bench, STOCK, "read:stock"),
        "mint RS256": _mint(bench, ORDERS, "read:orders"),
        "device request": _again(bench.begin()),
        f"device request, {AT_ONCE} at once": begins_together,
        "refresh with rotation": refreshes,
        f"refresh with rotation, {AT_ONCE} at once": refreshes_together,
    }


async def stages(bench: Bench) -> dict[str, Job]:
    """Return the stages of a poll and of a client credentials request. The first four stages contain the others."""
    site, config = bench.site, bench.site.config
    found: dict[str, Job] = {}
    fields = {"grant_type": DEVICE_CODE, "client_id": "bench", "device_code": bench.codes[0]}
    call, grant = await _outer("poll", bench, fields, found)
    code_hash = keyed_hash(site.hash_keys.codes, grant.device_code)
    found["poll: its grant"] = _again(partial(poll, call, grant))
    found["poll: store read"] = _again(lambda: site.store.read(lambda one: one.device_by_code(code_hash)))
    found["poll: answer"] = _plain(partial(call.refuse, "pending", interval="5"))
    machine = {"client_id": "machine", "client_secret": SECRET.reveal(), "resource": STOCK, "scope": "read:stock"}
    call, grant = await _outer("mint", bench, {"grant_type": "client_credentials", **machine}, found)
    access = decide_client_access(config, call.application, grant)
    content = TokenContent(
        call.application, access.api, access.scope, permissions=tuple(sorted(access.scope.names)),
        grant="client-credentials",
    )  # fmt: skip
    random = site.random(TOKEN_ID_BYTES)
    issued = site.token_issuer.issue(content, call.now, random)
    found["mint: its grant"] = _plain(partial(issue_to_client, call, grant))
    found["mint: decide access"] = _plain(partial(decide_client_access, config, call.application, grant))
    found["mint: claims and signature"] = _plain(partial(site.token_issuer.issue, content, call.now, random))
    found["mint: event"] = _plain(partial(call.note, "seccft", audience=STOCK))
    found[f"mint: {EVENTS} events and their writing"] = partial(_write_events, bench, call)
    found["mint: answer"] = _plain(partial(call.token_response, issued))
    found["bare ES256"] = _plain(_bare(site, "ES256"))
    found["bare RS256"] = _plain(_bare(site, "RS256"))
    return found


async def _outer(
    name: str, bench: Bench, fields: dict[str, str], found: dict[str, Job]
) -> tuple[ClientRequest, object]:
    """Add the stages of every request to the token endpoint. Return the authenticated request and its grant."""
    site, body = bench.site, urlencode(fields).encode()
    headers = tuple((key.decode(), value.decode()) for key, value in _headers(body))
    request = Request("POST", "/oauth/token", headers, body, PEER)
    parameters = read_parameters(request)
    grant = TokenRequest.read(parameters).grant
    call = await authenticate(site, request, parameters)
    assert isinstance(call, ClientRequest)
    found[f"{name}: whole"] = _again(partial(bench.ask, "POST", "/oauth/token", body))
    found[f"{name}: without ASGI"] = _again(partial(bench.app.answer, request))
    found[f"{name}: without reload"] = _again(partial(handle, site, request))
    found[f"{name}: without policy"] = _again(partial(token, site, request))
    found[f"{name}: parameters"] = _plain(partial(read_parameters, request))
    found[f"{name}: grant"] = _plain(partial(TokenRequest.read, parameters))
    found[f"{name}: client"] = _again(partial(authenticate, site, request, parameters))
    found[f"{name}: proof"] = _again(partial(check_dpop, call))
    return call, grant


async def _write_events(bench: Bench, call: ClientRequest, number: int) -> None:
    """Create events and wait until they are written. A tenant writes events later and in batches."""
    for _ in range(number * EVENTS):
        call.note("seccft", audience=STOCK)
    await bench.settle()


def _bare(site: object, algorithm: str) -> Callable[[], bytes]:
    handle, message = site.tenant_keys.signers[algorithm].handle, b"x" * 400
    if algorithm == "ES256":
        return partial(handle.sign, message, ec.ECDSA(hashes.SHA256()))
    return partial(handle.sign, message, padding.PKCS1v15(), hashes.SHA256())


def _again(once: Callable[[], Awaitable[object]]) -> Job:
    async def run(number: int) -> None:
        for _ in range(number):
            await once()

    return run


def _plain(once: Callable[[], object]) -> Job:
    async def run(number: int) -> None:
        for _ in range(number):
            once()

    return run


async def main(bench: Bench) -> None:
    """Measure the calls that the lines of stdin name."""
    await bench.fill()
    found = {"works": works(bench), "stages": await stages(bench)}
    jobs = {name: job for group in found.values() for name, job in group.items()}
    print(json.dumps({group: list(names) for group, names in found.items()}), flush=True)
    for line in sys.stdin:
        name, least = line.rstrip("\n"), float("inf")
        calls = AT_ONCE if "at once" in name else CALLS
        for _ in range(BATCHES * CALLS // calls):
            start = time.process_time()
            await jobs[name](calls)
            least = min(least, time.process_time() - start)
        print(least / calls, flush=True)
        await bench.settle()


asyncio.run(main(Bench(Path(sys.argv[1]))))
