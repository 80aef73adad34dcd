"""The tree of commands, and the one place where an error becomes words and an exit code.

A command is a module with `configure(parser)` and `run(args) -> exit code`; it is imported when it is called, so that
a cached token does not wait for a server's pages.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import Final

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE, FAILED, INTERRUPTED, USED_WRONGLY
from keyfob.errors import KeyfobError

COMMANDS: Final = {
    "login": "log in: a code here, the approval on any device",
    "token": "print a valid access token, refreshed if need be",
    "call": "call an API with the token, with curl's habits",
    "whoami": "say who is logged in, where and until when",
    "logout": "end the login here and at the server",
    "serve": "run a tenant: a real authorization server, ready at once",
    "demo": "see it work: a tenant, an API and a program, on this machine",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(words)
    except KeyfobError as error:
        output.problem(error, as_json="--json" in words)
        return error.exit
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; python would complain once more while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as surprise:
        if os.environ.get("KEYFOB_DEBUG"):
            raise
        output.note(f"something went wrong inside keyfob ({type(surprise).__name__}); KEYFOB_DEBUG=1 shows where")
        return FAILED


def _dispatch(words: list[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        from importlib.metadata import version

        output.result(f"keyfob {version('keyfob')}")
        return DONE
    if words[:1] in ([], ["--help"], ["-h"]):
        output.result(usage())
        return DONE if words else USED_WRONGLY
    name, *rest = words
    if name not in COMMANDS:
        output.note(f"there is no such command; there are {', '.join(COMMANDS)}")
        return USED_WRONGLY
    module = import_module(f"keyfob.cli.commands.{name}")
    parser = argparse.ArgumentParser(
        f"keyfob {name}", description=f"{COMMANDS[name].capitalize()}.", allow_abbrev=False
    )
    module.configure(parser)
    code: int = module.run(parser.parse_args(rest))
    return code


def usage() -> str:
    """What `keyfob --help` prints."""
    listed = "\n".join(f"  keyfob {name:<8} {words}" for name, words in COMMANDS.items())
    return f"usage: keyfob COMMAND ...\n\n{listed}\n\nkeyfob COMMAND --help says more; keyfob --version the version."


if __name__ == "__main__":
    raise SystemExit(main())
