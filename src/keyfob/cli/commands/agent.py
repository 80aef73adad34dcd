"""`keyfob agent`: give access tokens to other programs, such as containers and coding agents, but not the login."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.profiles import choose, not_logged_in, stored_app
from keyfob.client.io.vault.files import AGENT_VARIABLE
from keyfob.client.model.agent_messages import AgentRequest, write_error
from keyfob.client.session.handout import Offer, check_offer, choose_offer, hand_out
from keyfob.errors import KeyfobError, SystemFailed
from keyfob.login import App
from keyfob.protocol.scope import Scope

if TYPE_CHECKING:
    from keyfob.client.io.agent.agent_socket import Peer


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "profiles", nargs="*", metavar="NAME", help="the logins whose tokens it hands out (default: the login in use)"
    )
    parser.add_argument(
        "--audience", metavar="API", action="append", default=[], help="hand out tokens for this API only; repeatable"
    )
    parser.add_argument("--scope", metavar="NAMES", action="append", help="hand out no token with more scope than this")
    parser.add_argument(
        "--socket", metavar="PATH", type=Path, help="path of the socket (default: in your runtime folder)"
    )
    add_json_flag(parser)
    parser.epilog = (
        "Programs use it if KEYFOB_AGENT is set: keyfob token, call, run and whoami, and all "
        "that use keyfob.login. They get access tokens; the refresh token stays here. Only "
        "programs of your own account get one."
    )


def run(flags: Namespace) -> int:
    os.environ.pop(AGENT_VARIABLE, None)  # so that this agent uses the vault, not another agent
    if sys.platform != "linux":
        raise SystemFailed(
            "keyfob agent works on Linux only: on other systems it cannot check the account of the caller"
        )
    from keyfob.client.io.agent.agent_server import AgentServer, default_socket  # noqa: PLC0415  POSIX only

    apps = {app.profile.name: app for app in map(_stored, flags.profiles or [choose(Namespace()).name])}
    scope = None if flags.scope is None else Scope.read(" ".join(flags.scope))
    offers = {name: Offer(app.profile, frozenset(flags.audience), scope) for name, app in apps.items()}
    for name, app in apps.items():
        check_offer(offers[name], app.session(output.notice).stored())  # here the user types the vault's passphrase

    def answer(raw: bytes, peer: Peer) -> bytes:
        return answer_request(raw, peer, apps, offers, as_json=flags.json)

    path = (flags.socket or default_socket()).absolute()
    with AgentServer(path, answer) as server:
        if flags.json:
            output.result_object({"event": "listening", "socket": str(path), "profiles": sorted(apps)})
        else:
            output.result(f"export {AGENT_VARIABLE}={path}")
            output.remark(f"handing out access tokens of {', '.join(sorted(apps))}; Ctrl-C stops it")
        try:
            server.serve()
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):  # stderr may be closed
                sys.stderr.write("\n")
    return DONE


def answer_request(
    raw: bytes, peer: Peer, apps: Mapping[str, App], offers: Mapping[str, Offer], *, as_json: bool
) -> bytes:
    """Return the reply to one request: an access token or an error. Never raise an exception."""
    try:
        request = AgentRequest.read(raw)
        name = choose_offer(request, list(offers.values())).profile.name
        session = apps[name].session(output.notice)
        session.token()
        given = hand_out(request, offers[name], session.stored(), datetime.now(UTC)).write()
    except KeyfobError as problem:
        _report({"event": "refused", "pid": peer.process, "code": problem.code},
                f"process {peer.process} got no token: {problem.message}", as_json=as_json)  # fmt: skip
        return write_error(problem)
    except Exception as problem:  # noqa: BLE001  the agent goes on, and no message repeats a token
        output.unexpected(problem)
        return write_error(SystemFailed("the agent failed unexpectedly"))
    _report({"event": "handed_out", "pid": peer.process, "profile": name},
            f"process {peer.process} got a token of {name}", as_json=as_json)  # fmt: skip
    return given


def _report(event: Mapping[str, object], text: str, *, as_json: bool) -> None:
    """Print a report of a request. Continue if the output is closed."""
    try:
        if as_json:
            output.result_object(event)
        else:
            output.remark(text)
    except OSError:
        if as_json:
            output.discard_output()  # stdout only: its buffer would fail again, but stderr has no buffer


def _stored(name: str) -> App:
    """Return the login of a profile, from stored settings only. A project's file has no effect on the agent.

    Raises:
        LoginRequired: The profile has no login.
    """
    app = stored_app(name)
    if app is None:
        raise not_logged_in(name)
    return app
