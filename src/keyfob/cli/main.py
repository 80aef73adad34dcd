"""The command `keyfob`: a table of commands, and the one place that turns errors into words and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Final, Protocol, cast

from keyfob.cli import core_files, output
from keyfob.cli.exit_codes import DONE, FAILED, INTERRUPTED, SIGNALLED
from keyfob.cli.parser import Parser, sentence
from keyfob.errors import KeyfobError, Misuse

# Name, and what it does. A command is the module of its name in cli/commands, imported only when it is called.
COMMANDS: Final[dict[str, str]] = {
    "login": "log in by this machine's browser, or by a code on any device",
    "token": "print a valid access token; refreshed if need be, never opens a browser",
    "call": "make an HTTP call with the token, with curl's habits",
    "inspect": "what a token says, who signed it, and why an API would refuse it",
    "run": "start a program with the token in its environment",
    "whoami": "who is logged in, at which issuer, until when",
    "status": "how a login stands, and until when; asks the issuer if you want",
    "logout": "end the login at the server, and forget it here",
    "profile": "list, show, use, remove: which logins there are",
    "explain": "where each setting comes from, how a login would go, where tokens are kept, and why",
    "doctor": "what is wrong here, and what to do about it",
    "completion": "words for a shell that completes what you type",
    "vault": "where and how tokens are kept; move them elsewhere",
    "serve": "run a tenant: a server that gives tokens",
    "tenant": "what is registered at a tenant: its file tenant.toml, applications, APIs, people",
    "demo": "a tenant, an API and a program that logs in, on this machine",
}
# What `pip install keyfob` alone leaves out, so that a client stays light.
SERVE_EXTRA: Final = frozenset({"argon2", "jinja2", "uvicorn", "yaml"})


class Command(Protocol):
    """What a module in cli/commands offers."""

    def configure(self, parser: ArgumentParser) -> None:
        """Say which flags there are."""
        ...

    def run(self, flags: Namespace) -> int:
        """Do it; gives the exit code."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. Prints a traceback never, and not even then."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output.prepare()
    if arguments is None:  # the process is ours
        output.mind_what_nobody_catches()
        _end_in_order()
    core_files.forbid()
    try:
        if os.environ.get("KEYFOB_DEBUG") == "1":
            from keyfob.login import log_to

            with log_to(sys.stderr):
                return _run(words)
        return _run(words)
    except KeyfobError as problem:
        return _shown(problem, words)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        output.hang_up()
        return FAILED
    except Exception as problem:  # noqa: BLE001  nobody wants a traceback at a terminal
        output.surprise(problem)
        return FAILED


def _end_in_order() -> None:
    """Let a signal to end unwind what is under way, as Ctrl-C does: a terminal is given back, nothing is left half."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda sent, _: sys.exit(SIGNALLED + sent))


def _run(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        sys.stdout.write(_help())
        return DONE if words else Misuse.exit
    if words[0] in {"-V", "--version"}:
        output.result(f"keyfob {version()}")
        return DONE
    name = words[0]
    if name not in COMMANDS:
        raise Misuse("there is no such command", hint=_nearest(name))
    command = cast(Command, importlib.import_module(f"keyfob.cli.commands.{name}"))
    parser = Parser(prog=f"keyfob {name}", description=sentence(COMMANDS[name]), allow_abbrev=False)
    command.configure(parser)
    flags = parser.parse_args(words[1:])
    try:
        return command.run(flags)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in SERVE_EXTRA:
            raise
        hint = "Run: pip install 'keyfob[serve]'"
        raise Misuse(f"keyfob {name} needs the extra serve", code="extra-missing", hint=hint) from None


def _shown(problem: KeyfobError, words: list[str]) -> int:
    try:
        # What stands behind `--` belongs to another program.
        return output.failure(problem, as_json="--json" in words[: words.index("--") if "--" in words else None])
    except BrokenPipeError:
        output.hang_up()
        return problem.exit


def _help() -> str:
    widest = max(map(len, COMMANDS))
    listed = "".join(f"  {name:<{widest}}  {does}\n" for name, does in COMMANDS.items())
    return (
        "usage: keyfob COMMAND [...]\n\n"
        "The safest login that a terminal allows.\n\n"
        f"{listed}\n"
        "  --version  which keyfob this is\n\n"
        "keyfob COMMAND --help says more, with examples. Settings come from flags, KEYFOB_* variables, .keyfob.toml\n"
        "and config.toml: keyfob explain shows each (docs/commands.md). What exit codes mean: docs/errors.md.\n"
    )


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    return f"Did you mean: keyfob {near[0]}" if near else "Run: keyfob --help"


def version() -> str:
    """Which keyfob this is."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("keyfob")
    except PackageNotFoundError:
        return "(from source)"
