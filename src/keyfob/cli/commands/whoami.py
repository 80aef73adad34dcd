"""`keyfob whoami`: print the user of the stored login. This sends no request."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import known_app
from keyfob.client.model.profile import KEYFOB_LOGIN
from keyfob.client.session import report


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    add_json_flag(parser)


def run(flags: Namespace) -> int:
    app = known_app(flags)
    stored = app.session().stored()
    renews = stored.refresh_token is not None or app.profile.is_machine
    if flags.json:
        output.result_object({"profile": app.profile.name, **report.user_members(stored, renews=renews)})
        return DONE
    output.result(report.display_name(stored, is_machine=app.profile.is_machine))
    for name, value in report.user_facts(stored, datetime.now(UTC), renews=renews, login_line=KEYFOB_LOGIN):
        output.result(f"  {name:<10}{value}")
    return DONE
