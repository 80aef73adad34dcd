"""Verify a user's password, for the login page and the password grants (NIST SP 800-63B-4 §3.1.1, §3.2.2).

The tries of users are counted in the store, so that neither a restart nor a flood of other names forgets them. Those of
unknown names are counted in a limited table of the node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.server.decide.limits import LONGEST_PASSWORD
from keyfob.server.decide.throttle import (
    ACCOUNT_TRIES,
    ACCOUNT_TRY_BACK_AFTER,
    FAILURES_KEPT,
    KNOWN_NETWORK,
    NETWORK_TRIES,
    NETWORK_TRY_BACK_AFTER,
    Bucket,
    Failures,
    network_of,
    password_wait,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Tries, User
from keyfob.server.site import Site

_ACCOUNT_SPAN: Final = ACCOUNT_TRIES * ACCOUNT_TRY_BACK_AFTER
_NETWORK_SPAN: Final = NETWORK_TRIES * NETWORK_TRY_BACK_AFTER
_RETRY_BUSY: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """The password was refused.

    Attributes:
        wait: The time until the next password is verified; then this one was not.
        is_blocked: The password is correct, but the user is blocked.
        is_busy: The server has no time to verify it now; `wait` is for all users.
    """

    wait: timedelta = timedelta()
    is_blocked: bool = False
    is_busy: bool = False


@dataclass(frozen=True, slots=True)
class _Counted:
    """A try that was counted: the user, if any, and the keys of what was counted for the network and for all."""

    user: User | None
    own: bytes
    all: bytes


async def check_password(
    site: Site, request: Request, connections: Iterable[str], email: str, password: Secret, *, peer: str = ""
) -> User | PasswordRefused:
    """Return the user with that e-mail address and password. An unknown address takes as long as a known one.

    Args:
        site: The tenant.
        request: For the audit log, and its address.
        connections: The connections to search, in this order.
        email: As typed.
        password: As typed.
        peer: The user's address, if a trusted client sent it; else that of the request is used.
    """
    now, network = site.now(), network_of(peer or request.peer)
    if len(password) > LONGEST_PASSWORD:
        return PasswordRefused()
    tries = refill(site.network_tries.get(network), NETWORK_TRIES, _NETWORK_SPAN, now)
    wait = time_until_try(tries, NETWORK_TRIES, _NETWORK_SPAN)
    if wait:
        site.note_limit("limit_mu", request)
        return PasswordRefused(wait)
    site.network_tries.put(network, spend(tries))
    # Counted before the slow hash, so that concurrent tries are all counted.
    names = tuple(connections)
    counted = await site.store.write(lambda transaction: _count(site, transaction, names, email, network, now))
    if isinstance(counted, PasswordRefused):
        site.note_limit("limit_wc", request, user_name=email)
        return counted
    user = counted.user
    fits = await site.passwords.verify(password, user.password_hash if user else None, network)
    if fits is None:
        await site.store.write(lambda transaction: _uncount(site, transaction, counted, now))
        _give_back(site, network)
        return PasswordRefused(_RETRY_BUSY, is_busy=True)
    if user is None or not fits or user.is_blocked:
        is_blocked = fits and user is not None
        if user is None:
            site.note("fu", request, user_name=email)
        else:
            reason = "the user is blocked" if is_blocked else ""
            site.note("fp", request, user_name=email, user_id=user.user_id, description=reason)
        return PasswordRefused(is_blocked=is_blocked)
    await site.store.write(lambda transaction: _succeed(site, transaction, counted, now))
    _give_back(site, network)
    if site.passwords.is_outdated(user.password_hash):
        stronger = replace(user, password_hash=await site.passwords.hash(password))
        await site.store.write(lambda transaction: _strengthen(transaction, user, stronger.password_hash))
        return stronger
    return user


async def _strengthen(transaction: Transaction, user: User, password_hash: str) -> None:
    """Save a stronger hash of the same password, unless the user has another password by now."""
    stored = await transaction.user_by_id(user.user_id)
    if stored is not None and stored.password_hash == user.password_hash:
        await transaction.save_user(replace(stored, password_hash=password_hash))


async def _count(
    site: Site, transaction: Transaction, connections: tuple[str, ...], email: str, network: str, now: datetime
) -> _Counted | PasswordRefused:
    """Count a try, unless the account or the network must wait."""
    user = None
    for connection in connections:
        user = user or await transaction.user_by_email(email, connection)
    account = f"user {user.user_id}" if user else f"name {email.lower()}"
    own, all_ = (keyed_hash(site.hash_keys.codes, f"tries {account} {place}") for place in (network, "everywhere"))
    counted, load = _Counted(user, own, all_), _loader(site, transaction, user, now)
    last = await load(own)
    # In addition to the wait of one network, the tries for one account from all networks are limited.
    bucket = _bucket(await load(all_), now)
    wait = password_wait(None if last is None else Failures(int(last.count), last.at), now)
    if last is None or last.count:
        wait = max(wait, time_until_try(bucket, ACCOUNT_TRIES, _ACCOUNT_SPAN))
    if wait:
        return PasswordRefused(wait)
    await _save(site, transaction, counted, Tries(own, (last.count if last else 0) + 1, now, now + FAILURES_KEPT))
    await _save(site, transaction, counted, Tries(all_, spend(bucket).left, now, now + _ACCOUNT_SPAN))
    return counted


async def _uncount(site: Site, transaction: Transaction, counted: _Counted, now: datetime) -> None:
    """Take back a try whose password was not verified."""
    load = _loader(site, transaction, counted.user, now)
    last, bucket = await load(counted.own), _bucket(await load(counted.all), now)
    if last is not None:
        await _save(site, transaction, counted, replace(last, count=max(0.0, last.count - 1)))
    back = min(float(ACCOUNT_TRIES), bucket.left + 1)
    await _save(site, transaction, counted, Tries(counted.all, back, now, now + _ACCOUNT_SPAN))


async def _succeed(site: Site, transaction: Transaction, counted: _Counted, now: datetime) -> None:
    """Take back a try that was right. Its network is then exempt from the limit for all networks."""
    await _uncount(site, transaction, counted, now)
    await _save(site, transaction, counted, Tries(counted.own, 0, now, now + KNOWN_NETWORK))


def _loader(
    site: Site, transaction: Transaction, user: User | None, now: datetime
) -> Callable[[bytes], Awaitable[Tries | None]]:
    async def load(key: bytes) -> Tries | None:
        known = site.unknown_tries.get(key) if user is None else await transaction.tries(key)
        return known if known is not None and now < known.expires_at else None

    return load


async def _save(site: Site, transaction: Transaction, counted: _Counted, tries: Tries) -> None:
    if counted.user is None:
        site.unknown_tries.put(tries.tries_key, tries)
        tries = replace(tries, tries_key=b"nobody")  # one row for all, so that unknown names take as long as known ones
    await transaction.save_tries(tries)


def _bucket(known: Tries | None, now: datetime) -> Bucket:
    return refill(None if known is None else Bucket(known.count, known.at), ACCOUNT_TRIES, _ACCOUNT_SPAN, now)


def _give_back(site: Site, network: str) -> None:
    """Take back a try of the network that was no wrong password."""
    known = site.network_tries.get(network)
    if known is not None:
        site.network_tries.put(network, replace(known, left=min(float(NETWORK_TRIES), known.left + 1)))
