"""`keyfob inspect`: decode a token, verify its signature, and show the result of each check that an API makes."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast

from keyfob.cli import output, token_report
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag, add_profile_flag
from keyfob.cli.profiles import known_app
from keyfob.cli.token_report import kind_of
from keyfob.errors import InvalidToken, KeyfobError, LoginRequired, Misuse, Unreachable
from keyfob.guard import Policy, explain, fetch_keys
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.keys import KeySet
from keyfob.jose.tokens import take_apart
from keyfob.login import Profile
from keyfob.protocol.address import is_public, is_safe
from keyfob.protocol.secret import Secret

_LONGEST: Final = 64 * 1024
_PIPE: Final = "Pipe it: ... | keyfob inspect -"


@dataclass(frozen=True, slots=True)
class _Given:
    """The token to inspect, and the profile that it may belong to."""

    token: Secret
    profile: Profile | None
    is_stored: bool = False


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "token",
        metavar="TOKEN",
        nargs="?",
        help="a file with the token, or - for stdin (default: the access token of the login)",
    )
    parser.add_argument("--issuer", metavar="URL", help="the issuer that the API trusts")
    parser.add_argument("--audience", metavar="API", help="the identifier of the API")
    parser.add_argument(
        "--profile-of",
        choices=("auth0", "rfc9068"),
        default="auth0",
        help="the token formats that the API accepts: auth0 (either format) or rfc9068 (only that)",
    )
    parser.add_argument(
        "--algorithm",
        choices=ALGORITHMS,
        action="append",
        help="a signature algorithm that the API accepts; repeatable (default: all)",
    )
    parser.add_argument("--offline", action="store_true", help="do not fetch the issuer's keys")
    parser.add_argument(
        "--ca", metavar="FILE", help="certificate authorities to trust in addition to the system's, in PEM"
    )
    add_json_flag(parser)
    add_profile_flag(parser)
    parser.epilog = "A token is never an argument, since other users can read command lines."


def run(flags: Namespace) -> int:
    given = _read(flags)
    client_id = given.profile.client_id if given.profile else None
    kind = kind_of(given.token, client_id)
    now = datetime.now(UTC)
    first = explain(given.token, None, _policy(flags, token_report.UNKNOWN, token_report.UNKNOWN), now)
    policy, assumed = _find_policy(flags, given, first.claims or {})
    keys, problem = _find_keys(flags, given, policy, is_readable=kind not in {"opaque", "encrypted"})
    found = token_report.TokenReport(
        kind,
        explain(given.token, keys, policy, now),
        policy,
        now,
        _signature_bytes(given.token),
        assumed,
        "" if problem is None else problem.message,
    )
    if flags.json:
        output.result_object(token_report.members(found))
    else:
        for line in token_report.lines(found):
            output.result(line)
    if found.accepted:
        return DONE
    return problem.exit if found.accepted is None and problem is not None else InvalidToken.exit


def _read(flags: Namespace) -> _Given:
    """Read the token from the login, a file or stdin.

    Raises:
        Misuse: The file or stdin contains no token.
        LoginRequired: No token was given, and there is no login.
    """
    if flags.token is None:
        app = known_app(_without_issuer(flags))
        return _Given(app.session().stored().access_token, app.profile, is_stored=True)
    profile = None
    with suppress(LoginRequired):
        profile = known_app(_without_issuer(flags)).profile
    text = sys.stdin.buffer.read(_LONGEST + 1) if flags.token == "-" else _read_file(flags.token)
    words = text.decode("utf-8", "replace").split()
    token = " ".join(words[1:] if words and words[0].lower() in {"bearer", "dpop"} else words)
    if not token or len(text) > _LONGEST:
        raise Misuse("the input contains no token", hint=_PIPE)
    return _Given(Secret(token), profile)


def _read_file(name: str) -> bytes:
    """Read a file. The error does not contain the file name, since a user may have typed a token in its place."""
    try:
        with Path(name).open("rb") as file:
            return file.read(_LONGEST + 1)
    except (OSError, ValueError):
        raise Misuse(
            "the argument is not a readable file; a token itself is not accepted as an argument", hint=_PIPE
        ) from None


def _without_issuer(flags: Namespace) -> Namespace:
    """Return the flags without --issuer. In this command, --issuer sets the trusted issuer. It selects no profile."""
    return Namespace(profile=flags.profile)


def _find_policy(flags: Namespace, given: _Given, claims: Mapping[str, object]) -> tuple[Policy, tuple[str, ...]]:
    """Return the expected issuer and audience, and which of the two come only from the token itself.

    Each of the two comes from the flags, else from the login, else from the token.
    """
    stored = given.profile if given.is_stored else None
    assumed: list[str] = []
    issuer = flags.issuer or (stored.issuer if stored else None)
    if not issuer and isinstance(own := claims.get("iss"), str) and is_safe(own):
        issuer = own
        assumed.append("issuer")
    audience = flags.audience or (stored.audience if stored else None)
    if not audience and (named := _first_text(claims.get("aud"))):
        audience = named
        assumed.append("audience")
    return _policy(flags, issuer or token_report.UNKNOWN, audience or token_report.UNKNOWN), tuple(assumed)


def _policy(flags: Namespace, issuer: str, audience: str) -> Policy:
    chosen: list[Algorithm] = flags.algorithm or list(ALGORITHMS)
    return Policy(issuer, audience, tuple(chosen), flags.profile_of)


def _first_text(value: object) -> str | None:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    return next((one for one in values if isinstance(one, str) and one), None)


def _find_keys(
    flags: Namespace, given: _Given, policy: Policy, *, is_readable: bool
) -> tuple[KeySet | None, KeyfobError | None]:
    """Return the issuer's keys, or the error that prevented fetching them. Neither is returned for an unknown issuer.

    Raises:
        Misuse: The CA file cannot be used.
    """
    if policy.issuer == token_report.UNKNOWN or not is_readable:
        return None, None
    if flags.offline:
        return None, Unreachable("the keys were not fetched because of --offline")
    is_ours = policy.issuer in {flags.issuer, given.profile.issuer if given.profile else None}
    if not is_ours and not is_public(policy.issuer):
        hint = "Add --issuer URL with that address."
        return None, Unreachable(
            "keys of an issuer in a private network are fetched only if --issuer names it", hint=hint
        )
    try:
        return fetch_keys(policy.issuer, flags.ca or (given.profile.ca if given.profile else None)), None
    except Misuse:
        raise
    except KeyfobError as problem:
        return None, problem


def _signature_bytes(token: Secret) -> int:
    try:
        return len(take_apart(token).signature)
    except InvalidToken:
        return 0
