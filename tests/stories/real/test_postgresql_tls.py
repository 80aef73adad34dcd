"""TLS to a real PostgreSQL server: what is trusted, and how a certificate that is not is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyfob.errors import StoreUnavailable
from keyfob.server.io.postgresql import PostgresStore
from tests.postgres import FAST, programs, running
from tests.stories.real.proxies import free_port
from tests.tls import Ground


@pytest.fixture
def server() -> Iterator[tuple[str, Path]]:
    """Start a server whose certificate is for 127.0.0.1; yield its address and its authority."""
    if programs() is None:
        pytest.skip("no PostgreSQL here")
    # Not in `tmp_path`, which the server cannot enter if it runs as another user.
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        ground = Ground.at(folder)
        certificate, key = ground.server.lay(folder, "server")
        if os.geteuid() == 0:
            for path in (certificate, key):
                shutil.chown(path, "nobody")
        words = ("-h", "127.0.0.1", "-p", str(port), "-c", "ssl=on", "-c", f"ssl_cert_file={certificate}")
        with running((*FAST, *words, "-c", f"ssl_key_file={key}")):
            yield f"postgresql://keyfob@127.0.0.1:{port}/postgres", ground.ca


def use(url: str) -> None:
    async def run() -> None:
        store = PostgresStore(url)
        try:
            await store.read(lambda transaction: transaction.users())
        finally:
            await store.close()

    asyncio.run(run())


def test_a_server_with_a_valid_certificate_is_used(server: tuple[str, Path]) -> None:
    address, authority = server
    use(f"{address}?sslmode=verify-full&sslrootcert={authority}")


def test_a_certificate_that_is_not_valid_is_told_as_such(server: tuple[str, Path]) -> None:
    address, _ = server
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        use(f"{address}?sslmode=verify-full")
