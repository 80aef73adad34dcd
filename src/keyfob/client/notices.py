"""What a flow tells the person. A terminal turns these into words, `--json` into events, a program into callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class CodeShown:
    """A login waits for the person (RFC 8628 §3.3). Holds no secret: the user code is for showing.

    Every string comes from the server and is not trusted; whoever prints it strips what is not text.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: timedelta
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StillPending:
    """The server was asked, and the person has not decided yet."""

    left: timedelta


@dataclass(frozen=True, slots=True)
class SlowedDown:
    """The server asked for a slower pace. More than once means that a clock runs fast."""

    interval: timedelta
    times: int


@dataclass(frozen=True, slots=True)
class NetworkTrouble:
    """One question went unanswered; the login goes on."""

    what: str
    next_in: timedelta


@dataclass(frozen=True, slots=True)
class ScopeNarrowed:
    """The server granted less than was asked for (RFC 6749 §3.3)."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BrowserOpened:
    """The person is sent to an address in this machine's browser; it is shown too, should none have opened."""

    address: str
    expires_in: timedelta
    has_opened: bool


def printable(text: str) -> str:
    """A stranger's text without anything that could steer a terminal: control, format and private characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


Notice = BrowserOpened | CodeShown | StillPending | SlowedDown | NetworkTrouble | ScopeNarrowed
