"""`keyfob whoami`: who is logged in, where and until when. Asks nobody."""

from __future__ import annotations

import argparse

from keyfob.cli import output
from keyfob.cli.profiles import add_profile, known_app


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    add_profile(parser)
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Print what the vault knows. Raises `LoginRequired`."""
    held = known_app(args).session().held()
    until = f"{held.expires_at:%Y-%m-%dT%H:%M:%SZ}" if held.expires_at else None
    if args.json:
        output.result_json(
            {
                "subject": held.subject,
                "name": held.person,
                "issuer": held.issuer,
                "client_id": held.client_id,
                "audience": held.audience,
                "scope": held.scope.write(),
                "expires_at": until,
                "renews": held.refresh_token is not None,
            }
        )
        return 0
    renews = "and is renewed without asking" if held.refresh_token else "and is not renewed"
    output.result(
        f"{held.person or held.subject or 'somebody the server did not name'} at {held.issuer}\n"
        f"  may      {held.scope.write()}\n"
        f"  for      {held.audience or 'the default API of the issuer'}\n"
        f"  token    good until {until or 'an unknown time'}, {renews}"
    )
    return 0
