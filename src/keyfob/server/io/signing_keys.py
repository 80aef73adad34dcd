"""The signing keys of a tenant: one for each algorithm of its APIs."""

from __future__ import annotations

import asyncio
from functools import partial

from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import NONCE_BYTES
from keyfob.server.ports import Store, TimeAndRandom, Transaction
from keyfob.server.records import StoredKey
from keyfob.server.settings.config import TenantConfig
from keyfob.server.start import encrypt_signing_key, load_signing_keys


async def make_keys(
    store: Store, master: bytes, surroundings: TimeAndRandom, config: TenantConfig
) -> tuple[SigningKey, ...]:
    """Create the missing keys. Return all keys, newest first.

    Raises:
        Malformed: The stored keys were encrypted with another master key.
    """
    stored = await store.read(lambda transaction: transaction.signing_keys())
    for algorithm in sorted(config.algorithms - {key.algorithm for key in stored}):
        made = await asyncio.to_thread(SigningKey.generate, algorithm)
        fresh = encrypt_signing_key(made, master, surroundings.random(NONCE_BYTES), surroundings.now())
        # If two processes start at once, both use the first key that was stored.
        await store.write(partial(_add_first, key=fresh))
    return await store.read(lambda transaction: load_signing_keys(transaction, master))


async def _add_first(transaction: Transaction, key: StoredKey) -> None:
    if not any(known.algorithm == key.algorithm for known in await transaction.signing_keys()):
        await transaction.add_key(key)
