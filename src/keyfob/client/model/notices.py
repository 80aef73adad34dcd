"""Notices from a flow to the user. A terminal prints them, `--json` prints them as events, an app gets callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keyfob.client.model.profile import InteractiveFlow
from keyfob.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class CodeShown:
    """A device login is waiting for the user (RFC 8628 §3.3). Contains no secret: the user code is for display.

    Every string comes from the server and is untrusted; pass it through `printable` before printing.

    Attributes:
        user_code: The code to compare or to type on the page.
        verification_uri: The address of that page.
        verification_uri_complete: That address with the code, for a link or a QR code; None if the server sent none.
        expires_in: The lifetime of the code.
        expires_at: The end of that lifetime, by this machine's clock in UTC.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: timedelta
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StillPending:
    """The server was polled, and the user has not decided yet.

    Attributes:
        left: The time until the code expires.
    """

    left: timedelta


@dataclass(frozen=True, slots=True)
class SlowedDown:
    """The server requires slower polling. If it requires that repeatedly, one of the two clocks runs fast.

    Attributes:
        interval: The new polling interval.
        times: How often the server has required this during this login.
    """

    interval: timedelta
    times: int


@dataclass(frozen=True, slots=True)
class NetworkTrouble:
    """A request got no usable response; the login continues.

    Attributes:
        what: The problem, as a message for the user.
        next_in: The time until the next attempt.
    """

    what: str
    next_in: timedelta


@dataclass(frozen=True, slots=True)
class ScopeNarrowed:
    """The server granted less than the requested scope (RFC 6749 §3.3)."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotBound:
    """DPoP-bound tokens were preferred, and the server issued bearer tokens (RFC 9449 §5)."""


@dataclass(frozen=True, slots=True)
class BrowserOpened:
    """The authorization URL was opened in this machine's browser. Display the URL too, in case no window appeared.

    Attributes:
        address: The authorization URL.
        expires_in: The time that the login waits for the browser.
        has_opened: Whether a browser was started.
        offers_device: Whether the user may still switch to a device login.
    """

    address: str
    expires_in: timedelta
    has_opened: bool
    offers_device: bool = False


@dataclass(frozen=True, slots=True)
class PasteAsked:
    """The user must open the authorization URL in any browser and paste the URL of the redirect.

    Attributes:
        address: The authorization URL.
        expires_in: The time that the login waits for the pasted URL.
    """

    address: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class PasteRefused:
    """The pasted text is not a redirect of this login; the login continues."""

    why: str


@dataclass(frozen=True, slots=True)
class VaultNote:
    """A message about how logins are stored, or why they cannot be stored."""

    text: str


@dataclass(frozen=True, slots=True)
class PasswordWarned:
    """keyfob is about to ask for a password; `why` is the reason that this is unsafe."""

    why: str


@dataclass(frozen=True, slots=True)
class FactorRefused:
    """A second factor was wrong; the user may try again."""


@dataclass(frozen=True, slots=True)
class NumberRefused:
    """The number from the page was wrong; the user may try again."""

    tries_left: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalAwaited:
    """The user must approve on another device; `where` is the server's text."""

    where: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class RecoveryCodeMade:
    """A new recovery code, which replaces the used code. It is displayed once and stored nowhere."""

    code: Secret


@dataclass(frozen=True, slots=True)
class FlowChosen:
    """The chosen flow, and the reasons for the choice."""

    door: InteractiveFlow
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowRefused:
    """The server refuses this flow to this client, and the next flow is tried. `why` is the server's error text."""

    door: InteractiveFlow
    following: InteractiveFlow
    why: str = ""


@dataclass(frozen=True, slots=True)
class ScopeLeftOut:
    """The server refused scopes that keyfob had added by itself; the login starts again without them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoginInAnotherProcess:
    """Another process is logging in with this profile, and keyfob waits. `pid` is its process id; None if unknown."""

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
    | NumberRefused
    | PasteAsked
    | PasswordWarned
    | PasteRefused
    | RecoveryCodeMade
    | ScopeLeftOut
    | ScopeNarrowed
    | SlowedDown
    | StillPending
    | VaultNote
)
