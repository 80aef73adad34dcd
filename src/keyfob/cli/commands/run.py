"""`keyfob run`: start a program with the token in its environment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import REMAINDER, ArgumentParser, Namespace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.flags import add_profile_flag, duration
from keyfob.cli.main import allow_core_files
from keyfob.cli.profiles import known_app
from keyfob.errors import Misuse, Refused
from keyfob.login import StoredLogin

_DEFAULT = "KEYFOB_ACCESS_TOKEN"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def configure(parser: ArgumentParser) -> None:
    add_profile_flag(parser)
    parser.add_argument(
        "--min-ttl",
        metavar="TIME",
        help="require a token that is valid for this long; otherwise the program is not started",
    )
    parser.add_argument("--as", dest="variable", metavar="NAME", default=_DEFAULT,
                        help=f"the environment variable for the token (default: {_DEFAULT})")  # fmt: skip
    parser.add_argument("command", nargs=REMAINDER, metavar="-- CMD ...", help="the program and its arguments")
    parser.epilog = (
        "The program replaces the keyfob process: it receives signals, and its exit code is the "
        "result. The token is never an argument, which other users could read. It is not "
        "refreshed while the program runs."
    )


def run(flags: Namespace) -> int:
    words: list[str] = flags.command[1:] if flags.command[:1] == ["--"] else flags.command
    if not words:
        raise Misuse("no program was given", hint="Run: keyfob run -- CMD ...")
    if not _NAME.fullmatch(flags.variable):
        raise Misuse("a variable's name consists of letters, digits and underscores")
    program = find_program(words[0])
    if program is None:
        raise Misuse("the program was not found")
    token = _token(flags)
    environment = {**os.environ, flags.variable: token}
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        allow_core_files()
        for ignored in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores these signals; the new program must not inherit that
            signal.signal(ignored, signal.SIG_DFL)
        os.execve(program, words, environment)  # noqa: S606  deliberately without a shell
    return subprocess.call([program, *words[1:]], env=environment)  # noqa: S603  the command that the user typed


def find_program(word: str, platform: str = sys.platform) -> str | None:
    """Return the path of a program, or None if it is not found.

    On Windows, `shutil.which` would search the current folder first, which may contain an attacker's `git.exe`. There,
    this function searches only the absolute folders in PATH, unless the name contains a folder.
    """
    if platform != "win32" or "/" in word or "\\" in word or ":" in word:
        return shutil.which(word)
    endings = [ending for ending in os.environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if ending]
    has_ending = word.lower().endswith(tuple(ending.lower() for ending in endings))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if not Path(folder).is_absolute():
            continue
        for ending in ("",) if has_ending else endings:
            if (found := Path(folder) / f"{word}{ending}").is_file():
                return str(found)
    return None


def _token(flags: Namespace) -> str:
    min_ttl = None if flags.min_ttl is None else duration(flags.min_ttl)
    session = known_app(flags).session(output.notice)
    token = session.token(min_ttl)
    stored = session.stored()
    check_usable_elsewhere(stored)
    if min_ttl is None or stored.expires_at is None:
        return token
    left = stored.expires_at - stored.skew - datetime.now(UTC)
    if left < min_ttl:
        raise Refused(
            (
                f"the token would be valid for {output.span(max(left, timedelta()))} only, not for "
                f"{output.span(min_ttl)}; the program was not started"
            ),
            code="session-too-short",
            hint=(
                "Let the program run keyfob token when it needs a token, or increase the token lifetime at the issuer."
            ),
        )
    return token


def check_usable_elsewhere(stored: StoredLogin) -> None:
    """Check that another program can use the token. If the program needs the client certificate too, print a remark.

    Raises:
        Refused: The token works only with DPoP proofs (RFC 9449).
    """
    if stored.token_type == "DPoP":
        raise Refused(
            "this login's token is bound to a key of keyfob (DPoP), so another program cannot use it",
            code="token-bound",
            hint="Use keyfob call, or log in under another profile with --dpop off",
        )
    if stored.certificate is not None:  # only a remark, since the program may read the same certificate file
        output.remark(output.CERTIFICATE_NEEDED)
