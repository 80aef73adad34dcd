"""Contract checks for a server store. Each check in `CHECKS` takes an empty store, and raises if the store fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from keyfob.server.decide.device import Issue, decide_poll
from keyfob.server.decide.presented import PresentedRefreshToken
from keyfob.server.decide.refresh import Renew, decide_refresh
from keyfob.server.ports import Store, Transaction, Work
from keyfob.server.records import DeviceLogin
from keyfob.server.settings.registered import RefreshPolicy
from keyfob.testing import event_checks
from keyfob.testing.example_records import (
    AUTHORIZATION,
    CODE,
    CONSENT,
    DOCUMENT,
    FACTOR,
    KEY,
    LOGIN,
    MFA,
    PASSKEY,
    PUSHED,
    REFRESH,
    SESSION,
    STAFF,
    TRIES,
    USER,
)
from keyfob.testing.fake_time import NOON
from keyfob.testing.store_admin_checks import ADMIN_CHECKS
from keyfob.testing.store_hot_checks import HOT_CHECKS

Check = Callable[[Store], Awaitable[None]]


async def what_is_saved_is_found_again(store: Store) -> None:

    async def save(transaction: Transaction) -> None:
        assert await transaction.add_device(LOGIN)
        await transaction.save_refresh(REFRESH)
        await transaction.save_user(USER)
        await transaction.save_session(SESSION)
        await transaction.add_key(KEY)

    await store.write(save)
    moved = replace(
        LOGIN, stage="approved", session_hash=b"s", user_id="auth0|1", auth_time=NOON, challenge="c", nearness="other",
        number_hash=b"n", number_tries=2, login_id=b"login id",
    )  # fmt: skip
    await store.write(lambda transaction: transaction.save_device(moved))
    assert await store.read(lambda transaction: transaction.device_by_code(CODE)) == moved
    assert await store.read(lambda transaction: transaction.device_by_user_code(LOGIN.user_code_hash)) == moved
    assert await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id)) == REFRESH
    assert await store.read(lambda transaction: transaction.user_by_id(USER.user_id)) == USER
    assert await store.read(lambda transaction: transaction.session(SESSION.session_hash)) == SESSION
    assert await store.read(lambda transaction: transaction.signing_keys()) == (KEY,)


async def what_the_other_grants_need_is_found_again(store: Store) -> None:
    """Every record is read as it was stored, both with and without its optional fields."""
    bare = replace(AUTHORIZATION, code_hash=b"bare", challenge=None, nonce=None, key_thumbprint=None, login_id=None)
    twins = replace(REFRESH, current_hashes=(b"1" * 32, b"2" * 32), previous_hashes=(b"3" * 32,), rotated_at=NOON)
    young = replace(MFA, token_hash=b"young", oob_hash=None, binding_hash=None, oob_expires_at=None, is_spent=False)

    async def save(transaction: Transaction) -> None:
        for code in (AUTHORIZATION, bare):
            await transaction.save_code(code)
        for login in (MFA, young):
            await transaction.save_mfa_login(login)
        for user in (USER, STAFF):
            await transaction.save_user(user)
        await transaction.save_refresh(twins)
        await transaction.save_pushed(PUSHED)
        await transaction.save_consent(CONSENT)
        await transaction.save_authenticator(FACTOR)
        await transaction.save_authenticator(PASSKEY)
        await transaction.save_document(DOCUMENT)

    await store.write(save)
    assert await store.read(lambda transaction: transaction.code(b"code hash")) == AUTHORIZATION
    assert await store.read(lambda transaction: transaction.code(b"bare")) == bare
    assert await store.read(lambda transaction: transaction.mfa_login(MFA.token_hash)) == MFA
    assert await store.read(lambda transaction: transaction.mfa_login(b"young")) == young
    assert await store.read(lambda transaction: transaction.refresh_by_id(twins.login_id)) == twins
    assert await store.read(lambda transaction: transaction.pushed(PUSHED.uri_hash)) == PUSHED
    consent = await store.read(lambda transaction: transaction.consent("auth0|1", "program", CONSENT.audience))
    assert consent == CONSENT
    assert await store.read(lambda transaction: transaction.authenticators("auth0|1")) == (FACTOR, PASSKEY)
    assert await store.read(lambda transaction: transaction.authenticator(PASSKEY.authenticator_id)) == PASSKEY
    assert await store.read(lambda transaction: transaction.authenticator("passkey|dev_2")) is None
    assert await store.read(lambda transaction: transaction.documents()) == (DOCUMENT,)
    assert await store.read(lambda transaction: transaction.user_by_email(USER.email, "staff")) == STAFF
    assert await store.read(lambda transaction: transaction.users()) == (USER, STAFF)


async def a_mark_is_used_once(store: Store) -> None:
    """Of many concurrent uses of one replay key, one succeeds. After its expiry, the key can be used again."""
    later = NOON + timedelta(minutes=5)

    async def use(transaction: Transaction) -> bool:
        return await transaction.use_once(b"replay key", later)

    assert sum(await asyncio.gather(*(store.write(use) for _ in range(20)))) == 1
    assert await store.write(lambda transaction: transaction.sweep(later, 10)) == 1
    assert await store.write(use)


async def the_oldest_logins_of_one_person_in_one_program_end_first(store: Store) -> None:
    """Eviction ends the oldest logins of one user in one client, and no other login. A second eviction ends none."""

    async def fill(transaction: Transaction) -> None:
        for number in range(5):
            created = NOON + timedelta(seconds=number)
            await transaction.save_refresh(replace(REFRESH, login_id=bytes([number]), created_at=created))
        await transaction.save_refresh(replace(REFRESH, login_id=b"other", client_id="other"))
        await transaction.save_refresh(replace(REFRESH, login_id=b"another", user_id="auth0|2"))

    async def has_ended(transaction: Transaction, name: bytes) -> bool:
        login = await transaction.refresh_by_id(name)
        assert login is not None
        return login.has_ended

    await store.write(fill)
    evict: Work[int] = lambda transaction: transaction.evict_refreshes("auth0|1", "program", 3)  # noqa: E731
    assert await store.write(evict) == 2
    assert await store.write(evict) == 0
    names = [*(bytes([number]) for number in range(5)), b"other", b"another"]
    ended = [await store.read(partial(has_ended, name=name)) for name in names]
    assert ended == [True, True, False, False, False, False, False]
    await store.write(lambda transaction: transaction.end_logins("auth0|1"))
    ended = [await store.read(partial(has_ended, name=name)) for name in names]
    assert ended == [True] * 6 + [False]


async def a_person_who_goes_takes_what_is_theirs(store: Store) -> None:
    """Deleting a user deletes the sessions, logins, authenticators and consents of this user, and of no other user."""

    async def fill(transaction: Transaction) -> None:
        await transaction.save_user(USER)
        await transaction.save_user(STAFF)
        await transaction.save_session(SESSION)
        await transaction.save_refresh(REFRESH)
        await transaction.save_authenticator(FACTOR)
        await transaction.save_authenticator(PASSKEY)
        await transaction.save_consent(CONSENT)
        await transaction.save_session(replace(SESSION, session_hash=b"other", user_id="auth0|2"))
        await transaction.save_document(DOCUMENT)
        await transaction.drop_document("application", "program")

    await store.write(fill)
    await store.write(lambda transaction: transaction.drop_user("auth0|1"))
    assert await store.read(lambda transaction: transaction.users()) == (STAFF,)
    assert await store.read(lambda transaction: transaction.session(SESSION.session_hash)) is None
    assert await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id)) is None
    assert await store.read(lambda transaction: transaction.authenticators("auth0|1")) == ()
    assert await store.read(lambda transaction: transaction.consent("auth0|1", "program", CONSENT.audience)) is None
    assert await store.read(lambda transaction: transaction.session(b"other")) is not None
    assert await store.read(lambda transaction: transaction.documents()) == ()


async def the_logins_of_one_person_end_together(store: Store) -> None:
    """A user's logins, sessions, codes, approved device logins and pending password logins end together."""
    other = "auth0|2"

    async def fill(transaction: Transaction) -> None:
        for number, user_id in enumerate(("auth0|1", other)):
            name = bytes([number])
            device = replace(LOGIN, device_code_hash=name, user_code_hash=name, user_id=user_id, stage="approved")
            await transaction.add_device(device)
            await transaction.save_refresh(replace(REFRESH, login_id=name, user_id=user_id))
            await transaction.save_session(replace(SESSION, session_hash=name, user_id=user_id))
            await transaction.save_code(replace(AUTHORIZATION, code_hash=name, user_id=user_id))
            await transaction.save_mfa_login(replace(MFA, token_hash=name, user_id=user_id))
        await transaction.save_session(SESSION)

    async def alive(transaction: Transaction, name: bytes) -> list[bool]:
        login, device = await transaction.refresh_by_id(name), await transaction.device_by_code(name)
        assert login is not None
        assert device is not None
        records = (await transaction.session(name), await transaction.code(name), await transaction.mfa_login(name))
        return [not login.has_ended, device.stage == "approved", *(record is not None for record in records)]

    await store.write(fill)
    await store.write(lambda transaction: transaction.end_logins("auth0|1"))
    assert await store.read(lambda transaction: alive(transaction, b"\x00")) == [False] * 5
    assert await store.read(lambda transaction: alive(transaction, b"\x01")) == [True] * 5
    assert await store.read(lambda transaction: transaction.session(SESSION.session_hash)) is None


async def a_revoked_token_is_known_until_it_expires(store: Store) -> None:
    """Storing a revocation twice adds one row. A sweep deletes the row only after the token has expired."""
    later = NOON + timedelta(minutes=5)

    async def revoke(transaction: Transaction) -> None:
        await transaction.revoke_token(b"mark", later)

    assert not await store.read(lambda transaction: transaction.is_revoked(b"mark"))
    for _ in range(2):
        await store.write(revoke)
    assert await store.read(lambda transaction: transaction.is_revoked(b"mark"))
    assert await store.write(lambda transaction: transaction.sweep(NOON, 10)) == 0
    assert await store.write(lambda transaction: transaction.sweep(later, 10)) == 1
    assert not await store.read(lambda transaction: transaction.is_revoked(b"mark"))


async def logins_with_and_without_refresh_tokens_are_counted_apart(store: Store) -> None:
    async def fill(transaction: Transaction) -> None:
        await transaction.save_refresh(REFRESH)
        for number in range(3):
            created = NOON + timedelta(seconds=number)
            bare = replace(REFRESH, login_id=bytes([number]), created_at=created, generation=0, current_hashes=())
            await transaction.save_refresh(bare)

    await store.write(fill)
    evict: Work[int] = lambda transaction: transaction.evict_refreshes(  # noqa: E731
        "auth0|1", "program", 1, renewable=False
    )
    assert await store.write(evict) == 2
    login = await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id))
    assert login is not None
    assert not login.has_ended


async def an_email_is_found_in_any_case(store: Store) -> None:
    await store.write(lambda transaction: transaction.save_user(USER))
    assert await store.read(lambda transaction: transaction.user_by_email("pERSON@example.COM")) == USER


async def a_user_code_is_given_once(store: Store) -> None:
    """Two pending logins do not share a user code."""
    twin = replace(LOGIN, device_code_hash=b"another")
    assert await store.write(lambda transaction: transaction.add_device(LOGIN))
    assert not await store.write(lambda transaction: transaction.add_device(twin))
    assert await store.read(lambda transaction: transaction.device_by_code(b"another")) is None


async def work_that_raises_leaves_nothing_behind(store: Store) -> None:
    """If a function raises, the store keeps none of its changes and raises the same error.

    Raises:
        AssertionError: The store raised no error.
    """

    async def fail(transaction: Transaction) -> None:
        await transaction.add_device(LOGIN)
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
    """If one function raises, the changes of concurrent functions are kept."""

    async def fail(transaction: Transaction) -> bool:
        await transaction.save_user(USER)
        raise LookupError

    async def add(transaction: Transaction, number: int) -> bool:
        name = bytes([number])
        return await transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name))

    writes: list[Work[bool]] = [fail if number % 3 == 0 else partial(add, number=number) for number in range(30)]
    done = await asyncio.gather(*(store.write(work) for work in writes), return_exceptions=True)
    assert [isinstance(outcome, LookupError) for outcome in done] == [number % 3 == 0 for number in range(30)]
    assert await store.read(lambda transaction: transaction.user_by_id(USER.user_id)) is None
    for number in range(30):
        found = await store.read(partial(_device, name=bytes([number])))
        assert (found is None) == (number % 3 == 0)


async def _device(transaction: Transaction, name: bytes) -> DeviceLogin | None:
    return await transaction.device_by_code(name)


async def twenty_polls_at_once_give_one_token(store: Store) -> None:
    approved = replace(LOGIN, stage="approved", user_id="auth0|1", auth_time=NOON)
    await store.write(lambda transaction: transaction.add_device(approved))

    async def redeem(transaction: Transaction) -> bool:
        decision = decide_poll(await transaction.device_by_code(CODE), "program", NOON)
        if not isinstance(decision, Issue):
            return False
        await transaction.save_device(decision.login)
        return True

    assert sum(await asyncio.gather(*(store.write(redeem) for _ in range(20)))) == 1


async def twenty_trades_at_once_get_one_successor(store: Store) -> None:
    """Of twenty concurrent refreshes with one refresh token, one rotates it. All get the same new refresh token."""
    current, successor = REFRESH.current_hashes[0], b"successor".ljust(32)
    token = PresentedRefreshToken(REFRESH.generation, current, REFRESH.client_id)
    await store.write(lambda transaction: transaction.save_refresh(REFRESH))

    async def trade(transaction: Transaction) -> bool:
        known = await transaction.refresh_by_id(REFRESH.login_id)
        decision = decide_refresh(known, token, RefreshPolicy(), NOON, successor)
        assert isinstance(decision, Renew)
        await transaction.save_refresh(decision.login)
        return decision.login.current_hashes == (successor,)

    assert all(await asyncio.gather(*(store.write(trade) for _ in range(20))))
    login = await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id))
    assert login is not None
    assert (login.generation, login.repeats, login.has_ended) == (REFRESH.generation + 1, 19, False)


async def twenty_rotations_at_once_happen_one_after_the_other(store: Store) -> None:
    """Twenty concurrent transactions each change the same record. No change is lost."""
    await store.write(lambda transaction: transaction.save_refresh(REFRESH))

    async def rotate(transaction: Transaction) -> int:
        login = await transaction.refresh_by_id(REFRESH.login_id)
        assert login is not None
        await transaction.save_refresh(replace(login, generation=login.generation + 1))
        return login.generation

    seen = await asyncio.gather(*(store.write(rotate) for _ in range(20)))
    assert sorted(seen) == list(range(1, 21))


async def a_sweep_takes_what_has_lapsed_and_no_more_than_it_may(store: Store) -> None:
    """A sweep deletes only expired records. An expired code is kept for a while, so that polls report the expiry."""

    async def fill(transaction: Transaction) -> None:
        for number in range(5):
            name = bytes([number])
            await transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name))
        await transaction.save_refresh(REFRESH)

    await store.write(fill)
    just_expired, long_expired = LOGIN.expires_at + timedelta(minutes=1), LOGIN.expires_at + timedelta(days=1)
    assert await store.write(lambda transaction: transaction.sweep(just_expired, 10)) == 0
    assert await store.write(lambda transaction: transaction.sweep(long_expired, 3)) == 3
    assert await store.write(lambda transaction: transaction.sweep(long_expired, 10)) == 2
    assert await store.read(lambda transaction: transaction.refresh_by_id(REFRESH.login_id)) == REFRESH


async def tries_are_kept_until_they_expire(store: Store) -> None:
    """Replacing or dropping one counter of tries changes no other counter. A sweep deletes only expired counters."""
    later = replace(TRIES, tries_key=b"other", expires_at=NOON + timedelta(days=1))

    async def fill(transaction: Transaction) -> None:
        await transaction.save_tries(replace(TRIES, count=4))
        await transaction.save_tries(TRIES)
        await transaction.save_tries(later)
        await transaction.save_tries(replace(TRIES, tries_key=b"third"))
        await transaction.drop_tries(b"third")

    await store.write(fill)
    assert await store.read(lambda transaction: transaction.tries(TRIES.tries_key)) == TRIES
    assert await store.read(lambda transaction: transaction.tries(b"third")) is None
    assert await store.write(lambda transaction: transaction.sweep(TRIES.expires_at, 10)) == 1
    assert await store.read(lambda transaction: transaction.tries(TRIES.tries_key)) is None
    assert await store.read(lambda transaction: transaction.tries(b"other")) == later


CHECKS: Final[tuple[Check, ...]] = (
    *ADMIN_CHECKS,
    *HOT_CHECKS,
    what_is_saved_is_found_again,
    what_the_other_grants_need_is_found_again,
    a_mark_is_used_once,
    the_oldest_logins_of_one_person_in_one_program_end_first,
    a_person_who_goes_takes_what_is_theirs,
    the_logins_of_one_person_end_together,
    a_revoked_token_is_known_until_it_expires,
    logins_with_and_without_refresh_tokens_are_counted_apart,
    an_email_is_found_in_any_case,
    a_user_code_is_given_once,
    work_that_raises_leaves_nothing_behind,
    work_that_raises_spoils_nobody_elses,
    twenty_polls_at_once_give_one_token,
    twenty_rotations_at_once_happen_one_after_the_other,
    twenty_trades_at_once_get_one_successor,
    a_sweep_takes_what_has_lapsed_and_no_more_than_it_may,
    tries_are_kept_until_they_expire,
    event_checks.events_are_numbered_as_they_are_committed,
    event_checks.work_that_raises_leaves_no_event,
    event_checks.a_sweep_of_events_takes_the_oldest_and_keeps_the_newest,
)
