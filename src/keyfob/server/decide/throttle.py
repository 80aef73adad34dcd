"""Rate limits against guessing codes and passwords (RFC 8628 §5.1, NIST SP 800-63B-4 §3.2.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Final, NamedTuple

from keyfob.server.decide.user_code import ALPHABET, CODE_LENGTH

MOST_FROM_ONE_ADDRESS: Final = 3
FREE_TRIES: Final = 5  # wrong passwords before the first wait
# The limit for one account from all addresses together (NIST SP 800-63B-4 §3.2.2), with the time to regain one try.
# Addresses that have logged in before are exempt, so an attacker cannot lock the user out at their usual address.
ACCOUNT_TRIES: Final = 100
ACCOUNT_TRY_BACK_AFTER: Final = timedelta(minutes=15)
LONGEST_WAIT: Final = timedelta(minutes=15)
# The limit for one network at all accounts together, which bounds the spraying of one password.
NETWORK_TRIES: Final = 100
NETWORK_TRY_BACK_AFTER: Final = timedelta(seconds=30)
# E-mails with a code: for one login, and for one user.
MESSAGES_OF_LOGIN: Final = 3
MESSAGES: Final = 10
MESSAGES_SPAN: Final = timedelta(hours=1)
MESSAGE_PAUSE: Final = timedelta(seconds=30)
# E-mails in MESSAGES_SPAN that one network causes for all users together: with a list of stolen passwords, one to each.
MESSAGES_OF_NETWORK: Final = 300
FAILURES_KEPT: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_WAIT: Final = timedelta()
KNOWN_NETWORK: Final = timedelta(days=30)  # how long a network from which the user has logged in stays exempt


def guess_budget(odds: float) -> int:
    """Return how many wrong codes all browsers together may enter within one code's lifetime.

    A code is one of 20^8. G guesses find it with probability G / 20^8, so G is odds x 20^8: 5 for 2^-32. It is at least
    1, so that a user may mistype.
    """
    return max(1, math.floor(odds * len(ALPHABET) ** CODE_LENGTH))


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """Return the network to count attempts by: an IPv4 address, or a /64 of IPv6, which one household controls."""
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
    """A token bucket: the tries that are left at a point in time."""

    left: float
    at: datetime


def refill(bucket: Bucket | None, size: int, span: timedelta, now: datetime) -> Bucket:
    """Return the bucket at the present time. It refills evenly over `span`; a new one is full."""
    if bucket is None:
        return Bucket(size, now)
    passed = (now - bucket.at).total_seconds()
    return Bucket(min(float(size), bucket.left + max(0.0, passed) * size / span.total_seconds()), now)


def spend(bucket: Bucket) -> Bucket:
    return Bucket(max(0.0, bucket.left - 1), bucket.at)


def time_until_try(bucket: Bucket, size: int, span: timedelta) -> timedelta:
    """Return the time until a whole try is available."""
    return timedelta() if bucket.left >= 1 else (1 - bucket.left) * span / size


class Counted(NamedTuple):
    """The state of a limit of volume after one request.

    Attributes:
        full_at: The nanosecond since 1970 at which the whole limit is there again; all that is remembered of a caller.
        wait: The time until a request is allowed; 0: this one was allowed, and is counted.
        left: How many more requests are allowed now.
    """

    full_at: int
    wait: timedelta
    left: int


def count_request(full_at: int, size: int, span: timedelta, now: datetime) -> Counted:
    """Count one request of a caller that may make `size` at once, and one more each time that `span / size` has passed.

    This is the generic cell rate algorithm (ITU-T I.371): the same limit as a `Bucket`, in one integer. A float would
    not be exact where each request takes a few nanoseconds.

    Args:
        full_at: That of the last request; 0 for a new caller.
        size: The limit.
        span: The time in which a caller without requests regains all of them.
        now: Aware.
    """
    now_ns = (now - _EPOCH) // _MICROSECOND * 1000
    each = -(span // _MICROSECOND * -1000 // size)  # rounded up
    whole = each * size
    used = max(full_at - now_ns, 0)
    # The clock may have been set back: by a little, which makes nobody's limit larger, or by far, which forgets them.
    used = min(used, whole) if used <= 2 * whole else 0
    if (missing := used + each - whole) > 0:
        return Counted(now_ns + used, timedelta(microseconds=-(-missing // 1000)), 0)
    return Counted(now_ns + used + each, _NO_WAIT, (whole - used) // each - 1)


@dataclass(frozen=True, slots=True)
class Failures:
    """Consecutive wrong passwords or secrets for one account from one address."""

    count: int
    last: datetime


def password_wait(failures: Failures | None, now: datetime) -> timedelta:
    """Return the time that this address must wait before it may try this account again.

    Five tries are free, then the wait doubles from one second to fifteen minutes. Other addresses do not wait, so an
    attacker cannot lock out the user.
    """
    if failures is None or failures.count < FREE_TRIES:
        return timedelta()
    wait = min(timedelta(seconds=2 ** min(failures.count - FREE_TRIES, 20)), LONGEST_WAIT)
    return max(timedelta(), failures.last + wait - now)
