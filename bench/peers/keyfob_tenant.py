"""Run a keyfob server for bench/tenant.py as `keyfob serve` does, on SQLite or on the database of a URL.

The server reloads changed settings and keys, and writes its audit log. It first prints as JSON its port, and refresh
tokens for the benchmark.
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from keyfob.protocol.grants import DEVICE_CODE, PASSWORD, REFRESH_TOKEN
from keyfob.protocol.http import form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Application, Tenant, bind, run, url_of
from keyfob.server.io.audit import place_of
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.pair import Pair

EMAIL, WORD = "bench@example.com", "correct horse battery staple"


def main(folder: Path, count: int, database: str) -> None:
    """Serve until killed."""
    listener = bind("127.0.0.1", 0)
    ready = example_config(url_of(listener))
    bench = Application("bench", "Bench", grants=(DEVICE_CODE, REFRESH_TOKEN, PASSWORD))
    # All requests come from one address, and all logins belong to one user. No poll is too early: oidc-provider and
    # zitadel/oidc never answer slow_down.
    config = replace(
        ready,
        applications=(bench, *ready.applications),
        device_requests=10**9,
        requests_per_minute=10**9,
        refresh_limit=10**6,
        device_interval=timedelta(microseconds=1),
    )
    tenant = Tenant.follow(folder, config, audit=place_of("", folder, database), database=database)
    if count:
        asyncio.run(tenant.add_user(EMAIL, Secret(WORD), "Pat"))
    pair = Pair({config.origin: tenant.app})
    parameters = {"grant_type": PASSWORD, "client_id": "bench", "username": EMAIL, "password": WORD, "audience": ORDERS}
    request = form_request(f"{config.issuer}oauth/token", {**parameters, "scope": "offline_access read:orders"})
    refresh = [json.loads(pair.send(request).body)["refresh_token"] for _ in range(count)]
    sys.stdout.write(json.dumps({"port": listener.getsockname()[1], "refresh": refresh}) + "\n")
    sys.stdout.flush()
    run(tenant, listener)


main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
