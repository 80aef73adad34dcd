"""Every byte that the commands print.

Rules of speech: a result goes to stdout, everything else to stderr. With `--json` the result is JSON, and so is an
error, on stdout, where the program that asked will look. Sentences about a problem begin with `keyfob:`, have no
capital and no full stop; a hint stands below, indented. No secret is printed but by `keyfob token`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from keyfob.errors import KeyfobError

ERRORS_PAGE = "docs/errors.md"


def result(text: str) -> None:
    """What was asked for."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def result_json(members: Mapping[str, object]) -> None:
    """What was asked for, as one line of JSON."""
    result(json.dumps(members, ensure_ascii=False))


def note(text: str) -> None:
    """Something beside the result."""
    sys.stderr.write(f"keyfob: {text}\n")
    sys.stderr.flush()


def problem(error: KeyfobError, *, as_json: bool) -> None:
    """What went wrong, what to do, where to read more."""
    if as_json:
        members = {"code": error.code, "message": error.message, "hint": error.hint, "exit": error.exit}
        result_json({"error": members})
        return
    lines = [f"keyfob: {error.message}"]
    lines += [f"  {error.hint}"] if error.hint else []
    lines += [f"  more: {ERRORS_PAGE}#{error.code}"]
    sys.stderr.write("\n".join(lines) + "\n")
