"""A login as a stream of events, for a program that shows a person what to do: one JSON object per line."""

from __future__ import annotations

from typing import assert_never

from keyfob.cli import output
from keyfob.login import (
    BrowserOpened,
    CodeShown,
    DoorChosen,
    DoorRefused,
    Held,
    NetworkTrouble,
    Notice,
    PasteAsked,
    PasteRefused,
    Profile,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
)


def granted(profile: Profile, held: Held) -> dict[str, object]:
    """The last one, when all went well."""
    return {
        "event": "granted",
        "profile": profile.name,
        "issuer": held.issuer,
        "subject": held.subject,
        "name": held.person,
        "scope": held.scope.write(),
        "expires_at": output.instant(held.expires_at),
    }


def show(notice: Notice) -> None:
    """Print it."""
    output.result_object(_event(notice))


def _event(notice: Notice) -> dict[str, object]:
    """Spans are whole seconds. Holds no secret: the user code is for showing, the device code is not in a notice."""
    match notice:
        case CodeShown():
            return {
                "event": "device_code",
                "user_code": notice.user_code,
                "verification_uri": notice.verification_uri,
                "verification_uri_complete": notice.verification_uri_complete,
                "expires_in": int(notice.expires_in.total_seconds()),
                "expires_at": output.instant(notice.expires_at),
            }
        case BrowserOpened():
            return {"event": "browser", "address": notice.address, "has_opened": notice.has_opened}
        case StillPending():
            return {"event": "pending", "seconds_left": int(notice.left.total_seconds())}
        case SlowedDown():
            return {"event": "slow_down", "interval": int(notice.interval.total_seconds())}
        case NetworkTrouble():
            return {"event": "network_trouble", "message": notice.what, "next_in": int(notice.next_in.total_seconds())}
        case ScopeNarrowed():
            return {"event": "scope_narrowed", "missing": list(notice.missing)}
        case PasteAsked() | PasteRefused() | DoorChosen() | DoorRefused():
            return _event_of_way(notice)
        case _:  # pragma: no cover
            assert_never(notice)


def _event_of_way(notice: PasteAsked | PasteRefused | DoorChosen | DoorRefused) -> dict[str, object]:
    match notice:
        case PasteAsked():
            return {"event": "paste", "address": notice.address}
        case PasteRefused():
            return {"event": "paste_refused", "message": notice.why}
        case DoorChosen():
            return {"event": "chosen", "flow": notice.door, "reasons": list(notice.reasons)}
        case DoorRefused():
            return {"event": "refused", "flow": notice.door, "next": notice.following}
