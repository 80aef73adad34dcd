"""Checks of the most frequent reads, which every store must pass; `store_checks.CHECKS` contains these checks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final

from keyfob.server.ports import Store, Transaction
from keyfob.server.records import DeviceLogin, RefreshLogin, Stage, User
from keyfob.testing.example_records import CODE, LOGIN, REFRESH, USER

_STAGES: Final[tuple[Stage, ...]] = ("waiting", "confirmed", "denied", "waiting", "approved")


async def a_login_is_found_with_its_user(store: Store) -> None:
    """The store returns a login and its user, (login, None) if the user was deleted, and None for an unknown login."""
    await store.write(lambda transaction: transaction.save_user(USER))
    await store.write(lambda transaction: transaction.save_refresh(REFRESH))
    await store.write(lambda transaction: transaction.save_refresh(replace(REFRESH, login_id=b"x", user_id="gone")))
    found = [await store.read(partial(_with_user, login_id=name)) for name in (REFRESH.login_id, b"x", b"y")]
    assert found == [(REFRESH, USER), (replace(REFRESH, login_id=b"x", user_id="gone"), None), None]


async def _with_user(transaction: Transaction, login_id: bytes) -> tuple[RefreshLogin, User | None] | None:
    return await transaction.refresh_with_user(login_id)


async def a_poll_is_told_what_was_saved_before_it(store: Store) -> None:
    """A poll reads each change of a login immediately after the change was saved."""
    for stage in _STAGES:
        login = replace(LOGIN, stage=stage)
        await store.write(partial(_save_device, login=login))
        for _ in range(3):
            assert await store.read(partial(_poll, name=CODE)) == login
    assert await store.read(partial(_poll, name=b"x")) is None


async def _save_device(transaction: Transaction, login: DeviceLogin) -> None:
    await transaction.save_device(login)


async def _poll(transaction: Transaction, name: bytes) -> DeviceLogin | None:
    return await transaction.polled_device(name)


async def what_was_never_saved_is_not_found(store: Store) -> None:
    assert await store.read(lambda transaction: transaction.device_by_code(b"x")) is None
    assert await store.read(lambda transaction: transaction.device_by_user_code(b"x")) is None
    assert await store.read(lambda transaction: transaction.refresh_by_id(b"x")) is None
    assert await store.read(lambda transaction: transaction.user_by_id("x")) is None
    assert await store.read(lambda transaction: transaction.user_by_email("x")) is None
    assert await store.read(lambda transaction: transaction.session(b"x")) is None


HOT_CHECKS: Final[tuple[Callable[[Store], Awaitable[None]], ...]] = (
    a_login_is_found_with_its_user,
    a_poll_is_told_what_was_saved_before_it,
    what_was_never_saved_is_not_found,
)
