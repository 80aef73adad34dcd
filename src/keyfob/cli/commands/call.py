"""`keyfob call URL`: an HTTP call with the token, with curl's habits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, REFUSED
from keyfob.cli.profiles import add_profile, known_app
from keyfob.client.discover import is_safe
from keyfob.errors import Misuse
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.fields import is_web_url
from keyfob.protocol.http import FORM, Headers, Request, Response


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command's own words."""
    add_profile(parser)
    parser.add_argument("url", help="the API's address; https, or http on this machine")
    parser.add_argument("-X", "--request", metavar="METHOD", help="GET, or POST with -d")
    parser.add_argument("-d", "--data", metavar="DATA", help="a body; @FILE reads a file, @- stdin")
    parser.add_argument("-H", "--header", metavar="LINE", action="append", default=[], help="a header, 'Name: value'")
    parser.add_argument("-i", "--include", action="store_true", help="print status and headers too")
    parser.add_argument("--json", action="store_true", help="errors as JSON")


def run(args: argparse.Namespace) -> int:
    """Call; the body goes to stdout as it is. Exit 3 where the API says no.

    Raises:
        Misuse: The address or a header will not do.
    """
    if not is_web_url(args.url) or not is_safe(args.url):
        raise Misuse("the address is neither https nor on this machine", hint="A token is not sent in clear.")
    body = _body(args.data)
    method = (args.request or ("POST" if args.data is not None else "GET")).upper()
    response = known_app(args).session().send(Request(method, args.url, _headers(args), body))
    if args.include:
        lines = [f"HTTP {response.status}", *(f"{name}: {value}" for name, value in response.headers), "", ""]
        sys.stdout.write("\n".join(lines))
        sys.stdout.flush()
    sys.stdout.buffer.write(response.body)
    sys.stdout.buffer.flush()
    if response.status < 400:
        return DONE
    output.note(_why(response))
    return REFUSED


def _headers(args: argparse.Namespace) -> Headers:
    found: list[tuple[str, str]] = []
    for line in args.header:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not f"{name}{value}".isprintable():
            raise Misuse("a header is written 'Name: value'")
        if name.strip().lower() == "authorization":
            raise Misuse("keyfob brings the Authorization header itself")
        found.append((name.strip().lower(), value.strip()))
    if args.data is not None and not any(name == "content-type" for name, _ in found):
        found.append(("content-type", FORM))
    return tuple(found)


def _body(data: str | None) -> bytes:
    if data is None or not data.startswith("@"):
        return (data or "").encode()
    if data == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as problem:
        raise Misuse(f"{data[1:]} cannot be read: {problem.strerror}") from None


def _why(response: Response) -> str:
    said = f"the API answered {response.status}"
    for challenge in Challenge.read_all(response.header_values("www-authenticate")):
        reason = challenge.parameters.get("error_description") or challenge.parameters.get("error", "")
        scope = challenge.parameters.get("scope")
        needs = f"; it needs the scope {scope}: keyfob login --scope '{scope}'" if scope else ""
        return "".join(letter if letter.isprintable() else "?" for letter in f"{said}: {reason}{needs}")
    return said
