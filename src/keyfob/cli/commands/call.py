"""`keyfob call`: send an HTTP request with the access token. The flags have the names of curl's flags."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.api_login import add_flags, find_login, log_in_at, remember, unauthenticated_client
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.client.model.step_up import StepUp, challenge_of
from keyfob.errors import Misuse, Refused
from keyfob.login import Profile, StoredLogin
from keyfob.protocol.address import is_safe, origin_of
from keyfob.protocol.http import FORM, Request, Response
from keyfob.protocol.oauth_error import speakable

_OWN_HEADERS = {"authorization", "content-length", "host", "transfer-encoding"}


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the address, https or http on this computer")
    parser.add_argument("-X", "--request", metavar="METHOD", help="the method (default: GET, or POST with -d)")
    parser.add_argument(
        "-d",
        "--data",
        metavar="TEXT",
        action="append",
        help="the body: text, @FILE, or - for stdin; sent as a form unless -H sets the content type",
    )
    parser.add_argument("-H", "--header", metavar="'NAME: VALUE'", action="append", default=[], help="another header")
    parser.add_argument("-i", "--include", action="store_true", help="print the status and headers before the body")
    parser.add_argument(
        "--step-up", action="store_true", help="log in again if the API requires a stronger login or more scope"
    )
    add_json_flag(parser)
    add_profile_flag(parser)
    add_flags(parser)
    parser.epilog = "Redirects are not followed. The body goes to stdout, whatever the status is."


def run(flags: Namespace) -> int:
    request = _request(flags)
    head = _head if flags.include else None
    app = find_login(flags, request.url)
    if app is None:
        first = _LoginFilter(head)
        answer = unauthenticated_client(flags).call(request, first.write, first.head)
        if 200 <= answer.status <= 299:
            return DONE
        if answer.status != 401:
            refusal = _explained(answer)
            raise refusal
        app = log_in_at(flags, request.url, answer)
    session = app.session(output.notice, step_up=app.step_up if flags.step_up else None)
    if is_safe(request.url):
        session.token()  # raises if there is no token, before anything is sent or stored
        remember(flags, app, request.url)
    answer = session.call(request, output.result_bytes, head)
    if 200 <= answer.status <= 299:
        return DONE
    refusal = _explained(answer, app.profile, session.stored())
    raise refusal


class _LoginFilter:
    """Prints the response. If its status is 401, nothing is printed, since keyfob logs in and repeats the request."""

    def __init__(self, head: Callable[[Response], None] | None) -> None:
        self._head = head
        self._is_refusal = False

    def head(self, answer: Response) -> None:
        self._is_refusal = answer.status == 401
        if self._head is not None and not self._is_refusal:
            self._head(answer)

    def write(self, piece: bytes) -> None:
        if not self._is_refusal:
            output.result_bytes(piece)


def _head(answer: Response) -> None:
    lines = [f"HTTP {answer.status}", *(f"{name}: {value}" for name, value in answer.headers), ""]
    for line in lines:
        output.result(line)


def _request(flags: Namespace) -> Request:
    body = b"&".join(_body(part) for part in flags.data) if flags.data else b""
    headers = tuple(_header(line) for line in flags.header)
    if not origin_of(flags.url):
        raise Misuse("that is not a web address", hint="It looks like https://api.example.com/orders")
    method = (flags.request or ("POST" if flags.data else "GET")).upper()
    if not method.isascii() or not method.isalpha():
        raise Misuse("the method is not a word such as GET")
    if flags.data and not any(name == "content-type" for name, _ in headers):
        headers += (("content-type", FORM),)
    return Request(method, flags.url, headers, body)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.strip().lower()
    if not colon or not name or not line.isprintable() or not line.isascii() or " " in name:
        raise Misuse("the header is not NAME: VALUE", hint="For example: -H 'Content-Type: application/json'")
    if name in _OWN_HEADERS:
        raise Misuse(f"keyfob sets the header {name} itself")
    return name, value.strip()


def _body(part: str) -> bytes:
    if part in {"-", "@-"}:
        return sys.stdin.buffer.read()
    if not part.startswith("@"):
        return part.encode()
    try:
        return Path(part[1:]).read_bytes()
    except OSError as problem:
        raise Misuse(f"the file after -d cannot be read ({type(problem).__name__})") from None


def _explained(answer: Response, profile: Profile | None = None, stored: StoredLogin | None = None) -> Refused:
    """Return an error that explains why the API refused the request, with a hint (RFC 6750 §3.1, RFC 9470 §3)."""
    challenge = challenge_of(answer)
    error, message = challenge.get("error", ""), f"the API responded with status {answer.status}"
    if error:
        message += f" {speakable(error)}"
    if description := challenge.get("error_description"):
        message += f": {speakable(description)}"
    hint, wanted = "", StepUp.read(answer)
    if wanted is not None and profile is not None and stored is not None:
        missing = wanted.scope - stored.scope
        if missing and missing <= profile.scope and not wanted.assurance:
            hint = (
                f"The login requested {missing.write()}, but the server did not grant it. Ask the "
                "server's administrator."
            )
        else:
            hint = f"Run: {wanted.command(profile, stored.scope)}"
    elif answer.status == 401:
        hint = "Check that --audience of your login is this API; or log in again: keyfob login"
    return Refused(message, oauth_code=speakable(error), hint=hint, code="api-refused")
