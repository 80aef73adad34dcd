"""Contract checks for the administrative methods of a server store: keys, logins, codes in use."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyfob.server.ports import Store, Transaction
from keyfob.server.records import Stage
from keyfob.testing.example_records import FACTOR, KEY, LOGIN, REFRESH, SESSION, SLOT
from keyfob.testing.fake_time import NOON


async def keys_and_their_slots_come_and_go(store: Store) -> None:
    """Saving a key or key slot again replaces it. Keys are returned newest first."""
    later = replace(KEY, key_id="later", created_at=NOON + timedelta(days=1))
    moved = replace(KEY, sealed=b"anew", signs_at=NOON, longest_token=timedelta(days=30))
    other = replace(SLOT, master_id="other", created_at=NOON + timedelta(days=1), expires_at=None)

    async def fill(transaction: Transaction) -> None:
        for key in (KEY, later, moved):
            await transaction.add_key(key)
        for slot in (SLOT, other):
            await transaction.save_key_slot(slot)

    async def drop(transaction: Transaction) -> None:
        await transaction.drop_key("later")
        await transaction.drop_key_slot("other")

    await store.write(fill)
    assert await store.read(lambda transaction: transaction.signing_keys()) == (later, moved)
    assert await store.read(lambda transaction: transaction.key_slots()) == (other, SLOT)
    await store.write(drop)
    assert await store.read(lambda transaction: transaction.signing_keys()) == (moved,)
    assert await store.read(lambda transaction: transaction.key_slots()) == (SLOT,)


async def logins_are_listed_and_ended_by_user_and_client(store: Store) -> None:
    """Only active logins are listed, newest first. Ending the logins in one client ends no browser session."""
    pairs = (("auth0|1", "a"), ("auth0|1", "b"), ("auth0|2", "a"))

    async def fill(transaction: Transaction) -> None:
        for number, (user_id, client_id) in enumerate(pairs):
            name, begun = bytes([number]), NOON + timedelta(minutes=number)
            login = replace(REFRESH, login_id=name, user_id=user_id, client_id=client_id, created_at=begun)
            await transaction.save_refresh(replace(login, used_at=NOON, network="192.0.2.7"))
            device = replace(LOGIN, device_code_hash=name, user_code_hash=name, user_id=user_id, client_id=client_id)
            await transaction.add_device(replace(device, stage="approved"))
            await transaction.save_session(replace(SESSION, session_hash=name, user_id=user_id, network="192.0.2.7"))
        ended = replace(REFRESH, login_id=b"ended", has_ended=True)
        idle = replace(REFRESH, login_id=b"idle", idle_expires_at=NOON)
        for login in (ended, idle):
            await transaction.save_refresh(login)
        await transaction.save_authenticator(FACTOR)

    async def left(transaction: Transaction) -> tuple[list[bytes], int]:
        found = await transaction.logins(NOON, 10)
        return [login.login_id for login in found], len(await transaction.sessions(10))

    await store.write(fill)
    assert await store.read(left) == ([b"\x02", b"\x01", b"\x00"], 3)
    newest = await store.read(lambda transaction: transaction.logins(NOON, 1, user_id="auth0|1"))
    assert [login.login_id for login in newest] == [b"\x01"]
    assert (newest[0].used_at, newest[0].network) == (NOON, "192.0.2.7")
    both = await store.read(lambda transaction: transaction.logins(NOON, 10, user_id="auth0|1", client_id="a"))
    assert [login.login_id for login in both] == [b"\x00"]
    assert len(await store.read(lambda transaction: transaction.sessions(1, user_id="auth0|1"))) == 1
    assert await store.read(lambda transaction: transaction.all_authenticators("otp")) == (FACTOR,)
    assert await store.read(lambda transaction: transaction.all_authenticators("email")) == ()
    assert await store.write(lambda transaction: transaction.end_logins(None, client_id="a")) == 2
    assert await store.read(left) == ([b"\x01"], 3)
    device = await store.read(lambda transaction: transaction.device_by_code(b"\x02"))
    assert device is not None
    assert device.stage == "lapsed"
    assert await store.write(lambda transaction: transaction.end_logins(None)) == 5  # one of these had expired
    assert await store.read(left) == ([], 0)


async def live_codes_are_counted_up_to_a_limit(store: Store) -> None:
    """Only user codes that can still be entered are counted. Expired, approved and denied codes are not counted."""

    async def fill(transaction: Transaction) -> None:
        stages: tuple[Stage, ...] = ("waiting", "confirmed", "approved", "denied", "redeemed", "lapsed")
        for stage in stages:
            name = stage.encode()
            await transaction.add_device(replace(LOGIN, device_code_hash=name, user_code_hash=name, stage=stage))
        early = replace(LOGIN, device_code_hash=b"early", user_code_hash=b"early", expires_at=NOON)
        await transaction.add_device(early)

    assert await store.read(lambda transaction: transaction.live_codes(NOON, 9)) == 0
    await store.write(fill)
    assert await store.read(lambda transaction: transaction.live_codes(NOON, 9)) == 2
    assert await store.read(lambda transaction: transaction.live_codes(NOON, 1)) == 1
    assert await store.read(lambda transaction: transaction.live_codes(LOGIN.expires_at, 9)) == 0


ADMIN_CHECKS: Final = (
    keys_and_their_slots_come_and_go,
    live_codes_are_counted_up_to_a_limit,
    logins_are_listed_and_ended_by_user_and_client,
)
