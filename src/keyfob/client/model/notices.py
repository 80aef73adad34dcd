"""What a flow tells the person. A terminal turns these into words, `--json` into events, a program into callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keyfob.client.model.flow_names import InteractiveFlow
from keyfob.protocol.secret import Secret


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
class NotBound:
    """Tokens bound to a key were preferred, and the server gives plain ones (RFC 9449 §5)."""


@dataclass(frozen=True, slots=True)
class BrowserOpened:
    """The person is sent to an address in this machine's browser; it is shown too, should none have opened.

    Attributes:
        offers_device: Whether they may still choose to log in on another device.
    """

    address: str
    expires_in: timedelta
    has_opened: bool
    offers_device: bool = False


@dataclass(frozen=True, slots=True)
class PasteAsked:
    """The person opens an address in a browser anywhere, and brings back the one it ends at."""

    address: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class PasteRefused:
    """What was pasted is no answer to this login; it goes on."""

    why: str


@dataclass(frozen=True, slots=True)
class VaultNote:
    """Something about how tokens are kept that the person should know: where, or that they cannot be."""

    text: str


def printable(text: str) -> str:
    """A stranger's text without anything that could steer a terminal: control, format and private characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@dataclass(frozen=True, slots=True)
class PasswordWarned:
    """A password is about to be asked for, and why that is no good idea."""

    why: str


@dataclass(frozen=True, slots=True)
class FactorRefused:
    """A code was mistyped; it may be typed again."""


@dataclass(frozen=True, slots=True)
class ApprovalAwaited:
    """The person is to approve on another device; `where` is the server's text."""

    where: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class RecoveryCodeMade:
    """The recovery code that was used is spent; this one is the next. It is shown once, and kept nowhere."""

    code: Secret


@dataclass(frozen=True, slots=True)
class FlowChosen:
    """Which way to log in was chosen, and why."""

    door: InteractiveFlow
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowRefused:
    """The server does not open this way to this program; the next one is tried."""

    door: InteractiveFlow
    following: InteractiveFlow


@dataclass(frozen=True, slots=True)
class LoginInAnotherProcess:
    """Another process logs this profile in just now, and is waited for; `pid` is its number, where that is known."""

    pid: int | None


Notice = (
    ApprovalAwaited
    | BrowserOpened
    | CodeShown
    | FlowChosen
    | FlowRefused
    | FactorRefused
    | LoginInAnotherProcess
    | NetworkTrouble
    | NotBound
    | PasteAsked
    | PasswordWarned
    | PasteRefused
    | RecoveryCodeMade
    | ScopeNarrowed
    | SlowedDown
    | StillPending
    | VaultNote
)
