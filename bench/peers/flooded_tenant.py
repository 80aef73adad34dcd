"""Run a keyfob server on SQLite for bench/floods.py, with its usual limits. It first prints its port."""

import asyncio
import sys
from pathlib import Path

from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, bind, run, url_of
from keyfob.testing.example_tenant import example_config

EMAIL, WORD = "person@example.com", "correct horse battery staple"


def main(folder: Path) -> None:
    """Serve until killed."""
    listener = bind("127.0.0.1", 0)
    tenant = Tenant.open(folder, example_config(url_of(listener)))
    asyncio.run(tenant.add_user(EMAIL, Secret(WORD), "Pat"))
    print(listener.getsockname()[1], flush=True)
    run(tenant, listener)


main(Path(sys.argv[1]))
