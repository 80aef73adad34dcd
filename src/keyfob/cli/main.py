"""The command `keyfob`: the table of commands, and the conversion of errors to messages and exit codes."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED, INTERRUPTED, SIGNALLED
from keyfob.errors import KeyfobError, Misuse
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from keyfob.cli import parser as parsing
else:  # imports argparse, which takes 4 ms and which `keyfob --help` does not need
    parsing = LazyModule("keyfob.cli.parser")

# The description of each command, by its name. Its module in cli/commands is imported only when the command is run.
COMMANDS: Final[dict[str, str]] = {
    "login": "log in with this computer's browser, or with a code on any device",
    "token": "print a valid access token, refreshed if needed; opens no browser",
    "call": "send an HTTP request with the token; the flags are curl's",
    "inspect": "show the claims of a token, its signer, and why an API would refuse it",
    "run": "run a program with the token in its environment",
    "setup": "let git, kubectl, aws, docker, pip, npm or bazel use this login",
    "helper": "give a token to a tool, in the protocol of the tool",
    "whoami": "show who is logged in, at which issuer, until when",
    "status": "show whether a login is valid, and until when; --online asks the issuer",
    "switch": "choose the login to use from now on",
    "logout": "end the login at the server, and delete it here",
    "profile": "list, show, choose and remove profiles",
    "explain": "show the source of each setting, the next login's flow, where tokens are stored, and why",
    "doctor": "find problems on this computer, and how to fix them",
    "prompt": "print the current user for your shell prompt",
    "agent": "hand out short-lived access tokens to containers and coding agents",
    "mcp": "log in to remote MCP servers, and connect programs that cannot log in",
    "completion": "print a completion script for your shell",
    "vault": "show where tokens are stored, and move them",
    "serve": "run a tenant: an authorization server",
    "tenant": "manage a tenant: tenant.toml, applications, APIs, users, logins, keys",
    "new": "create a small program with a login, its API and its tests",
    "demo": "show the flows with a tenant, an API and a program on this computer",
}
# Packages of the extra `serve`, which clients do not need.
SERVE_EXTRA: Final = frozenset({"argon2", "jinja2", "uvicorn", "yaml"})


class Command(Protocol):
    """The interface of the modules in cli/commands."""

    def configure(self, parser: ArgumentParser) -> None:
        """Add the command's flags."""
        ...

    def run(self, flags: Namespace) -> int:
        """Run the command and return its exit code."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Errors print a traceback only if KEYFOB_DEBUG is 1."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output.prepare()
    if arguments is None:  # this process runs only keyfob, so process-wide hooks may be set
        output.hook_uncaught_errors()
        _exit_on_signals()
    forbid_core_files()
    try:
        if os.environ.get("KEYFOB_DEBUG") == "1":
            from keyfob.login import log_to  # noqa: PLC0415  loads the login client; only debugging needs it here

            with log_to(sys.stderr):
                return _run_and_flush(words)
        return _run_and_flush(words)
    except KeyfobError as problem:
        return _print_error(problem, words)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        output.discard_output()
        return FAILED
    except OSError as problem:
        return _print_error(output.system_failure(problem), [] if output.is_of_stdout(problem) else words)
    except Exception as problem:  # noqa: BLE001  a user is shown a message, not a traceback
        output.unexpected(problem)
        return FAILED


if sys.platform == "win32":  # pragma: no cover

    def forbid_core_files() -> None:
        """Do nothing, since Windows writes no core files by default."""

    def allow_core_files() -> None:
        """Do nothing."""

else:
    import resource

    _before = resource.getrlimit(resource.RLIMIT_CORE)

    def forbid_core_files() -> None:
        """Forbid core files, since they would contain tokens. The system's crash handler may ignore this (core(5))."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, (0, _before[1]))

    def allow_core_files() -> None:
        """Restore the limit for core files, before this process becomes another program by exec."""
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CORE, _before)


def _exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit, so that `finally` blocks restore the terminal and close files."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda sent, _: sys.exit(SIGNALLED + sent))


def _run_and_flush(words: list[str]) -> int:
    code = _run(words)
    sys.stdout.flush()  # here, since an error of Python's own flush at exit could not be reported
    return code


def _run(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        return _print_help(words)
    if words[0] in {"-V", "--version"}:
        output.result(f"keyfob {version()}")
        return DONE
    name = words[0]
    if name not in COMMANDS:
        raise Misuse("there is no such command", hint=_nearest(name))
    command = cast(Command, importlib.import_module(f"keyfob.cli.commands.{name}"))
    parser = parsing.Parser(prog=f"keyfob {name}", description=parsing.sentence(COMMANDS[name]), allow_abbrev=False)
    command.configure(parser)
    flags = parser.parse_args(words[1:])
    try:
        return command.run(flags)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in SERVE_EXTRA:
            raise
        hint = "Run: pip install 'keyfob[serve]'"
        raise Misuse(f"keyfob {name} needs the extra serve", code="extra-missing", hint=hint) from None


def _print_help(words: list[str]) -> int:
    topic = words[1:] if words[:1] == ["help"] else []
    if not topic:
        sys.stdout.write(_help())
        return DONE if words else Misuse.exit
    if topic[0] in COMMANDS:
        return _run([*topic, "--help"])
    from keyfob.cli import help as pages  # noqa: PLC0415  only `keyfob help` needs it

    sys.stdout.write(pages.find(topic[0]))
    return DONE


def _print_error(problem: KeyfobError, words: list[str]) -> int:
    try:
        # Arguments after `--` are for another program.
        return output.failure(problem, as_json="--json" in words[: words.index("--") if "--" in words else None])
    except BrokenPipeError:
        output.discard_output()
        return problem.exit
    except OSError:  # stdout cannot be written, so print the error to stderr
        output.discard_output()
        problem.more = {}
        return output.failure(problem, as_json=False)


def _help() -> str:
    from keyfob.cli import manual  # noqa: PLC0415  loads textwrap; only the help needs it

    indent = 4 + max(map(len, COMMANDS))
    listed = "\n".join(
        manual.fill(f"{name:<{indent - 2}}{does}", "  ", " " * indent)
        for name, does in [
            *COMMANDS.items(),
            ("help", "show this help, the help of a command, or the meaning of an error code"),
        ]
    )
    more = (
        "keyfob help COMMAND says more, with examples; keyfob help CODE explains an error. Settings come from flags, "
        "KEYFOB_* variables, .keyfob.toml and config.toml: keyfob explain shows each (keyfob help docs/commands.md)."
    )
    return (
        "usage: keyfob COMMAND [...]\n\nOAuth 2.0 and OpenID Connect for the command line.\n\n"
        f"{listed}\n\n{manual.fill('--version  show the version', '  ')}\n\n{manual.fill(more)}\n\n"
    )


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only a mistyped command needs it

    near = get_close_matches(name, COMMANDS, 1)
    return f"Did you mean: keyfob {near[0]}" if near else "Run: keyfob --help"


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  loads email and zipfile

    try:
        return version("keyfob")
    except PackageNotFoundError:
        return "(from source)"
