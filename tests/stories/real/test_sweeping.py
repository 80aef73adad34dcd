"""Expired rows go by time: a server that nobody asks anything deletes them too."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from datetime import timedelta

from keyfob.serve import Running, bind
from keyfob.server.ports import Transaction
from keyfob.testing.example_records import CODE, LOGIN
from keyfob.testing.scene import Scene
from tests.server.wires import stored

ROWS = 1200  # more than one batch


def test_expired_rows_are_deleted_without_any_request() -> None:
    scene = Scene()

    async def add(transaction: Transaction) -> None:
        for number in range(ROWS):
            one = replace(
                LOGIN, device_code_hash=CODE + number.to_bytes(2, "big"), user_code_hash=number.to_bytes(2, "big")
            )
            await transaction.add_device(replace(one, expires_at=scene.time.now()))

    asyncio.run(scene.store.write(add))
    scene.time._time.wait(timedelta(hours=2))
    served = Running(scene.tenant.app, bind("127.0.0.1", 0))
    try:
        until = time.monotonic() + 30
        while stored(scene)["device_login"]:
            assert time.monotonic() < until
            threading.Event().wait(0.05)
    finally:
        served.stop()
