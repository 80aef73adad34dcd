"""`keyfob whoami`: the user of the stored login. Sends no request."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import known_app
from keyfob.login import StoredLogin


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    app = known_app(flags)
    stored = app.session().stored()
    renews = stored.refresh_token is not None or app.profile.is_machine
    if flags.json:
        output.result_object(
            {
                "profile": app.profile.name,
                "issuer": stored.issuer,
                "client_id": stored.client_id,
                "audience": stored.audience,
                "subject": stored.subject,
                "name": stored.person,
                "scope": stored.scope.write(),
                "expires_at": output.instant(stored.expires_at),
                "renews": renews,
            }
        )
        return DONE
    itself = f"{stored.client_id} (a program as itself)" if app.profile.is_machine else None
    output.result(stored.person or stored.subject or itself or "(the issuer does not say who)")
    for name, value in _facts(stored, renews=renews):
        output.result(f"  {name:<10}{value}")
    return DONE


def _facts(stored: StoredLogin, *, renews: bool) -> list[tuple[str, str]]:
    facts = [
        ("issuer", stored.issuer),
        ("subject", stored.subject if stored.person else None),
        ("audience", stored.audience),
        ("scope", stored.scope.write()),
        ("token", _state(stored, renews=renews)),
    ]
    return [(name, value) for name, value in facts if value]


def _state(stored: StoredLogin, *, renews: bool) -> str:
    after = "then renewed" if renews else "then a new login is needed"
    if stored.expires_at is None:
        return "good until the API says otherwise"
    if stored.expires_at <= datetime.now(UTC):
        return "lapsed; the next use renews it" if renews else "lapsed; run keyfob login"
    return f"good until {output.clock(stored.expires_at)}, {after}"
