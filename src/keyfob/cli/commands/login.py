"""`keyfob login`: log in, and keep what comes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import assert_never

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import SOURCES, add_json_flag, add_profile_flag, app_of, asked_profile
from keyfob.errors import LoginDeclined, Misuse, TimedOut
from keyfob.login import (
    BrowserOpened,
    CodeShown,
    Held,
    NetworkTrouble,
    Notice,
    Profile,
    ProfileFiles,
    ScopeNarrowed,
    SlowedDown,
    StillPending,
)

_FLOWS = ("auto", "device", "browser", "paste", "machine", "password")
_READY = ("auto", "device", "browser", "machine")


def configure(parser: ArgumentParser) -> None:
    """Say which flags there are."""
    add_profile_flag(parser)
    parser.add_argument("--issuer", metavar="URL", help="who logs you in, exactly as its metadata writes it")
    parser.add_argument("--client-id", metavar="ID", help="this program's, at that issuer")
    parser.add_argument("--audience", metavar="API", help="the identifier of the API that the token is for")
    parser.add_argument("--scope", metavar="NAMES", action="append", help="what to ask for; may be said again")
    parser.add_argument("--flow", choices=_FLOWS, default="auto", help="how to log in; auto is device for now")
    parser.add_argument("--port", metavar="N", action="append", type=int, help="with --flow browser: where the browser "
                        "comes back to, if the issuer compares ports; may be said again")  # fmt: skip
    own = parser.add_argument_group("a program as itself (--flow machine)").add_mutually_exclusive_group()
    for source in SOURCES:
        what = "secret" if source.kind == "secret" else "private key, PEM or JWK"
        where, metavar = ("variable", "NAME") if source.place == "env" else ("file", "PATH")
        flag = f"--{source.kind}-{source.place}"
        own.add_argument(flag, metavar=metavar, help=f"the {where} that holds the program's {what}")
    add_json_flag(parser)
    parser.epilog = "Flags are kept for the next time. With --json, events are printed as they happen."


def run(flags: Namespace) -> int:
    """Log in.

    Raises:
        Misuse: This version does not have that flow, or a setting is missing.
        LoginDeclined: The person said no.
        TimedOut: The person did not answer in time.
        KeyfobError: The login failed otherwise.
    """
    if flags.flow not in _READY:
        raise Misuse(
            f"--flow {flags.flow} is not yet in this version",
            code="flow-unavailable",
            hint="Leave --flow away, or say --flow device.",
        )
    profile = asked_profile(flags)
    if flags.flow == "machine" and profile.machine is None:
        hint = "Add --secret-env NAME, --secret-file PATH, --key-env NAME or --key-file PATH."
        raise Misuse("--flow machine needs to know where the program's secret or key lies", hint=hint)
    app = app_of(profile)
    ports: list[int] | None = (flags.port or []) if flags.flow == "browser" else None
    if not flags.json:
        held = app.log_in(browser_ports=ports)
        ProfileFiles().keep(app.profile)
        output.remark(_greeting(held))
        return DONE
    try:
        held = app.log_in(_print_event, browser_ports=ports)
    except LoginDeclined:
        output.result_object({"event": "denied"})
        raise
    except TimedOut:
        output.result_object({"event": "expired"})
        raise
    ProfileFiles().keep(app.profile)
    output.result_object(_granted(app.profile, held))
    return DONE


def _greeting(held: Held) -> str:
    who = held.person or held.subject
    return f"logged in as {who} at {held.issuer}" if who else f"logged in as {held.client_id} at {held.issuer}"


def _granted(profile: Profile, held: Held) -> dict[str, object]:
    return {
        "event": "granted",
        "profile": profile.name,
        "issuer": held.issuer,
        "subject": held.subject,
        "name": held.person,
        "scope": held.scope.write(),
        "expires_at": output.instant(held.expires_at),
    }


def _print_event(notice: Notice) -> None:
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
        case _:  # pragma: no cover
            assert_never(notice)
