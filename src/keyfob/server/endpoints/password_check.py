"""Verify a user's password, for the login page and the password grants (NIST SP 800-63B-4 §3.1.1, §3.2.2).

All tries are counted in the store, in the same way for existing and unknown users. An attacker who tries many names
from many networks cannot displace the counters of an existing user (`Tries.of_stranger`).
"""

from __future__ import annotations

from collections.abc import Iterable
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
    Failures,
    network_of,
    password_wait,
)
from keyfob.server.endpoints.budget import Budget
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
        wait: The time for which no further password is verified. If `wait` is not zero, this password was not verified
            either.
        is_blocked: Whether the password is correct, but the user is blocked.
        is_busy: Whether the server is too busy to verify the password now. `wait` then applies to all users.
        is_of_network: Whether the caller's network must wait before it tries any account.
    """

    wait: timedelta = timedelta()
    is_blocked: bool = False
    is_busy: bool = False
    is_of_network: bool = False


@dataclass(frozen=True, slots=True)
class _Counted:
    """A counted try of a password.

    Attributes:
        user: The user with the typed e-mail address, if there is one.
        own: The key of the counter of wrong passwords for this account from this network.
        budgets: The budget of the account for all networks, and the budget of the network for all accounts.
    """

    user: User | None
    own: bytes
    budgets: tuple[Budget, Budget]


async def check_password(
    site: Site, request: Request, connections: Iterable[str], email: str, password: Secret, *, peer: str = ""
) -> User | PasswordRefused:
    """Return the user with this e-mail address and password, or the refusal.

    The check takes as long for an unknown address as for a known one.

    Args:
        site: The tenant.
        request: The request, for its IP address and the audit log.
        connections: The connections to search, in this order.
        email: The e-mail address as typed.
        password: The password as typed.
        peer: The user's IP address, if a trusted client sent it. Otherwise the address of the request is used.
    """
    now, network = site.now(), network_of(peer or request.peer)
    if len(password) > LONGEST_PASSWORD:
        return PasswordRefused()
    # Counted before the slow hash, so that concurrent tries are all counted.
    names = tuple(connections)
    counted = await site.store.write(lambda transaction: _count(site, transaction, names, email, network, now))
    if isinstance(counted, PasswordRefused):
        code = "limit_mu" if counted.is_of_network else "limit_wc"
        site.limited("passwords", request, code=code, user_name="" if counted.is_of_network else email)
        return counted
    user = counted.user
    fits = await site.passwords.verify(password, user.password_hash if user else None, network)
    if fits is None:
        await site.store.write(lambda transaction: _uncount(transaction, counted, now))
        site.limited("passwords-waiting", request)
        return PasswordRefused(_RETRY_BUSY, is_busy=True)
    if user is None or not fits or user.is_blocked:
        is_blocked = fits and user is not None
        if user is None:
            site.note("fu", request, user_name=email)
        else:
            reason = "the user is blocked" if is_blocked else ""
            site.note("fp", request, user_name=email, user_id=user.user_id, description=reason)
        return PasswordRefused(is_blocked=is_blocked)
    if site.passwords.is_outdated(user.password_hash):
        stronger = await site.passwords.hash(password)
        await site.store.write(lambda transaction: _strengthen(transaction, user, stronger))
    current = await _current(site, user, password, network)
    if current is None:
        site.note("fp", request, user_name=email, user_id=user.user_id, description="changed in the meantime")
        return PasswordRefused()
    await site.store.write(lambda transaction: _succeed(transaction, counted, now))
    return current


async def _current(site: Site, user: User, password: Secret, network: str) -> User | None:
    """Return the user as stored now, after the password of the loaded `user` was verified.

    Return None if the user has been deleted or blocked since `user` was loaded, or has another password now. Verifying
    a password takes long. If the user changes a stolen password during that time, the attacker's login with the old
    password must fail.
    """
    stored = await site.store.read(lambda transaction: transaction.user_by_id(user.user_id))
    if not is_changed(stored, user):
        return stored
    if stored is None or stored.is_blocked:
        return None
    # Another login may have stored a stronger hash of the same password.
    return stored if await site.passwords.verify(password, stored.password_hash, network) else None


def is_changed(stored: User | None, user: User) -> bool:
    """Return whether a user was deleted, was blocked or got a new password after the record was loaded."""
    return stored is None or stored.is_blocked or stored.password_hash != user.password_hash


async def _strengthen(transaction: Transaction, user: User, password_hash: str) -> None:
    """Save a stronger hash of the same password, unless the stored password is no longer that of `user`."""
    stored = await transaction.user_by_id(user.user_id)
    if stored is not None and stored.password_hash == user.password_hash:
        await transaction.save_user(replace(stored, password_hash=password_hash))


async def _count(
    site: Site, transaction: Transaction, connections: tuple[str, ...], email: str, network: str, now: datetime
) -> _Counted | PasswordRefused:
    """Count a try. If the account or the network must wait, count nothing and return the refusal."""
    user = None
    for connection in connections:
        user = user or await transaction.user_by_email(email, connection)
    account, is_unknown = (f"user {user.user_id}", False) if user else (f"name {email.lower()}", True)
    own = _key(site, f"{account} {network}")
    everywhere = Budget(_key(site, f"{account} everywhere"), ACCOUNT_TRIES, _ACCOUNT_SPAN, is_unknown)
    of_network = Budget(_key(site, f"network {network}"), NETWORK_TRIES, _NETWORK_SPAN, of_stranger=True)
    last = await _failures(transaction, own, now)
    wait = password_wait(None if last is None else Failures(int(last.count), last.at), now)
    # In addition to the wait of one network, the tries for one account from all networks are limited.
    if last is None or last.count:
        wait = max(wait, await everywhere.wait(transaction, now))
    network_wait = await of_network.wait(transaction, now)
    if wait or network_wait:
        return PasswordRefused(max(wait, network_wait), is_of_network=network_wait > wait)
    count = (last.count if last else 0) + 1
    await transaction.save_tries(Tries(own, count, now, now + FAILURES_KEPT, is_unknown))
    await everywhere.spend(transaction, now)
    await of_network.spend(transaction, now)
    return _Counted(user, own, (everywhere, of_network))


async def _uncount(transaction: Transaction, counted: _Counted, now: datetime) -> None:
    """Remove a try from the counters, since its password was not verified."""
    last = await _failures(transaction, counted.own, now)
    if last is not None:
        await transaction.save_tries(replace(last, count=max(0.0, last.count - 1)))
    for budget in counted.budgets:
        await budget.give_back(transaction, now)


async def _succeed(transaction: Transaction, counted: _Counted, now: datetime) -> None:
    """Remove a try with the right password from the counters.

    For the time `KNOWN_NETWORK`, the network of this try is exempt from the account's limit for all networks together.
    """
    await _uncount(transaction, counted, now)
    await transaction.save_tries(Tries(counted.own, 0, now, now + KNOWN_NETWORK))


async def _failures(transaction: Transaction, key: bytes, now: datetime) -> Tries | None:
    known = await transaction.tries(key)
    return known if known is not None and now < known.expires_at else None


def _key(site: Site, name: str) -> bytes:
    return keyed_hash(site.hash_keys.codes, f"tries {name}")
