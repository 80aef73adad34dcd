"""`keyfob whoami`: who is logged in. Asks nobody: it says what the last login brought."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.profiles import add_json_flag, add_profile_flag, known_app
from keyfob.login import Held


def configure(parser: ArgumentParser) -> None:
    """Say which flags there are."""
    add_profile_flag(parser)
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    """Say who.

    Raises:
        KeyfobError: Nobody is logged in.
    """
    app = known_app(flags)
    held = app.session().held()
    renews = held.refresh_token is not None or app.profile.is_machine
    if flags.json:
        output.result_object(
            {
                "profile": app.profile.name,
                "issuer": held.issuer,
                "client_id": held.client_id,
                "audience": held.audience,
                "subject": held.subject,
                "name": held.person,
                "scope": held.scope.write(),
                "expires_at": output.instant(held.expires_at),
                "renews": renews,
            }
        )
        return DONE
    itself = f"{held.client_id} (a program as itself)" if app.profile.is_machine else None
    output.result(held.person or held.subject or itself or "(the issuer does not say who)")
    for name, value in _facts(held, renews=renews):
        output.result(f"  {name:<10}{value}")
    return DONE


def _facts(held: Held, *, renews: bool) -> list[tuple[str, str]]:
    facts = [
        ("issuer", held.issuer),
        ("subject", held.subject if held.person else None),
        ("audience", held.audience),
        ("scope", held.scope.write()),
        ("token", _state(held, renews=renews)),
    ]
    return [(name, value) for name, value in facts if value]


def _state(held: Held, *, renews: bool) -> str:
    after = "then renewed" if renews else "then a new login is needed"
    if held.expires_at is None:
        return "good until the API says otherwise"
    if held.expires_at <= datetime.now(UTC):
        return "lapsed; the next use renews it" if renews else "lapsed; run keyfob login"
    return f"good until {output.clock(held.expires_at)}, {after}"
