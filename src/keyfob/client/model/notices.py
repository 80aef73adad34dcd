"""Notices from a flow to the user.

Commands print them as text or, with `--json`, as events. An app gets each notice by a callback.
"""

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
        user_code: The code that the user types on the verification page, or compares with the code there.
        verification_uri: The address of the verification page.
        verification_uri_complete: The address with the code, for a link or a QR code; None if the server sent none.
        expires_in: The code's remaining lifetime.
        expires_at: The code's expiry by this machine's clock, in UTC.
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
    """The server requires slower polling.

    If this happens repeatedly, this machine's clock or the server's clock probably runs too fast.

    Attributes:
        interval: The new polling interval.
        times: The number of times that the server has required slower polling during this login.
    """

    interval: timedelta
    times: int


@dataclass(frozen=True, slots=True)
class NetworkTrouble:
    """A request got no usable response; the login continues.

    Attributes:
        what: The error message for the user.
        next_in: The time until the next attempt.
    """

    what: str
    next_in: timedelta


@dataclass(frozen=True, slots=True)
class ScopeNarrowed:
    """The server granted less than the requested scope (RFC 6749 §3.3); `missing` lists the names not granted."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotBound:
    """The profile prefers DPoP, but the server issued bearer tokens (RFC 9449 §5). The login continues with them."""


@dataclass(frozen=True, slots=True)
class BrowserOpened:
    """The login waits for this machine's browser. Display the URL in any case: perhaps no window has appeared.

    Attributes:
        address: The authorization URL.
        expires_in: The time that the login waits for the browser.
        has_opened: Whether keyfob started a browser with the URL.
        offers_device: Whether the user may switch to a device login.
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
    """The pasted text is not a redirect of this login, for the reason `why`. The login continues."""

    why: str


@dataclass(frozen=True, slots=True)
class VaultNote:
    """A message about how logins are stored, or why they cannot be stored."""

    text: str


@dataclass(frozen=True, slots=True)
class PasswordWarned:
    """keyfob is about to ask for a password. `why` explains the risk."""

    why: str


@dataclass(frozen=True, slots=True)
class FactorRefused:
    """The code of the second factor was wrong; the user may try again."""


@dataclass(frozen=True, slots=True)
class NumberRefused:
    """The number that the user typed is not the number on the verification page. `tries_left` is None if unknown."""

    tries_left: int | None = None


@dataclass(frozen=True, slots=True)
class ApprovalAwaited:
    """The user must approve the login on another device, which the server describes in `where`."""

    where: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class RecoveryCodeMade:
    """A new recovery code, since the user has used up the old code. keyfob displays it once and stores it nowhere."""

    code: Secret


@dataclass(frozen=True, slots=True)
class FlowChosen:
    """keyfob has chosen the login flow `door`.

    Attributes:
        door: The chosen flow.
        reasons: The reasons for the choice; each is one line of text.
    """

    door: InteractiveFlow
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowRefused:
    """The server refuses a login flow to this client. keyfob tries the next flow.

    Attributes:
        door: The refused flow.
        following: The flow that keyfob tries next.
        why: The error text; "" if there is none.
    """

    door: InteractiveFlow
    following: InteractiveFlow
    why: str = ""


@dataclass(frozen=True, slots=True)
class ScopeLeftOut:
    """The server refused scopes that keyfob had added by itself. The login starts again without these scopes."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoginInAnotherProcess:
    """keyfob waits because another process is logging in with this profile. `pid` is that process; None if unknown."""

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
