"""`keyfob logout`: end the login here, whatever happens, and at the server, and say what is still alive."""

from __future__ import annotations

import argparse

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.profiles import add_profile, known_app


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    add_profile(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Log out. Exit 1 where the server did not confirm: the refresh token may still be alive there."""
    ended = known_app(args).session().log_out()
    alive = f"{ended.alive_until:%Y-%m-%dT%H:%M:%SZ}" if ended.alive_until else None
    if args.json:
        output.result_json(
            {"forgotten": True, "revoked": ended.revoked, "problem": ended.problem, "access_token_alive_until": alive}
        )
    else:
        output.result("logged out; nothing of this login is kept here")
        if ended.revoked is False:
            output.note(f"the server did not confirm that the login has ended: {ended.problem}")
        if alive:
            output.note(f"an access token that was handed out is good until {alive}; nobody can call it back")
    return FAILED if ended.revoked is False else DONE
