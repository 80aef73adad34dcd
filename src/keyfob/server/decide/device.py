"""Decide about a device login: its stages, the polling interval, and each poll (RFC 8628 §3.5, RFC 7636)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import Misuse
from keyfob.light import light_dataclass
from keyfob.protocol.pkce import S256, is_challenge
from keyfob.protocol.secret import Secret
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import Account, DeviceFacts
from keyfob.server.decide.token_checks import DEVICE
from keyfob.server.records import MOVES, DeviceLogin, Stage
from keyfob.server.wire import Outcome

SLOWER_BY: Final = timedelta(seconds=5)
# A poll may be up to a fifth early, since the clock of a virtual machine may be that fast (docs/decisions/0005).
GRACE: Final = 0.8
NUMBER_TRIES: Final = 3  # of six digits, so a number is guessed once in 333,333 approvals


@light_dataclass(frozen=True, slots=True)
class Issue:
    """The decision to issue tokens. In the transaction of this decision, the caller must save `login`."""

    login: DeviceLogin


@light_dataclass(frozen=True, slots=True)
class Answer:
    """The decision to issue no tokens. If `login` is not None, the caller must save it."""

    outcome: Outcome
    login: DeviceLogin | None = None


@light_dataclass(frozen=True, slots=True)
class Undecided:
    """The decision to issue no tokens yet, and to save nothing."""

    outcome: Outcome = "pending"  # or "slow_down", "number_missing"


@light_dataclass(frozen=True, slots=True)
class Pace:
    """The polling state of one client. It is kept in memory, so that a pending poll writes nothing to the store.

    Attributes:
        polled_at: The time of the last poll, early polls excluded.
        interval: The required time between polls. Each early poll increases it.
    """

    polled_at: datetime | None
    interval: timedelta

    def is_early(self, now: datetime) -> bool:
        """Return whether a poll is early. The first poll is never early."""
        return self.polled_at is not None and now - self.polled_at < self.interval * GRACE


def is_right_challenge(challenge: str | None, method: str | None) -> bool:
    """Return whether a challenge is S256 and well-formed, or absent. `plain` is not accepted (RFC 9700 §2.1.1)."""
    return method is None if challenge is None else method == S256 and is_challenge(challenge)


def decide_poll(
    login: DeviceLogin | None,
    client_id: str,
    now: datetime,
    verifier: Secret | None = None,
    *,
    number_hash: bytes | None = None,
    pace: Pace | None = None,
    account: Account | None = None,
) -> Issue | Answer | Undecided:
    """Decide about one poll (RFC 8628 §3.5).

    An early poll is refused only if the login is pending, or if the poll lacks the number that the user types after the
    approval. Otherwise, even an early poll returns the user's decision.

    Args:
        login: The record of the device code.
        client_id: The client that polls.
        now: The current time, aware, UTC.
        verifier: The `code_verifier` for the login's challenge.
        number_hash: The hash of the number in the poll, or None if the poll has no number.
        pace: The client's polling state; if None, the interval is not checked.
        account: The current user and API; if None, they are not checked.
    """
    is_early = pace is not None and pace.is_early(now)
    facts = DeviceFacts(
        record=login, client_id=client_id, verifier=verifier, now=now, is_early=is_early, account=account,
        number_hash=number_hash,
    )  # fmt: skip
    refused = first_failed_check(DEVICE, facts)
    if refused is None:
        return Issue(move(facts.known, "redeemed"))
    if refused.outcome in {"slow_down", "pending", "number_missing"}:
        return Undecided(refused.outcome)
    if refused.outcome == "number_wrong":
        return Answer(refused.outcome, count_wrong_number(facts.known))
    return Answer(refused.outcome, move(facts.known, "lapsed") if refused.row == "unexpired" else None)


def count_wrong_number(login: DeviceLogin) -> DeviceLogin:
    """Return the login with one more wrong number. After `NUMBER_TRIES` wrong numbers, the login ends."""
    counted = replace(login, number_tries=login.number_tries + 1)
    return move(counted, "denied") if counted.number_tries >= NUMBER_TRIES else counted


def move(login: DeviceLogin, stage: Stage) -> DeviceLogin:
    """Return the login, changed to `stage`.

    Raises:
        Misuse: `MOVES` does not allow `stage` after the login's present stage.
    """
    if stage not in MOVES[login.stage]:
        raise Misuse(f"a device login does not go from {login.stage} to {stage}")
    return replace(login, stage=stage)


def is_open(login: DeviceLogin | None, now: datetime) -> bool:
    """Return whether a user may still decide about the login."""
    return login is not None and login.stage in {"waiting", "confirmed"} and now < login.expires_at


def confirm(login: DeviceLogin, session_hash: bytes) -> DeviceLogin:
    """Return the login as confirmed by a browser session. Afterwards only this session may approve the login."""
    return replace(move(login, "confirmed"), session_hash=session_hash)


def may_approve(login: DeviceLogin | None, session_hash: bytes, now: datetime) -> bool:
    """Return whether the session has confirmed the code, and the login is still undecided."""
    if login is None or not is_open(login, now):
        return False
    return login.stage == "confirmed" and login.session_hash == session_hash


def approve(login: DeviceLogin, user_id: str, auth_time: datetime) -> DeviceLogin:
    """Return the login as approved by a user who is logged in."""
    return replace(move(login, "approved"), user_id=user_id, auth_time=auth_time)


def decide_pace(pace: Pace, now: datetime) -> tuple[Outcome, Pace]:
    """Decide whether a poll for a pending login is early. Return the outcome and the client's new polling state.

    An early poll increases the interval, but does not set `polled_at`. If it did, a client that polls at a constant
    interval would be early at every further poll.
    """
    if pace.is_early(now):
        return "slow_down", Pace(pace.polled_at, pace.interval + SLOWER_BY)
    return "pending", Pace(now, pace.interval)
