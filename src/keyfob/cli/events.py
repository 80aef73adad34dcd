"""The events of `keyfob login --json`, one JSON object per line. The calling program shows them to its user."""

from __future__ import annotations

import sys
from typing import assert_never

from keyfob.cli import output
from keyfob.client.model.notices import (
    ApprovalAwaited,
    FactorRefused,
    FlowChosen,
    FlowRefused,
    LoginInAnotherProcess,
    NetworkTrouble,
    NotBound,
    NumberRefused,
    PasswordWarned,
    PasteRefused,
    RecoveryCodeMade,
    ScopeLeftOut,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
    VaultNote,
)
from keyfob.errors import LoginRequired
from keyfob.login import BrowserOpened, CodeShown, Notice, PasteAsked, Profile, Question, StoredLogin
from keyfob.protocol.secret import Secret


def ask(question: Question) -> Secret:
    """Print a question for the user, and return the next line of stdin.

    Raises:
        LoginRequired: stdin is closed.
    """
    offered = {"default": question.default} if question.default else {}
    output.result_object({"event": "question", "kind": question.kind, "words": question.words, **offered})
    typed = sys.stdin.readline()
    if not typed:
        raise LoginRequired(
            "stdin is closed, so there is no answer", code="no-terminal", hint="Answer each question with a line."
        )
    return Secret(typed.rstrip("\r\n") or question.default)


def granted(profile: Profile, stored: StoredLogin) -> dict[str, object]:
    """Return the final event of a successful login."""
    return {
        "event": "granted",
        "profile": profile.name,
        "issuer": stored.issuer,
        "subject": stored.subject,
        "name": stored.person,
        "scope": stored.scope.write(),
        "expires_at": output.instant(stored.expires_at),
    }


def show(notice: Notice) -> None:
    output.result_object(_event(notice))


def _event(notice: Notice) -> dict[str, object]:
    """Return a notice as JSON members, with durations in whole seconds. The user code is included: it is no secret."""
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
        case LoginInAnotherProcess():
            return {"event": "login_elsewhere", "pid": notice.pid}
        case StillPending():
            return {"event": "pending", "seconds_left": int(notice.left.total_seconds())}
        case SlowedDown():
            return {"event": "slow_down", "interval": int(notice.interval.total_seconds())}
        case NetworkTrouble():
            return {"event": "network_trouble", "message": notice.what, "next_in": int(notice.next_in.total_seconds())}
        case ScopeNarrowed():
            return {"event": "scope_narrowed", "missing": list(notice.missing)}
        case ScopeLeftOut():
            return {"event": "scope_left_out", "names": list(notice.names)}
        case VaultNote():
            return {"event": "vault", "message": notice.text}
        case _:
            return _flow_event(notice)


_FlowNotice = (
    ApprovalAwaited
    | FlowChosen
    | FlowRefused
    | FactorRefused
    | NotBound
    | NumberRefused
    | PasswordWarned
    | PasteAsked
    | PasteRefused
    | RecoveryCodeMade
)


def _refused_event(notice: FactorRefused | NumberRefused) -> dict[str, object]:
    if isinstance(notice, NumberRefused):
        return {"event": "number_refused", "tries_left": notice.tries_left}
    return {"event": "factor_refused"}


def _flow_event(notice: _FlowNotice) -> dict[str, object]:
    match notice:
        case NotBound():
            return {"event": "not_bound"}
        case PasteAsked():
            return {"event": "paste", "address": notice.address}
        case PasswordWarned():
            return {"event": "warning", "message": notice.why}
        case RecoveryCodeMade():
            return {"event": "recovery_code", "recovery_code": notice.code.reveal()}
        case PasteRefused():
            return {"event": "paste_refused", "message": notice.why}
        case FlowChosen():
            return {"event": "chosen", "flow": notice.door, "reasons": list(notice.reasons)}
        case FlowRefused():
            return {"event": "refused", "flow": notice.door, "next": notice.following, "message": notice.why}
        case ApprovalAwaited():
            return {"event": "approval_awaited", "where": notice.where}
        case FactorRefused() | NumberRefused():
            return _refused_event(notice)
        case _:  # pragma: no cover
            assert_never(notice)
