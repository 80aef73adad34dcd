"""`keyfob logout`: end the login at the server, forget it here, and say what is still alive."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED
from keyfob.cli.profiles import add_json_flag, add_profile_flag, known_app
from keyfob.errors import LoginRequired
from keyfob.login import LoggedOut


def configure(parser: ArgumentParser) -> None:
    """Say which flags there are."""
    add_profile_flag(parser)
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    """Log out. Whoever is not logged in has what they want.

    Raises:
        KeyfobError: The vault cannot be used.
    """
    try:
        done = known_app(flags).session().log_out()
    except LoginRequired:
        if flags.json:
            output.result_object(
                {
                    "forgotten": False,
                    "revoked": None,
                    "problem": None,
                    "access_token_alive_until": None,
                    "access_token_alive": False,
                }
            )
        else:
            output.remark("nobody was logged in")
        return DONE
    if flags.json:
        output.result_object(
            {
                "forgotten": True,
                "revoked": done.revoked,
                "problem": done.problem or None,
                "access_token_alive_until": output.instant(done.alive_until),
                "access_token_alive": done.is_alive,
            }
        )
    else:
        _say(done)
    return FAILED if done.revoked is False else DONE


def _say(done: LoggedOut) -> None:
    output.remark("logged out; nothing is kept here any more")
    if done.revoked is False:
        output.remark(f"but the server was not told ({done.problem}): the refresh token may still be good there")
    if done.alive_until is not None:
        output.remark(f"the access token cannot be called back; it lapses at {output.clock(done.alive_until)}")
    elif done.is_alive:
        output.remark("the access token cannot be called back, and the server never said when it lapses")
