"""Decide about a device login: codes, the pace of polling, what one poll gets (RFC 8628 §3.5, §5.1, §6.1, RFC 7636)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import Misuse
from keyfob.protocol.pkce import S256, fits, is_challenge
from keyfob.protocol.secret import Secret
from keyfob.server.records import MOVES, DeviceLogin, Stage
from keyfob.server.wire import Outcome

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words; nothing to confuse
CODE_LENGTH: Final = 8
SLOWER_BY: Final = timedelta(seconds=5)
LATE: Final = timedelta(minutes=1)  # an approval in the last second still reaches a program that polls slowly
# A poll up to a fifth early is forgiven: clocks of virtual machines run that fast (docs/decisions/0005).
GRACE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Issue:
    """Tokens are due, once, provided that `login` is saved in the transaction that found it approved."""

    login: DeviceLogin


@dataclass(frozen=True, slots=True)
class Answer:
    """No tokens. `login` is to be saved where there is one; a pending poll saves nothing."""

    outcome: Outcome
    login: DeviceLogin | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nobody has decided; the pace of polling says what to answer."""


def is_right_challenge(challenge: str | None, method: str | None) -> bool:
    """Whether a device code may be bound so, or is not bound at all; `plain` binds nothing (RFC 9700 §2.1.1)."""
    return method is None if challenge is None else method == S256 and is_challenge(challenge)


def decide_poll(
    login: DeviceLogin | None, client_id: str, now: datetime, verifier: Secret | None = None
) -> Issue | Answer | Undecided:
    """Decide what one poll of a device gets (RFC 8628 §3.5).

    What has been decided is told at once, however early the poll: only waiting is paced.

    Does not check that the client is who it says.

    Args:
        login: The record that the device code points to.
        client_id: Who polls.
        now: Aware, UTC.
        verifier: What the program shows for its challenge.
    """
    if login is None or login.client_id != client_id or login.stage == "redeemed":
        return Answer("code_unknown")
    if login.stage == "lapsed":
        return Answer("code_unknown")
    if not _is_bound_to(login.challenge, verifier):
        return Answer("verifier_wrong")
    if login.stage == "denied":
        return Answer("denied")
    if now >= login.expires_at + (LATE if login.stage == "approved" else timedelta()):
        return Answer("expired", move(login, "lapsed"))
    if login.stage == "approved":
        return Issue(move(login, "redeemed"))
    return Undecided()


def _is_bound_to(challenge: str | None, verifier: Secret | None) -> bool:
    """Whether the code was asked for by whoever shows the verifier; neither without the other (RFC 9700 §4.8.2)."""
    if challenge is None or verifier is None:
        return challenge is None and verifier is None
    return fits(verifier, challenge)


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


@dataclass(frozen=True, slots=True)
class Pace:
    """How one program polls. Kept in memory: a pending poll writes nothing to the database.

    Attributes:
        polled_at: The last poll that came in time.
        interval: What the program must keep; grows with every poll that came too early.
    """

    polled_at: datetime | None
    interval: timedelta


def decide_pace(pace: Pace, now: datetime) -> tuple[Outcome, Pace]:
    """Whether a poll came in time; the first one always does.

    A poll too early lengthens the interval, but does not count as the last poll. Otherwise a steady program would be
    pushed ahead of itself for ever.
    """
    if pace.polled_at is None or now - pace.polled_at >= pace.interval * GRACE:
        return "pending", replace(pace, polled_at=now)
    return "slow_down", replace(pace, interval=pace.interval + SLOWER_BY)


def write_user_code(random: bytes) -> str:
    """A code for a person, from random bytes, every one equally likely.

    Args:
        random: At least 16 bytes.

    Raises:
        Misuse: There were too few bytes that could be used; draw again.
    """
    # 240 is the largest multiple of 20 in a byte; beyond it some letters would be likelier.
    letters = [ALPHABET[byte % 20] for byte in random if byte < 240][:CODE_LENGTH]
    if len(letters) < CODE_LENGTH:
        raise Misuse("too little randomness for a user code")
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def read_user_code(typed: str) -> str | None:
    """A typed code as it was written, or None where it cannot be one.

    Case, dashes of every kind, spaces and full-width letters do not matter (RFC 8628 §6.1).
    """
    plain = unicodedata.normalize("NFKC", typed[:100]).upper()
    letters = "".join(letter for letter in plain if letter in ALPHABET)
    others = [letter for letter in plain if letter.isalnum() and letter not in ALPHABET]
    return None if others or len(letters) != CODE_LENGTH else f"{letters[:4]}-{letters[4:]}"
