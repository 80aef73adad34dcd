"""`keyfob mcp`: log in to remote MCP servers, and connect programs that use MCP over stdio."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Final, cast

from keyfob.cli import events, output
from keyfob.cli.api_login import add_issuer_flags, find_login, log_in_at, remember, unauthenticated_client
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.parser import sentence
from keyfob.client.model.profile import command
from keyfob.errors import LoginRequired, Misuse, Refused
from keyfob.protocol.address import is_safe, origin_of
from keyfob.protocol.http import JSON, Request

# A request without effect at the server (MCP, Utilities: Ping). It shows whether the server needs a token.
_PING: Final = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
_HEADERS: Final = (("accept", f"{JSON}, text/event-stream"), ("content-type", JSON))


def configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, does, run_verb in (
        ("login", "log in at the issuer of a remote MCP server", _log_in),
        ("proxy", "connect stdin and stdout to a remote MCP server, with the login for it", _proxy),
    ):
        verb = verbs.add_parser(name, help=does, description=sentence(does), allow_abbrev=False)
        verb.add_argument("url", metavar="URL", help="the server's address, https or http on this computer")
        add_profile_flag(verb)
        if name == "login":
            add_issuer_flags(verb)
            add_json_flag(verb)
        else:
            verb.add_argument(
                "--send-token",
                action="store_true",
                help="send this login's token to that address, even if it may be for another API; remembered",
            )
            verb.set_defaults(json=True)  # the MCP client uses stdin and stdout, so the user is asked nothing
        verb.set_defaults(run_verb=run_verb, login_verb=("mcp", "login"))


def run(flags: Namespace) -> int:
    if not origin_of(flags.url):
        raise Misuse("that is not a web address", hint="It looks like https://mcp.example.com/mcp")
    if not is_safe(flags.url):
        raise Misuse("a token is not sent to another computer over plain http", hint="Use the server's https address.")
    return cast(int, flags.run_verb(flags))


def _log_in(flags: Namespace) -> int:
    answer = unauthenticated_client(flags).call(Request("POST", flags.url, _HEADERS, _PING), lambda _: None)
    if answer.status != 401:
        raise Refused(
            f"this server requires no login: it responded with status {answer.status}", hint="Connect to it directly."
        )
    app = log_in_at(flags, flags.url, answer)
    remember(flags, app, flags.url)
    stored = app.session().stored()
    if flags.json:
        output.result_object(events.granted(app.profile, stored))
    else:
        output.remark(f"logged in to {flags.url} as {stored.person or stored.subject or stored.client_id}")
        output.detail(f"Next, in your program's settings: {command(f'mcp proxy {flags.url}', app.profile.name)}")
    return DONE


def _proxy(flags: Namespace) -> int:
    app = find_login(flags, flags.url)
    if app is None:
        raise LoginRequired("there is no login for this MCP server", hint=f"Run: keyfob mcp login {flags.url}")
    session = app.session(output.notice)
    session.token()  # raises if there is no login, before the connection starts
    remember(flags, app, flags.url)
    try:
        from keyfob.client.io.mcp_bridge import bridge  # noqa: PLC0415  loads the MCP SDK
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        hint = "Run: pip install 'keyfob[mcp]'"
        raise Misuse("keyfob mcp proxy needs the extra mcp", code="extra-missing", hint=hint) from None
    auth = session.auth_for_httpx2(origin_of(flags.url))
    bridge(flags.url, auth, session.tls(), output.remark, f"keyfob mcp login {flags.url}")
    return DONE
