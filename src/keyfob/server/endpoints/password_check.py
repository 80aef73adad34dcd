"""Verify a user's password, for the login page and the password grants (NIST SP 800-63B-4 §3.1.1, §3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret
from keyfob.server.decide.throttle import (
    ACCOUNT_TRIES,
    ACCOUNT_TRY_BACK_AFTER,
    Failures,
    network_of,
    password_wait,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.site import Site

LONGEST_EMAIL: Final = 320
LONGEST_PASSWORD: Final = 1024


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """The password was refused.

    Attributes:
        wait: The time until the next password is verified; then this one was not.
        is_blocked: The password is correct, but the user is blocked.
    """

    wait: timedelta = timedelta()
    is_blocked: bool = False


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
    now, account = site.now(), (email.lower(), network_of(peer or request.peer))
    failures = site.failures.get(account)
    # In addition to the wait of one network, the tries for one account from all networks are limited.
    bucket = refill(site.account_tries.get(account[0]), ACCOUNT_TRIES, ACCOUNT_TRIES * ACCOUNT_TRY_BACK_AFTER, now)
    wait = password_wait(failures, now)
    if failures is None or failures.count:
        wait = max(wait, time_until_try(bucket, ACCOUNT_TRIES, ACCOUNT_TRIES * ACCOUNT_TRY_BACK_AFTER))
    if wait:
        return PasswordRefused(wait)
    # Counted before the slow hash, so that concurrent tries are all counted.
    site.failures.put(account, Failures((failures.count if failures else 0) + 1, now))
    site.account_tries.put(account[0], spend(bucket))
    user = await site.store.read(lambda transaction: _find(transaction, connections, email))
    fits = len(password) <= LONGEST_PASSWORD and await site.passwords.verify(
        password, user.password_hash if user else None
    )
    if user is None or not fits or user.is_blocked:
        is_blocked = fits and user is not None
        site.note("fp", request, user_name=email, description="blocked" if is_blocked else "wrong e-mail or password")
        return PasswordRefused(is_blocked=is_blocked)
    site.failures.put(account, Failures(0, now))  # this network is exempt from the limit for all networks
    site.account_tries.put(account[0], bucket)
    if site.passwords.is_outdated(user.password_hash):
        stronger = replace(user, password_hash=await site.passwords.hash(password))
        await site.store.write(lambda transaction: _strengthen(transaction, user, stronger.password_hash))
        return stronger
    return user


def _strengthen(transaction: Transaction, user: User, password_hash: str) -> None:
    """Save a stronger hash of the same password, unless the user has another password by now."""
    stored = transaction.user_by_id(user.user_id)
    if stored is not None and stored.password_hash == user.password_hash:
        transaction.save_user(replace(stored, password_hash=password_hash))


def _find(transaction: Transaction, connections: Iterable[str], email: str) -> User | None:
    found = (transaction.user_by_email(email, connection) for connection in connections)
    return next((user for user in found if user is not None), None)
