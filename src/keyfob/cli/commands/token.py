"""`keyfob token`: print a valid access token. Of the other commands, only `keyfob helper` prints tokens."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_profile_flag, duration
from keyfob.cli.profiles import known_app
from keyfob.errors import Refused


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument(
        "--min-ttl",
        metavar="TIME",
        help="the minimum remaining validity: 90s, 5m, 2h (default: 1m, or a quarter of a lifetime below 4m)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--header", action="store_true", help="print the whole Authorization header")
    form.add_argument("--json", action="store_true", help="for programs: one JSON object")


def run(flags: Namespace) -> int:
    """Print the access token. Cache it in the quick file, from which `io/quick.py` reads it without slow imports."""
    min_ttl = None if flags.min_ttl is None else duration(flags.min_ttl)
    app = known_app(flags)
    session = app.session(output.notice)
    token = session.token(min_ttl)
    stored = session.stored()
    if stored.expires_at is not None:
        left = stored.expires_at - stored.skew - datetime.now(UTC)
        if left < (stored.renewal_window if min_ttl is None else min_ttl):
            output.remark(
                f"this token is valid for {output.span(left)} only; the issuer issued none that is valid for longer"
            )
    if stored.token_type == "DPoP" and flags.header:
        hint = "Use keyfob call, or log in under another profile with --dpop off"
        raise Refused("this token is bound to a key (DPoP), so a header alone does not work", code="token-bound",
                      hint=hint)  # fmt: skip
    if stored.token_type == "DPoP":
        output.remark("this token is bound to a key of this login (DPoP); use it with keyfob call")
    if stored.certificate is not None:
        output.remark(output.CERTIFICATE_NEEDED)
    if flags.json:
        output.result_object(
            {
                "access_token": token,
                "token_type": stored.token_type,
                "expires_at": output.instant(stored.expires_at),
                "scope": stored.scope.write(),
            }
        )
    else:
        output.result(f"Authorization: Bearer {token}" if flags.header else token)
    app.make_quick()
    return DONE
