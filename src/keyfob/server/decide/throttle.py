"""Budgets for guessing codes and passwords, as arithmetic (RFC 8628 §5.1, NIST SP 800-63B-4 §3.2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final

from keyfob.server.decide.user_code import ALPHABET, CODE_LENGTH

MOST_FROM_ONE_ADDRESS: Final = 3
FREE_TRIES: Final = 5  # passwords before the wait begins
# All addresses together may try one account so often (NIST SP 800-63B-4 §3.2.2); one comes back in a while. Addresses
# that have logged in before do not count, so nobody can lock a person out of where they work.
ACCOUNT_TRIES: Final = 100
ACCOUNT_TRY_BACK_AFTER: Final = timedelta(minutes=15)
LONGEST_WAIT: Final = timedelta(minutes=15)


def guess_budget(odds: float) -> int:
    """How many wrong codes all browsers together may enter within one code's life.

    A code is one of 20^8. With G guesses in its life it is hit with odds of G / 20^8, so G may be odds x 20^8: 5 for
    2^-32. At least one, or nobody could ever mistype.
    """
    return max(1, math.floor(odds * len(ALPHABET) ** CODE_LENGTH))


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """Who counts as one guesser: an IPv4 address, or an IPv6 network of 64 bits, which one household has whole."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, IPv4Address):
        return peer
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((address, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tries that are left; they come back evenly over `span`."""

    left: float
    at: datetime


def refill(bucket: Bucket | None, size: int, span: timedelta, now: datetime) -> Bucket:
    """The bucket as it is now; a new one is full."""
    if bucket is None:
        return Bucket(size, now)
    passed = (now - bucket.at).total_seconds()
    return Bucket(min(float(size), bucket.left + max(0.0, passed) * size / span.total_seconds()), now)


def spend(bucket: Bucket) -> Bucket:
    """One try less."""
    return Bucket(max(0.0, bucket.left - 1), bucket.at)


def time_until_try(bucket: Bucket, size: int, span: timedelta) -> timedelta:
    """How long until there is a whole try again; zero when there is one."""
    return timedelta() if bucket.left >= 1 else (1 - bucket.left) * span / size


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords in a row, for one account from one address."""

    count: int
    last: datetime


def password_wait(failures: Failures | None, now: datetime) -> timedelta:
    """How long this address must wait before it may try this account again.

    Five tries are free, then the wait doubles from one second to fifteen minutes. Somebody at another address is not
    kept waiting, so nobody can be locked out of their account.
    """
    if failures is None or failures.count < FREE_TRIES:
        return timedelta()
    wait = min(timedelta(seconds=2 ** min(failures.count - FREE_TRIES, 20)), LONGEST_WAIT)
    return max(timedelta(), failures.last + wait - now)
