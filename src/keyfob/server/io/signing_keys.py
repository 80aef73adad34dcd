"""The keys of a running tenant: reload changed keys from the store, and make due changes once for all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import NONCE_BYTES
from keyfob.server.decide.key_schedule import Changes, due_changes, longest_tokens, next_change, published, signers
from keyfob.server.keyring import BEGIN_BYTES, Keyring, TenantKeys, begin_keyring, reseal, valid_slot
from keyfob.server.ports import Store, TimeAndRandom, Transaction
from keyfob.server.records import KeySlot, StoredKey
from keyfob.server.settings.config import TenantConfig
from keyfob.server.start import decrypt_signing_key, encrypt_signing_key

Decide = Callable[[Sequence[StoredKey], datetime], Changes]
LONGEST_TOKEN: Final = timedelta(days=30)


class KeyFollower:
    """Keeps a running tenant's keys current. Each stored key is decrypted only once."""

    def __init__(self, store: Store, master: bytes, surroundings: TimeAndRandom) -> None:
        """Create a follower without reading the store."""
        self._store, self._master, self._surroundings = store, master, surroundings
        self._keyring: Keyring | None = None
        self._slot: KeySlot | None = None
        self._known: dict[bytes, SigningKey] = {}
        self._changes_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether the keys must change at this time, such as for a scheduled rotation."""
        return self._changes_at is not None and now >= self._changes_at

    async def look(self, config: TenantConfig) -> TenantKeys:
        """Read all keys, create missing keys, and make the changes that are due.

        Raises:
            Malformed: The keys were encrypted with another master key, or a key is damaged.
        """
        stored, slots = await self._store.read(read_keys)
        return await self.follow(config, stored, slots)

    async def follow(self, config: TenantConfig, stored: Sequence[StoredKey], slots: tuple[KeySlot, ...]) -> TenantKeys:
        """Create missing keys and make scheduled changes, as in `look`. Then return the tenant's keys.

        `stored` and `slots` are the signing keys and the key slots, as just read from the store.
        """
        now = self._surroundings.now()
        keyring = await self._follow_slots(slots, now)
        due = due_changes(stored, longest_tokens(config), config.rotate_keys_every, now)
        if due:
            stored = await make_changes(
                self._store, keyring, self._surroundings, config,
                lambda keys, now: due_changes(keys, longest_tokens(config), config.rotate_keys_every, now),
            )  # fmt: skip
        elif self._keyring is not keyring:
            stored, _ = await self._store.read(read_keys)  # the keys may have been encrypted again, for the new keyring
        self._keyring = keyring
        moments = (next_change(stored, config.rotate_keys_every, now), keyring.changes_at(now))
        self._changes_at = min((at for at in moments if at is not None), default=None)
        return self._opened(stored, keyring, now)

    async def _follow_slots(self, slots: tuple[KeySlot, ...], now: datetime) -> Keyring:
        slot = valid_slot(slots, self._master, now)
        if self._keyring is not None and slot is None:
            return self._keyring  # the master key was replaced: keep the present keys until this process ends
        if self._keyring is not None and slot == self._slot:
            return self._keyring
        random = self._surroundings.random(BEGIN_BYTES)

        async def take_over(transaction: Transaction) -> Keyring:
            keyring = await begin_keyring(transaction, self._master, random, now)
            # Data that this process encrypted after another process changed the keys is under the former key.
            await reseal(transaction, keyring)
            return keyring

        if self._keyring is None and slot is not None:
            keyring = Keyring.read(slot, self._master)
        else:
            keyring = await self._store.write(take_over)
            slot = valid_slot(await self._store.read(lambda transaction: transaction.key_slots()), self._master, now)
        self._slot = slot
        return keyring

    def _opened(self, stored: Sequence[StoredKey], keyring: Keyring, now: datetime) -> TenantKeys:
        shown, signing = published(stored, now), signers(stored, now)
        opened = {
            one.key_id: self._known.get(one.sealed) or decrypt_signing_key(one, keyring, now)
            for one in {*shown, *signing.values()}
        }
        self._known = {one.sealed: opened[one.key_id] for one in shown}
        return TenantKeys(
            keyring.keys(now),
            tuple(opened[one.key_id] for one in shown),
            {algorithm: opened[one.key_id] for algorithm, one in signing.items()},
        )


async def read_keys(transaction: Transaction) -> tuple[tuple[StoredKey, ...], tuple[KeySlot, ...]]:
    return await transaction.signing_keys(), await transaction.key_slots()


async def make_changes(
    store: Store, keyring: Keyring, surroundings: TimeAndRandom, config: TenantConfig, decide: Decide
) -> tuple[StoredKey, ...]:
    """Make the changes that `decide` returns for the stored keys. Return all keys after the changes.

    `decide` is called twice. After the first call, the new keys are generated. The second call is made in the
    transaction that makes the changes: it no longer returns changes that another node has made meanwhile.
    """
    wanted = decide(await store.read(lambda transaction: transaction.signing_keys()), surroundings.now())
    made: dict[Algorithm, tuple[SigningKey, bytes]] = {}
    for algorithm, _ in wanted.made:
        made[algorithm] = (await asyncio.to_thread(SigningKey.generate, algorithm), surroundings.random(NONCE_BYTES))
    change = partial(
        _make, decide=decide, made=made, keyring=keyring, now=surroundings.now(), longest=longest_tokens(config)
    )
    return await store.write(change)


async def _make(
    transaction: Transaction,
    decide: Decide,
    made: Mapping[Algorithm, tuple[SigningKey, bytes]],
    keyring: Keyring,
    now: datetime,
    longest: Mapping[Algorithm, timedelta],
) -> tuple[StoredKey, ...]:
    changes = decide(await transaction.signing_keys(), now)
    for name in changes.dropped:
        await transaction.drop_key(name)
    for key in changes.changed:
        await transaction.add_key(key)
    for algorithm, signs_at in changes.made:
        if algorithm not in made:
            continue  # another node has changed the settings meanwhile; the next `look` makes this key
        fresh, nonce = made[algorithm]
        longest_token = longest.get(algorithm, LONGEST_TOKEN)
        await transaction.add_key(encrypt_signing_key(fresh, keyring, nonce, now, signs_at, longest_token))
    return await transaction.signing_keys()
