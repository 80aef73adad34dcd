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
# E-mails in MESSAGES_SPAN that one network causes for all users: an attacker with stolen passwords could cause many.
MESSAGES_OF_NETWORK: Final = 300
# E-mails with a link in MESSAGES_SPAN that unauthenticated callers request: to one address, and from one network.
LINKS_OF_ADDRESS: Final = 3
LINKS_OF_NETWORK: Final = 30
FAILURES_KEPT: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_WAIT: Final = timedelta()
KNOWN_NETWORK: Final = timedelta(days=30)  # how long a network from which the user has logged in stays exempt


CODES: Final = len(ALPHABET) ** CODE_LENGTH
_BURST: Final = 0.85  # the part of the budget that can be spent at once; the rest is regained evenly


@dataclass(frozen=True, slots=True)
class GuessLimit:
    """The limit on wrong user codes from callers who are not logged in (docs/decisions/0059-guesses-by-arithmetic.md).

    All guesses spend units from one bucket. `CODES` is the number of possible codes. While `live` of them are valid, a
    guess is right with the probability `live / CODES`, and costs `live` units. Within one code's lifetime, at most
    `size + regained` units can be spent. This sum is `odds x CODES`, where `odds` is the tenant's setting `guess_odds`.
    So the probability that any guess is right is at most `odds`, for any number of codes and addresses.

    Attributes:
        size: The units of a full bucket.
        regained: The units that the bucket regains within one code's lifetime.
        lifetime: The lifetime of a code.
    """

    size: int
    regained: float
    lifetime: timedelta

    @classmethod
    def of(cls, odds: float, lifetime: timedelta) -> GuessLimit:
        """Return the limit for the given odds. It allows at least one wrong guess, since users mistype."""
        units, size = odds * CODES, guess_budget(odds)
        return cls(size, units - size if units > size else 1.0, lifetime)

    @property
    def span(self) -> timedelta:
        """The time in which an empty bucket becomes full."""
        return self.lifetime * (self.size / self.regained)

    @property
    def most_live(self) -> int:
        """The number of valid codes above which users must log in before they type a code."""
        return self.size

    @staticmethod
    def cost(live: int) -> int:
        """Return the units that one guess costs while `live` codes are valid."""
        return max(1, live)


def guess_budget(odds: float) -> int:
    """Return how many wrong codes all browsers together may enter at once while one code is valid.

    There are 20^8 possible codes, so G guesses find the one valid code with the probability G / 20^8. Within the
    lifetime of a code, this probability may be at most `odds`. So `odds x 20^8` guesses are allowed in that time, and
    the part `_BURST` of them is allowed at once. For odds of 2^-32, the result is 5.
    """
    return max(1, math.floor(_BURST * odds * CODES))


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """Return the network of an address. The attempts from one network are counted together.

    The network of an IPv4 address is this one address. The network of an IPv6 address is its /64 (one household). A
    `peer` that is not an IP address is returned unchanged.
    """
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
    """A token bucket: the number of tries that are left at a point in time."""

    left: float
    at: datetime


def refill(bucket: Bucket | None, size: float, span: timedelta, now: datetime) -> Bucket:
    """Return the bucket with the tries that it has regained until now. If `bucket` is None, return a full bucket.

    An empty bucket becomes full within `span`, at an even pace.
    """
    if bucket is None:
        return Bucket(size, now)
    passed = (now - bucket.at).total_seconds()
    return Bucket(min(float(size), bucket.left + max(0.0, passed) * size / span.total_seconds()), now)


def spend(bucket: Bucket, cost: float = 1) -> Bucket:
    return Bucket(max(0.0, bucket.left - cost), bucket.at)


def time_until_try(bucket: Bucket, size: float, span: timedelta, cost: float = 1) -> timedelta:
    """Return the time until the bucket contains `cost` tries; zero if it contains them now.

    An empty bucket of the given `size` becomes full within `span`.
    """
    return timedelta() if bucket.left >= cost else (cost - bucket.left) * span / size


class Counted(NamedTuple):
    """The state of a rate limit after one request.

    Attributes:
        full_at: The time, in nanoseconds since 1970, at which the caller may again make the full number of requests at
            once. Nothing else is stored about a caller.
        wait: The time until a request is allowed; 0 if this request was allowed and counted.
        left: How many more requests are allowed now.
    """

    full_at: int
    wait: timedelta
    left: int


def count_request(full_at: int, size: int, span: timedelta, now: datetime) -> Counted:
    """Count one request of a caller. A caller may make `size` requests at once, and then one in each `span / size`.

    This is the generic cell rate algorithm (ITU-T I.371). It limits requests like a `Bucket`, but its state is one
    integer. A float would be too inexact for large limits, where one request counts for only a few nanoseconds.

    Args:
        full_at: The field `full_at` of the result for the caller's last request; 0 for a new caller.
        size: The greatest number of requests at once.
        span: The time after which a caller that has sent no request may again send `size` requests at once.
        now: The current time, aware.
    """
    now_ns = (now - _EPOCH) // _MICROSECOND * 1000
    each = _each_ns(size, span)
    whole = each * size
    used = max(full_at - now_ns, 0)
    # The clock may have been set back. A small step raises no limit; a large step resets the limits.
    used = min(used, whole) if used <= 2 * whole else 0
    if (missing := used + each - whole) > 0:
        return Counted(now_ns + used, timedelta(microseconds=-(-missing // 1000)), 0)
    return Counted(now_ns + used + each, _NO_WAIT, (whole - used) // each - 1)


@lru_cache(maxsize=16)  # a tenant has a few limits
def _each_ns(size: int, span: timedelta) -> int:
    """Return the nanoseconds in which a caller regains one request, rounded up."""
    return -(span // _MICROSECOND * -1000 // size)


@dataclass(frozen=True, slots=True)
class Failures:
    """Consecutive wrong passwords or secrets for one account from one address."""

    count: int
    last: datetime


def password_wait(failures: Failures | None, now: datetime) -> timedelta:
    """Return how long an address must still wait before it may try an account again; zero if it need not wait.

    The first five tries need no wait. After the fifth failure, the wait is one second. Each further failure doubles it,
    up to fifteen minutes. Other addresses do not wait, so an attacker cannot lock out the user.
    """
    if failures is None or failures.count < FREE_TRIES:
        return timedelta()
    wait = min(timedelta(seconds=2 ** min(failures.count - FREE_TRIES, 20)), LONGEST_WAIT)
    return max(timedelta(), failures.last + wait - now)
