"""Count the tries of second factors and the e-mails with codes, in the store (NIST SP 800-63B-4 §3.2.2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyfob.server.decide.multifactor import TRIES, TRY_BACK_AFTER
from keyfob.server.decide.throttle import (
    ACCOUNT_TRIES,
    ACCOUNT_TRY_BACK_AFTER,
    KNOWN_NETWORK,
    MESSAGE_PAUSE,
    MESSAGES,
    MESSAGES_OF_LOGIN,
    MESSAGES_SPAN,
    Bucket,
    network_of,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import MfaLogin, Tries
from keyfob.server.site import Site

_OWN_SPAN: Final = TRIES * TRY_BACK_AFTER
_ALL_SPAN: Final = ACCOUNT_TRIES * ACCOUNT_TRY_BACK_AFTER


async def has_tries(site: Site, transaction: Transaction, user_id: str, peer: str, now: datetime) -> bool:
    """Return whether a second factor of the user may be tried from this address.

    Each network has tries of its own, and all networks together have a limit for one user. A network from which the
    user has proven a factor is exempt from the second, so that wrong codes from elsewhere do not lock the user out.
    """
    own, everybody = await _buckets(site, transaction, user_id, peer, now)
    if time_until_try(own, TRIES, _OWN_SPAN):
        return False
    proven = await transaction.tries(_key(site, f"proven {user_id} {network_of(peer)}"))
    is_limited = proven is None or now >= proven.expires_at
    return not (is_limited and time_until_try(everybody, ACCOUNT_TRIES, _ALL_SPAN))


async def spend_try(site: Site, user_id: str, peer: str, now: datetime) -> bool:
    """Count a try of a second factor. Return False if none is left."""

    async def work(transaction: Transaction) -> bool:
        if not await has_tries(site, transaction, user_id, peer, now):
            return False
        own, everybody = await _buckets(site, transaction, user_id, peer, now)
        await transaction.save_tries(Tries(_own(site, user_id, peer), spend(own).left, now, now + _OWN_SPAN))
        await transaction.save_tries(Tries(_all(site, user_id), spend(everybody).left, now, now + _ALL_SPAN))
        return True

    return await site.store.write(work)


async def give_back_tries(site: Site, user_id: str, peer: str, now: datetime) -> None:
    """Forget the wrong codes of this network, since the user has proven a factor there, and the pause of messages."""

    async def work(transaction: Transaction) -> None:
        _, everybody = await _buckets(site, transaction, user_id, peer, now)
        left = min(float(ACCOUNT_TRIES), everybody.left + 1)
        await transaction.save_tries(Tries(_all(site, user_id), left, now, now + _ALL_SPAN))
        await transaction.save_tries(
            Tries(_key(site, f"proven {user_id} {network_of(peer)}"), 1, now, now + KNOWN_NETWORK)
        )
        await transaction.drop_tries(_own(site, user_id, peer))
        await transaction.drop_tries(_key(site, f"messages pause {user_id}"))

    await site.store.write(work)


async def message_wait(site: Site, login: MfaLogin) -> timedelta:
    """Count an e-mail of a login. If too many were sent, count nothing and return the time to wait."""
    now, user_id = site.now(), login.user_id
    of_login, of_user, of_pause = (
        _key(site, f"messages {name}")
        for name in (f"login {login.token_hash.hex()}", f"user {user_id}", f"pause {user_id}")
    )

    async def work(transaction: Transaction) -> timedelta:
        sent, last = await transaction.tries(of_login), await transaction.tries(of_pause)
        bucket = refill(await _bucket(transaction, of_user), MESSAGES, MESSAGES_SPAN, now)
        wait = time_until_try(bucket, MESSAGES, MESSAGES_SPAN)
        if last is not None:
            wait = max(wait, last.expires_at - now)
        if sent is not None and sent.count >= MESSAGES_OF_LOGIN:
            wait = max(wait, login.expires_at - now)
        if not wait:
            await transaction.save_tries(Tries(of_login, (sent.count if sent else 0) + 1, now, login.expires_at))
            await transaction.save_tries(Tries(of_user, spend(bucket).left, now, now + MESSAGES_SPAN))
            await transaction.save_tries(Tries(of_pause, 0, now, now + MESSAGE_PAUSE))
        return wait

    return await site.store.write(work)


async def _buckets(
    site: Site, transaction: Transaction, user_id: str, peer: str, now: datetime
) -> tuple[Bucket, Bucket]:
    """Return the tries that are left to the network, and to all networks together."""
    own, everybody = (
        await _bucket(transaction, _own(site, user_id, peer)),
        await _bucket(transaction, _all(site, user_id)),
    )
    return refill(own, TRIES, _OWN_SPAN, now), refill(everybody, ACCOUNT_TRIES, _ALL_SPAN, now)


async def _bucket(transaction: Transaction, key: bytes) -> Bucket | None:
    known = await transaction.tries(key)
    return None if known is None else Bucket(known.count, known.at)


def _own(site: Site, user_id: str, peer: str) -> bytes:
    return _key(site, f"factor {user_id} {network_of(peer)}")


def _all(site: Site, user_id: str) -> bytes:
    return _key(site, f"factor {user_id}")


def _key(site: Site, name: str) -> bytes:
    return keyed_hash(site.hash_keys.codes, f"tries of {name}")
