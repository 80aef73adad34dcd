"""`keyfob tenant log`: print the audit log of a tenant from its files and its table, and follow new events."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, duration
from keyfob.cli.tenant import folder
from keyfob.client.model.display import printable
from keyfob.errors import Misuse
from keyfob.server.audit_event import CODES, Event

_COLOURS: Final = {"success": "32", "failure": "31", "notice": "2"}
_CODE_WIDTH: Final = 15  # the column's width in characters; only two codes are longer


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="continue with new events, until Ctrl-C")
    parser.add_argument("--since", metavar="SPAN", help="only events of the last 30m, 2h or 7d")
    parser.add_argument(
        "--type", action="append", metavar="CODE", help="only events with this code, such as fp; repeatable"
    )
    parser.add_argument("--user", metavar="EMAIL", help="only events of this user, by e-mail address or user_id")
    parser.add_argument("--file", type=Path, help="the file of keyfob serve --audit (default: that in the data folder)")
    folder.add_data_flag(parser)
    add_json_flag(parser)
    parser.epilog = "In a pipe or a file the output is one JSON object per line, as with --json."


def log(flags: Namespace) -> int:
    from keyfob.server.io.audit import FILE_NAME  # noqa: PLC0415  needs the extra serve; --help and completion do not
    from keyfob.server.io.audit_reader import POLL_S, read_log  # noqa: PLC0415  as above

    unknown = sorted(set(flags.type or ()) - CODES.keys())
    if unknown:
        raise Misuse(f"there is no event code {unknown[0]}", hint="For the codes, see: keyfob help docs/audit.md")
    since = None if flags.since is None else datetime.now(UTC) - duration(flags.since, "--since")
    as_json = flags.json or not sys.stdout.isatty()
    has_colour = not as_json and not os.environ.get("NO_COLOR")
    path = flags.file or folder.folder_of(flags) / FILE_NAME
    if flags.file is not None and not flags.file.is_file():
        raise Misuse(f"the file {flags.file} does not exist", hint="Use the file of `keyfob serve --audit`.")
    with folder.registry_of(flags) as registry:
        emails = {user.user_id: user.email for user in registry.users()}
        wait = (lambda: time.sleep(POLL_S)) if flags.follow else None
        for event in read_log(path, registry.logged_events, since, wait):
            if flags.type and event["type"] not in flags.type:
                continue
            if flags.user and not _is_about(event, flags.user, emails):
                continue
            if as_json:
                output.result_object(event)
            else:
                sys.stdout.write(_line(event, emails, has_colour=has_colour) + "\n")
                sys.stdout.flush()
    return DONE


def _is_about(event: Event, user: str, emails: Mapping[str, str]) -> bool:
    user_id = str(event.get("user_id", ""))
    names = (user_id, str(event.get("user_name", "")), emails.get(user_id, ""))
    return user.lower() in {name.lower() for name in names}


def _line(event: Event, emails: Mapping[str, str], *, has_colour: bool) -> str:
    """Return an event as a readable line: time, type, meaning, reason, user, client, IP address and operator."""
    code, user_id = str(event["type"]), str(event.get("user_id", ""))
    means = CODES[code].means.removesuffix(".") if code in CODES else code
    reason = str(event.get("description", ""))
    who = event.get("user_name") or emails.get(user_id) or user_id
    parts = [str(one) for one in (who, event.get("client_id"), event.get("ip"), event.get("operator")) if one]
    date = datetime.fromisoformat(str(event["date"])).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    told = f"{means}: {reason}" if reason else means
    marked = f"{code:<{_CODE_WIDTH}}"
    if has_colour:
        marked = f"\x1b[{_COLOURS.get(str(event.get('outcome')), '0')}m{marked}\x1b[0m"
    return f"{date}  {marked}  {printable(told)}" + (f"  [{printable(', '.join(parts))}]" if parts else "")
