"""Decide about a device login: its stages, the pace of polling, what one poll gets (RFC 8628 §3.5, RFC 7636)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import Misuse
from keyfob.protocol.pkce import S256, is_challenge
from keyfob.protocol.secret import Secret
from keyfob.server.decide.check_table import first_refusal
from keyfob.server.decide.presented import Account, PresentedDeviceCode
from keyfob.server.decide.token_checks import DEVICE
from keyfob.server.records import MOVES, DeviceLogin, Stage
from keyfob.server.wire import Outcome

SLOWER_BY: Final = timedelta(seconds=5)
# A poll up to a fifth early is forgiven: clocks of virtual machines run that fast (docs/decisions/0005).
GRACE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Issue:
    """Tokens are due, once, provided that `login` is saved in the transaction that found it approved."""

    login: DeviceLogin


@dataclass(frozen=True, slots=True)
class Answer:
    """No tokens are due. `login` is to be saved where there is one."""

    outcome: Outcome
    login: DeviceLogin | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """The user has not decided. A pending poll saves nothing."""

    outcome: Outcome = "pending"


@dataclass(frozen=True, slots=True)
class Pace:
    """How one client polls. Held in memory: a pending poll writes nothing to the store.

    Attributes:
        polled_at: The last poll that came in time.
        interval: What the client must wait between polls; grows with every poll that came too early.
    """

    polled_at: datetime | None
    interval: timedelta

    def is_early(self, now: datetime) -> bool:
        """Whether a poll comes before the interval is over; the first poll never does."""
        return self.polled_at is not None and now - self.polled_at < self.interval * GRACE


def is_right_challenge(challenge: str | None, method: str | None) -> bool:
    """Whether a device code may be bound so, or is not bound at all; `plain` binds nothing (RFC 9700 §2.1.1)."""
    return method is None if challenge is None else method == S256 and is_challenge(challenge)


def decide_poll(
    login: DeviceLogin | None,
    client_id: str,
    now: datetime,
    verifier: Secret | None = None,
    *,
    pace: Pace | None = None,
    account: Account | None = None,
) -> Issue | Answer | Undecided:
    """Decide what one poll of a device gets (RFC 8628 §3.5).

    A decision is answered at once, however early the poll: only waiting is paced. The client has been authenticated
    before, as far as a public client can be.

    Args:
        login: The record that the device code points to.
        client_id: Of the client that polls.
        now: Aware, UTC.
        verifier: The client's verifier for its challenge.
        pace: How the client has polled before; None: its pace is not looked at.
        account: The user and the API as they are now; None: they are not looked at.
    """
    is_early = pace is not None and pace.is_early(now)
    refused = first_refusal(DEVICE, PresentedDeviceCode(login, client_id, verifier, now, is_early, account))
    if refused is None:
        assert login is not None, "an unknown device code is refused"  # noqa: S101
        return Issue(move(login, "redeemed"))
    if refused.row in {"pace", "decided"}:
        return Undecided(refused.outcome)
    return Answer(refused.outcome, move(login, "lapsed") if login and refused.row == "unexpired" else None)


def move(login: DeviceLogin, stage: Stage) -> DeviceLogin:
    """A login one stage on.

    Raises:
        Misuse: There is no such move.
    """
    if stage not in MOVES[login.stage]:
        raise Misuse(f"a device login does not go from {login.stage} to {stage}")
    return replace(login, stage=stage)


def is_open(login: DeviceLogin | None, now: datetime) -> bool:
    """Whether a person may still decide about it."""
    return login is not None and login.stage in {"waiting", "confirmed"} and now < login.expires_at


def confirm(login: DeviceLogin, session_hash: bytes) -> DeviceLogin:
    """A browser session says: this is the code on my screen. Only this session may approve from now on."""
    return replace(move(login, "confirmed"), session_hash=session_hash)


def may_approve(login: DeviceLogin | None, session_hash: bytes, now: datetime) -> bool:
    """Whether that session has confirmed the code, and nobody has decided yet."""
    if login is None or not is_open(login, now):
        return False
    return login.stage == "confirmed" and login.session_hash == session_hash


def approve(login: DeviceLogin, user_id: str, auth_time: datetime) -> DeviceLogin:
    """A person, who has logged in, lets the program in."""
    return replace(move(login, "approved"), user_id=user_id, auth_time=auth_time)


def decide_pace(pace: Pace, now: datetime) -> tuple[Outcome, Pace]:
    """Decide whether a poll for an undecided login comes in time.

    A poll too early lengthens the interval, but does not count as the last poll. Otherwise a steady client would be
    pushed ahead of itself for ever.
    """
    if pace.is_early(now):
        return "slow_down", replace(pace, interval=pace.interval + SLOWER_BY)
    return "pending", replace(pace, polled_at=now)
