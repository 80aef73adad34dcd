"""The tenant's random keys. They are stored encrypted under the master key, so that the master key can be replaced.

The key `hashing` never changes, since a stored hash of a code or token cannot be computed again without the code or
token. This key cannot decrypt or forge anything. The key `sealing` changes together with the master key, and everything
that `sealing` encrypted is encrypted again.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.errors import Malformed
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import NONCE_BYTES, derive, key_id, nonce_of, seal, unseal, unseal_any
from keyfob.server.keyed_hash import HashKeys
from keyfob.server.ports import Transaction
from keyfob.server.records import KeySlot

KEY_BYTES: Final = 32
BEGIN_BYTES: Final = 2 * KEY_BYTES + NONCE_BYTES
# The longest lifetime of a ciphertext that a client holds, such as a token. It cannot be encrypted again, so a former
# key must decrypt it for this time.
GRACE: Final = timedelta(days=30)
_FORMER: Final = struct.Struct(f">{KEY_BYTES}sd")
_MOST_FORMERS: Final = 8
_PURPOSE: Final = "data keys"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The random keys of a tenant.

    Attributes:
        formers: The former sealing keys, the latest first, each with the time until which it may decrypt.
    """

    hashing: bytes
    sealing: bytes
    formers: tuple[tuple[bytes, datetime], ...] = ()

    def opening(self, now: datetime) -> tuple[bytes, ...]:
        """Return the sealing keys that may decrypt at a time, the present key first."""
        return (self.sealing, *(key for key, until in self.formers if now < until))

    def changes_at(self, now: datetime) -> datetime | None:
        """Return the next time at which a former key expires, or None if there is no former key."""
        return min((until for _, until in self.formers if now < until), default=None)

    def turned(self, fresh: bytes, now: datetime, grace: timedelta) -> Keyring:
        """Return a keyring with a new sealing key.

        The present sealing key becomes a former key, which may decrypt for the time `grace`. If `grace` is zero, all
        former keys expire at once.
        """
        formers = ((self.sealing, now + grace), *self.formers) if grace else ()
        return Keyring(
            self.hashing, fresh, tuple((key, until) for key, until in formers if now < until)[:_MOST_FORMERS]
        )

    def slot(self, master: bytes, nonce: bytes, now: datetime) -> KeySlot:
        """Return the keyring encrypted under a master key. `nonce` is 12 random bytes."""
        former = b"".join(_FORMER.pack(key, until.timestamp()) for key, until in self.formers)
        name = key_id(master)
        content = self.hashing + self.sealing + former
        return KeySlot(name, seal(content, derive(master, _PURPOSE), nonce=nonce, context=_context(name)), now)

    @classmethod
    def read(cls, slot: KeySlot, master: bytes) -> Keyring:
        """Decrypt the keyring in a `KeySlot`.

        Raises:
            Malformed: The keyring was encrypted under another master key, or is damaged.
        """
        content = unseal(slot.sealed, derive(master, _PURPOSE), context=_context(slot.master_id))
        hashing, sealing, rest = content[:KEY_BYTES], content[KEY_BYTES : 2 * KEY_BYTES], content[2 * KEY_BYTES :]
        if len(sealing) != KEY_BYTES or len(rest) % _FORMER.size:
            raise Malformed("the tenant's keys are damaged", field="data-keys")
        formers = tuple((key, datetime.fromtimestamp(until, UTC)) for key, until in _FORMER.iter_unpack(rest))
        return cls(hashing, sealing, formers)

    def keys(self, now: datetime) -> HashKeys:
        """Derive a separate key for each purpose, such as hashing codes and encrypting opaque tokens."""
        own, opening = self.hashing, self.opening(now)
        return HashKeys(
            codes=derive(own, "codes"),
            refresh=derive(own, "refresh tokens"),
            sessions=derive(own, "sessions"),
            csrf=derive(own, "forms"),
            secrets=derive(own, "client secrets"),
            recovery=derive(own, "second factors"),
            factors=_each(opening, "second factors"),
            opaque=_each(opening, "opaque tokens"),
            pages=_each(opening, "pages"),
            nonces=derive(self.sealing, "proof nonces"),
        )


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """The keys of a tenant at a point in time.

    Attributes:
        published: The keys of the JWKS, the newest first.
        signers: The current signing key of each algorithm.
    """

    hashing: HashKeys
    published: tuple[SigningKey, ...]
    signers: Mapping[Algorithm, SigningKey]


def _context(master_id: str) -> str:
    return f"data-keys {master_id}"


def _each(keys: tuple[bytes, ...], purpose: str) -> tuple[bytes, ...]:
    return tuple(derive(key, purpose) for key in keys)


def valid_slot(slots: tuple[KeySlot, ...], master: bytes, now: datetime) -> KeySlot | None:
    """Return the `KeySlot` that is encrypted under a master key and has not expired, or None."""
    name = key_id(master)
    return next((slot for slot in slots if slot.master_id == name and slot.is_valid(now)), None)


async def find_keyring(transaction: Transaction, master: bytes, now: datetime) -> Keyring | None:
    """Return the tenant's keys, or None if there are none yet.

    Raises:
        Malformed: The keys are encrypted under another master key, or damaged.
    """
    slots = await transaction.key_slots()
    slot = valid_slot(slots, master, now)
    if slot is None and slots:
        raise Malformed("this is not the tenant's current master key", field="master-key")
    return None if slot is None else Keyring.read(slot, master)


async def begin_keyring(transaction: Transaction, master: bytes, random: bytes, now: datetime) -> Keyring:
    """Return the tenant's keys. Create them at the first start.

    Earlier versions of keyfob derived the keys for each purpose from the master key. For a store of such a version, the
    master key becomes the key `hashing`, so that hashes stay valid, and every ciphertext is encrypted again.

    Args:
        transaction: The transaction in which the keys are stored.
        master: The master key.
        random: `BEGIN_BYTES` random bytes.
        now: The current time, aware, UTC.
    """
    known = await find_keyring(transaction, master, now)
    if known is not None:
        return known
    first, second, nonce = random[:KEY_BYTES], random[KEY_BYTES : 2 * KEY_BYTES], random[2 * KEY_BYTES :]
    fresh = Keyring(first, second)
    if await transaction.signing_keys() or await transaction.documents():
        fresh = Keyring(master, master).turned(second, now, GRACE)
    await reseal(transaction, fresh)
    await transaction.save_key_slot(fresh.slot(master, nonce, now))
    return fresh


async def reseal(transaction: Transaction, keyring: Keyring) -> int:
    """Encrypt the signing keys and second factors that former keys encrypted, under the present sealing key.

    Return the number of ciphertexts that were encrypted again.
    """
    formers = tuple(key for key, _ in keyring.formers)
    return await move(transaction, formers, keyring.sealing) if formers else 0


async def move(transaction: Transaction, formers: tuple[bytes, ...], sealing: bytes) -> int:
    """Encrypt the signing keys and second factors that former keys encrypted, under the new key `sealing`.

    Return the number of ciphertexts that were encrypted again.
    """
    count = 0
    for key in await transaction.signing_keys():
        moved = _moved(key.sealed, formers, sealing, "signing keys", f"signing-key {key.key_id}")
        if moved is not None:
            await transaction.add_key(replace(key, sealed=moved))
            count += 1
    for one in await transaction.all_authenticators("otp"):
        moved = _moved(one.secret, formers, sealing, "second factors", f"factor {one.authenticator_id}")
        if moved is not None:
            await transaction.save_authenticator(replace(one, secret=moved))
            count += 1
    return count


def _moved(sealed: bytes, formers: tuple[bytes, ...], sealing: bytes, purpose: str, context: str) -> bytes | None:
    """Decrypt a ciphertext with a former key, and encrypt it under a new key.

    Return None if no former key can decrypt the ciphertext: then it is already encrypted under the new key.

    The new ciphertext has the nonce of the old one. This is safe: each nonce is random, so no two ciphertexts under
    the new key have the same nonce.
    """
    try:
        plain = unseal_any(sealed, _each(formers, purpose), context=context)
    except Malformed:
        return None
    return seal(plain, derive(sealing, purpose), nonce=nonce_of(sealed), context=context)
