"""List and change the keys in the store of a tenant, which may be running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.sealed import NONCE_BYTES, key_id
from keyfob.server.decide.key_schedule import Changes, revocation, rotation, signers
from keyfob.server.io.signing_keys import Decide, make_changes
from keyfob.server.keyring import GRACE, KEY_BYTES, Keyring, find_keyring, move
from keyfob.server.ports import Store, TimeAndRandom, Transaction
from keyfob.server.records import StoredKey
from keyfob.server.settings.config import TenantConfig


@dataclass(frozen=True, slots=True)
class KeyRegistry:
    """The keys of a tenant, for its administrators.

    Attributes:
        signal: The change signal, after which running tenants reload the keys.
    """

    store: Store
    master: bytes
    keyring: Keyring
    surroundings: TimeAndRandom
    config: TenantConfig
    signal: Callable[[], None]

    def now(self) -> datetime:
        return self.surroundings.now()

    def all(self) -> tuple[StoredKey, ...]:
        """Return the stored signing keys, the newest first."""
        return asyncio.run(self.store.read(lambda transaction: transaction.signing_keys()))

    def plan_rotation(self, algorithms: Iterable[Algorithm] = (), *, at_once: bool = False) -> Changes:
        """Return the changes that `rotate` would make. Make no change."""
        keys, now = self.all(), self.now()
        return rotation(keys, tuple(algorithms) or signers(keys, now), now, at_once=at_once)

    def rotate(self, algorithms: Iterable[Algorithm] = (), *, at_once: bool = False) -> tuple[StoredKey, ...]:
        """Create and publish the next key of each algorithm. Return all keys after the change.

        By default, this is done for each algorithm for which a key signs now. If the next key of an algorithm is
        published already, no key is created. With `at_once`, the next key signs from now on.
        """
        chosen = tuple(algorithms)
        return self._change(lambda keys, now: rotation(keys, chosen or signers(keys, now), now, at_once=at_once))

    def revoke(self, name: str) -> tuple[StoredKey, ...]:
        """Remove a key at once. If the key was signing, replace it by another key. Return all keys after the change.

        Raises:
            Misuse: There is no such key.
        """

        def decide(keys: Sequence[StoredKey], now: datetime) -> Changes:
            if all(key.key_id != name for key in keys):
                raise Misuse("there is no such key", hint="`keyfob tenant keys list` shows them.")
            return revocation(keys, name, now)

        return self._change(decide)

    def rewrap(self, fresh: bytes, grace: timedelta) -> int:
        """Replace the master key and the tenant's sealing key in one transaction.

        Everything in the store that the old sealing key encrypted is encrypted again.

        Args:
            fresh: The new master key.
            grace: How long the present master key is still accepted. All nodes must restart with the new key within
                this time. Use zero if the present key was stolen. With zero, ciphertexts outside the store, such as
                tokens for /userinfo, become invalid at once.

        Returns:
            The number of ciphertexts that were encrypted again.
        """
        now, random = self.now(), self.surroundings.random(KEY_BYTES + 2 * NONCE_BYTES)
        nonces = random[KEY_BYTES : KEY_BYTES + NONCE_BYTES], random[KEY_BYTES + NONCE_BYTES :]

        async def change(transaction: Transaction) -> int:
            present = await find_keyring(transaction, self.master, now)
            assert present is not None, "the registry has found it"  # noqa: S101
            turned = present.turned(random[:KEY_BYTES], now, GRACE if grace else timedelta())
            count = await move(transaction, (present.sealing, *(key for key, _ in present.formers)), turned.sealing)
            for slot in await transaction.key_slots():
                await transaction.drop_key_slot(slot.master_id)
            if grace and key_id(fresh) != key_id(self.master):
                former = turned.slot(self.master, nonces[0], now)
                await transaction.save_key_slot(replace(former, expires_at=now + grace))
            await transaction.save_key_slot(turned.slot(fresh, nonces[1], now))
            return count

        count = asyncio.run(self.store.write(change))
        self.signal()
        return count

    def _change(self, decide: Decide) -> tuple[StoredKey, ...]:
        changed = asyncio.run(make_changes(self.store, self.keyring, self.surroundings, self.config, decide))
        self.signal()
        return changed
