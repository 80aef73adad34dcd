"""`keyfob helper`: reply to a tool, such as git, that requests a token in its own protocol."""

from __future__ import annotations

import os
import secrets
import sys
from argparse import ArgumentParser, Namespace

from keyfob.cli import output
from keyfob.cli.commands.run import check_usable_elsewhere
from keyfob.cli.parser import sentence
from keyfob.cli.tools.bound_login import find_bound
from keyfob.cli.tools.exchange import HelperCall, HelperReply, read_stdin
from keyfob.cli.tools.protocols import OPTIONS, PROTOCOLS, protocol_of
from keyfob.client.io.origin_files import ToolFile
from keyfob.errors import KeyfobError, Misuse
from keyfob.login import App
from keyfob.protocol.address import origin_of
from keyfob.run import run as blocking


def configure(parser: ArgumentParser) -> None:
    tools = parser.add_subparsers(metavar="PROTOCOL", required=True, dest="tool")
    for name, does in PROTOCOLS.items():
        tool = tools.add_parser(name, help=does, description=sentence(does), allow_abbrev=False)
        tool.add_argument(
            "--profile", metavar="NAME", help="the login to use (default: KEYFOB_PROFILE, or that of keyfob setup)"
        )
        for option, meaning in OPTIONS.get(name, {}).items():
            tool.add_argument(f"--{option.replace('_', '-')}", metavar=option.rpartition("_")[2].upper(), help=meaning)
        tool.add_argument("words", nargs="*", metavar="WORD", help="arguments of the tool")
    parser.epilog = "Tools run this; keyfob setup configures them. It opens no browser and asks no questions."


def run(flags: Namespace) -> int:
    """Print the protocol's reply to stdout. Explain an error on stderr, which most tools show to the user."""
    protocol = protocol_of(flags.tool)
    given = read_stdin() if protocol.reads_stdin else b""
    options = {name: value for name in OPTIONS.get(flags.tool, {}) if (value := getattr(flags, name))}
    try:
        reply = _reply(flags, HelperCall(flags.words, given, os.environ, options))
    except KeyfobError as problem:
        problem.more = {}  # since `failure` would print these members to stdout
        output.failure(problem, as_json=False)
        reply = protocol.refuse(problem)
    sys.stdout.write(reply.text)
    return reply.code


def _reply(flags: Namespace, call: HelperCall) -> HelperReply:
    protocol = protocol_of(flags.tool)
    wanted = protocol.read(call)
    if isinstance(wanted, HelperReply):
        return wanted
    app = find_bound(flags.tool, wanted.url, flags.profile)
    if app is None:
        reply = protocol.not_ours()
        if reply is None:
            where = origin_of(wanted.url) or "that address"
            hint = f"To use it for {where} too: keyfob help docs/tools.md"
            raise Misuse("no login is bound to this address; no token was sent", code="other-api", hint=hint)
        return reply
    if wanted.refused is not None:
        _renew(app, wanted.refused)
        return HelperReply()
    session = app.session(output.notice)
    token = session.token()
    stored = session.stored()
    check_usable_elsewhere(stored)
    if wanted.exchange is None:
        app.make_quick()
        ToolFile().refresh(app.profile)
    else:
        request = wanted.exchange.request(token)
        token = wanted.exchange.read(blocking(app.find_world(output.notice).send(request)))
    until = None if stored.expires_at is None else int((stored.expires_at - stored.skew).timestamp())
    return protocol.answer(wanted, token, until)


def _renew(app: App, refused: str) -> None:
    """Renew the access token if a server has refused it, so that the tool's next request gets a new token."""
    session = app.session(output.notice)
    if secrets.compare_digest(session.token().encode(), refused.encode()):
        session.token(renew=True)
