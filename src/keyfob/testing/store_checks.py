"""What every store must do. Give these checks yours: each takes a function that opens an empty one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from keyfob.protocol.scope import Scope
from keyfob.server.decide.device import Issue, decide_poll
from keyfob.server.ports import Store, Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, RefreshLogin, StoredKey, User
from keyfob.testing.fake_time import NOON

Check = Callable[[Store], Awaitable[None]]
CODE: Final = b"device code hash"
LOGIN: Final = DeviceLogin(
    CODE, b"user code hash", "program", "https://api.example/", Scope.of(["a", "b"]), "192.0.2.7", NOON,
    NOON + timedelta(minutes=15),
)  # fmt: skip
REFRESH: Final = RefreshLogin(
    b"login id", "program", "auth0|1", "https://api.example/", Scope.of(["a"]), NOON, NOON,
    NOON + timedelta(days=365), NOON + timedelta(days=30), 1, (b"current".ljust(32),),
)  # fmt: skip
USER: Final = User("auth0|1", "Person@Example.com", "Pat", "$argon2id$...", NOON)
SESSION: Final = BrowserSession(b"session hash", NOON, NOON, "auth0|1", NOON, CODE, "allowed")
KEY: Final = StoredKey("kid", "RS256", b"sealed", NOON)


async def what_is_saved_is_found_again(store: Store) -> None:
    """Every field of every record survives."""

    def save(transaction: Transaction) -> None:
        assert transaction.add_device(LOGIN)
        transaction.save_refresh(REFRESH)
        transaction.save_user(USER)
        transaction.save_session(SESSION)
        transaction.add_key(KEY)

    await store.write(save)
    moved = replace(LOGIN, stage="approved", session_hash=b"s", user_id="auth0|1", auth_time=NOON)
    await store.write(lambda transaction: transaction.save_device(moved))
    assert await store.read(lambda transaction: transaction.device_by_code(CODE)) == moved
    assert await store.read(lambda transaction: transaction.device_by_user_code(LOGIN.user_code_hash)) == moved
    assert await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id)) == REFRESH
    assert await store.read(lambda transaction: transaction.user_by_id(USER.user_id)) == USER
    assert await store.read(lambda transaction: transaction.session(SESSION.session_hash)) == SESSION
    assert await store.read(lambda transaction: transaction.signing_keys()) == (KEY,)


async def what_was_never_saved_is_not_found(store: Store) -> None:
    """None, not an error."""
    assert await store.read(lambda transaction: transaction.device_by_code(b"x")) is None
    assert await store.read(lambda transaction: transaction.device_by_user_code(b"x")) is None
    assert await store.read(lambda transaction: transaction.refresh_by_id(b"x")) is None
    assert await store.read(lambda transaction: transaction.user_by_id("x")) is None
    assert await store.read(lambda transaction: transaction.user_by_email("x")) is None
    assert await store.read(lambda transaction: transaction.session(b"x")) is None


async def an_email_is_found_in_any_case(store: Store) -> None:
    """People write their address as they like."""
    await store.write(lambda transaction: transaction.save_user(USER))
    assert await store.read(lambda transaction: transaction.user_by_email("pERSON@example.COM")) == USER


async def a_user_code_is_given_once(store: Store) -> None:
    """Two live logins never share one."""
    twin = replace(LOGIN, device_code_hash=b"another")
    assert await store.write(lambda transaction: transaction.add_device(LOGIN))
    assert not await store.write(lambda transaction: transaction.add_device(twin))
    assert await store.read(lambda transaction: transaction.device_by_code(b"another")) is None


async def work_that_raises_leaves_nothing_behind(store: Store) -> None:
    """All of a transaction, or none of it.

    Raises:
        AssertionError: The store swallowed the error.
    """

    def fail(transaction: Transaction) -> None:
        transaction.add_device(LOGIN)
        raise LookupError

    try:
        await store.write(fail)
    except LookupError:
        found = await store.read(lambda transaction: transaction.device_by_code(CODE))
        assert found is None
        assert await store.write(lambda transaction: transaction.add_device(LOGIN))
        return
    raise AssertionError


async def work_that_raises_spoils_nobody_elses(store: Store) -> None:
    """What is written at the same time by others stays."""

    def fail(transaction: Transaction) -> bool:
        transaction.save_user(USER)
        raise LookupError

    def add(transaction: Transaction, number: int) -> bool:
        name = bytes([number])
        return transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name))

    works: list[Callable[[Transaction], bool]] = [
        fail if number % 3 == 0 else partial(add, number=number) for number in range(30)
    ]
    done = await asyncio.gather(*(store.write(work) for work in works), return_exceptions=True)
    assert [isinstance(outcome, LookupError) for outcome in done] == [number % 3 == 0 for number in range(30)]
    assert await store.read(lambda transaction: transaction.user_by_id(USER.user_id)) is None
    for number in range(30):
        found = await store.read(partial(_device, name=bytes([number])))
        assert (found is None) == (number % 3 == 0)


def _device(transaction: Transaction, name: bytes) -> DeviceLogin | None:
    return transaction.device_by_code(name)


async def twenty_polls_at_once_give_one_token(store: Store) -> None:
    """Of many who find a login approved, one redeems it."""
    approved = replace(LOGIN, stage="approved", user_id="auth0|1", auth_time=NOON)
    await store.write(lambda transaction: transaction.add_device(approved))

    def redeem(transaction: Transaction) -> bool:
        decision = decide_poll(transaction.device_by_code(CODE), "program", NOON)
        if not isinstance(decision, Issue):
            return False
        transaction.save_device(decision.login)
        return True

    assert sum(await asyncio.gather(*(store.write(redeem) for _ in range(20)))) == 1


async def twenty_rotations_at_once_happen_one_after_the_other(store: Store) -> None:
    """No update is lost."""
    await store.write(lambda transaction: transaction.save_refresh(REFRESH))

    def rotate(transaction: Transaction) -> int:
        login = transaction.refresh_by_id(REFRESH.login_id)
        assert login is not None
        transaction.save_refresh(replace(login, generation=login.generation + 1))
        return login.generation

    seen = await asyncio.gather(*(store.write(rotate) for _ in range(20)))
    assert sorted(seen) == list(range(1, 21))


async def a_sweep_takes_what_has_lapsed_and_no_more_than_it_may(store: Store) -> None:
    """Live rows stay; a just lapsed code is still known as lapsed."""

    def fill(transaction: Transaction) -> None:
        for number in range(5):
            name = bytes([number])
            transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name))
        transaction.save_refresh(REFRESH)

    await store.write(fill)
    just_lapsed, long_lapsed = LOGIN.expires_at + timedelta(minutes=1), LOGIN.expires_at + timedelta(days=1)
    assert await store.write(lambda transaction: transaction.sweep(just_lapsed, 10)) == 0
    assert await store.write(lambda transaction: transaction.sweep(long_lapsed, 3)) == 3
    assert await store.write(lambda transaction: transaction.sweep(long_lapsed, 10)) == 2
    assert await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id)) == REFRESH


CHECKS: Final[tuple[Check, ...]] = (
    what_is_saved_is_found_again,
    what_was_never_saved_is_not_found,
    an_email_is_found_in_any_case,
    a_user_code_is_given_once,
    work_that_raises_leaves_nothing_behind,
    work_that_raises_spoils_nobody_elses,
    twenty_polls_at_once_give_one_token,
    twenty_rotations_at_once_happen_one_after_the_other,
    a_sweep_takes_what_has_lapsed_and_no_more_than_it_may,
)
