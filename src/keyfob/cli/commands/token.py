"""`keyfob token`: a valid access token on stdout; never opens a browser."""

from __future__ import annotations

import argparse
from datetime import timedelta

from keyfob.cli import output
from keyfob.cli.profiles import add_profile, duration, known_app

MINUTE = timedelta(minutes=1)


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    add_profile(parser)
    parser.add_argument(
        "--min-ttl", type=duration, default=timedelta(minutes=1), help="how long it must live, as in 5m"
    )
    parser.add_argument("--json", action="store_true", help="with its expiry and scope")


def run(args: argparse.Namespace) -> int:
    """Print it. Raises as `Session.token`."""
    session = known_app(args).session()
    token = session.token(args.min_ttl)
    if not args.json:
        output.result(token)
        return 0
    held = session.held()
    until = f"{held.expires_at:%Y-%m-%dT%H:%M:%SZ}" if held.expires_at else None
    output.result_json(
        {"access_token": token, "token_type": "Bearer", "expires_at": until, "scope": held.scope.write()}
    )
    return 0
