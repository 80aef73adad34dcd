"""GET /healthz and /readyz: whether this process is alive, and whether it can use its store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import KeyfobError
from keyfob.protocol.http import NO_STORE, Request, Response, json_response
from keyfob.server.ports import Transaction
from keyfob.server.records import Tries
from keyfob.server.site import Site

CHECKED_EVERY: Final = timedelta(seconds=1)
SLOW: Final = timedelta(seconds=5)


async def health(_: Site, __: Request) -> Response:
    """Report that the process is alive.

    The store is not checked: a monitor restarts a process that fails this check, but no restart repairs the store.
    """
    return json_response(200, {"status": "ok"}, headers=NO_STORE)


async def ready(site: Site, _: Request) -> Response:
    """Report whether the store can be read and written.

    At most one check runs at a time, and a check begins at the earliest one second after the previous check ended. A
    request that begins no check gets the result of the previous check. If a check is running and has taken long, the
    request gets a failure.
    """
    state, now = site.readiness, site.now()
    if state.checking_since is not None and state.checking_since <= now:
        is_slow = now - state.checking_since > SLOW
        return _answer("store-slow" if is_slow else state.reason)
    if state.checked_at is None or not state.checked_at <= now < state.checked_at + CHECKED_EVERY:
        state.checking_since = now
        try:
            state.reason = await _failure(site, now)
        finally:
            state.checking_since, state.checked_at = None, site.now()
    return _answer(state.reason)


def _answer(reason: str) -> Response:
    if reason:
        return json_response(
            503, {"status": "unavailable", "reason": reason}, headers=(*NO_STORE, ("retry-after", "1"))
        )
    return json_response(200, {"status": "ok"}, headers=NO_STORE)


async def _failure(site: Site, now: datetime) -> str:
    """Read and write the store. Return the code of the failure, or ""."""

    async def write(transaction: Transaction) -> None:
        await transaction.save_tries(Tries(b"health", 0, now, now + SLOW))

    try:
        await site.store.read(lambda transaction: transaction.signing_keys())
    except Exception as problem:  # noqa: BLE001  each kind of store has its own errors
        return _code(problem, "store-unreadable")
    try:
        await site.store.write(write)
    except Exception as problem:  # noqa: BLE001  such as a full disk
        return _code(problem, "store-unwritable")
    return ""


def _code(problem: Exception, otherwise: str) -> str:
    return problem.code if isinstance(problem, KeyfobError) else otherwise
