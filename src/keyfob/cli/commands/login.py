"""`keyfob login`: a code here, the approval on any device."""

from __future__ import annotations

import argparse

from keyfob.cli import output
from keyfob.cli.profiles import add_profile, app_of, asked_profile
from keyfob.errors import LoginDeclined, Misuse, TimedOut
from keyfob.login import (
    App,
    CodeShown,
    Held,
    NetworkTrouble,
    Notice,
    ProfileFiles,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
)

FLOWS = ("auto", "device", "browser", "paste", "machine", "password")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    add_profile(parser)
    parser.add_argument("--issuer", metavar="URL", help="who gives the tokens (KEYFOB_ISSUER)")
    parser.add_argument("--client-id", metavar="ID", help="this program's name there (KEYFOB_CLIENT_ID)")
    parser.add_argument("--audience", metavar="A", help="the API's identifier (KEYFOB_AUDIENCE)")
    parser.add_argument("--scope", metavar="S", action="append", help="what to ask for; may be repeated (KEYFOB_SCOPE)")
    parser.add_argument("--flow", choices=FLOWS, default="auto", help="auto and device work in this version")
    parser.add_argument("--json", action="store_true", help="one JSON event a line, for programs and agents")


def run(args: argparse.Namespace) -> int:
    """Log in, and remember the settings for the next time.

    Raises:
        Misuse: The flow is not in this version, or a setting is missing.
    """
    if args.flow not in {"auto", "device"}:
        raise Misuse(
            f"this version has no {args.flow} flow yet",
            code="flow-unavailable",
            hint="Leave --flow away, or say device.",
        )
    profile = asked_profile(args)
    app = app_of(profile)
    held = _with_events(app) if args.json else app.log_in()
    ProfileFiles().keep(profile)
    until = f"{held.expires_at:%Y-%m-%dT%H:%M:%SZ}" if held.expires_at else None
    if args.json:
        granted = {"issuer": held.issuer, "subject": held.subject, "scope": held.scope.write(), "expires_at": until}
        output.result_json({"event": "granted", **granted})
    else:
        who = held.person or held.subject or "somebody the server did not name"
        output.result(f"logged in as {who} at {held.issuer}")
    return 0


def _with_events(app: App) -> Held:
    try:
        return app.log_in(_emit)
    except LoginDeclined:
        output.result_json({"event": "denied"})
        raise
    except TimedOut:
        output.result_json({"event": "expired"})
        raise


def _emit(notice: Notice) -> None:
    output.result_json(_event(notice))


def _event(notice: Notice) -> dict[str, object]:
    match notice:
        case CodeShown():
            return {
                "event": "device_code",
                "user_code": notice.user_code,
                "verification_uri": notice.verification_uri,
                "verification_uri_complete": notice.verification_uri_complete,
                "expires_at": f"{notice.expires_at:%Y-%m-%dT%H:%M:%SZ}",
            }
        case StillPending():
            return {"event": "pending", "seconds_left": round(notice.left.total_seconds())}
        case SlowedDown():
            return {"event": "slow_down", "interval": round(notice.interval.total_seconds())}
        case NetworkTrouble():
            return {"event": "network_trouble", "next_in": round(notice.next_in.total_seconds())}
        case ScopeNarrowed():
            return {"event": "scope_narrowed", "missing": list(notice.missing)}
