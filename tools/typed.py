"""Check that the public modules are fully typed, and print every name without a type.

    python -m tools.typed          exits with 1 if a name of a public module has no known type

This runs `pyright --verifytypes` on `src`, which py.typed marks. The types of other packages are ignored.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tools.source import ROOT

MODULES: Final = ("keyfob.errors", "keyfob.guard", "keyfob.login", "keyfob.serve")  # each with its submodules
PYRIGHT: Final = Path(sys.executable).with_name("pyright")
# A "partially unknown" type has its cause elsewhere in the same list.
CONSEQUENCE: Final = "partially unknown"


def report(module: str) -> dict[str, Any]:
    """Return the report of pyright on the types that a module exports."""
    command = [
        str(PYRIGHT),
        "--verifytypes",
        module,
        "--ignoreexternal",
        "--pythonpath",
        sys.executable,
        "--outputjson",
    ]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
    )
    found: dict[str, Any] = json.loads(ran.stdout).get("typeCompleteness", {})
    if not sum(found.get("exportedSymbolCounts", {}).values()):
        raise SystemExit(f"pyright found nothing in {module}:\n{ran.stdout}{ran.stderr}")
    return found


def untyped(found: dict[str, Any]) -> list[str]:
    """Return a line for each name without a known type. A name comes before the names that depend on it."""
    problems: list[tuple[bool, str]] = []
    for symbol in found["symbols"]:
        if symbol["isTypeKnown"] and not symbol["isTypeAmbiguous"]:
            continue
        messages = [one["message"].splitlines()[0] for one in symbol["diagnostics"] if one["severity"] == "error"]
        is_cause = any(CONSEQUENCE not in line for line in messages)
        problems.append((not is_cause, f"{symbol['name']}: {'; '.join(messages) or 'its parts lack a type'}"))
    return [line for _, line in sorted(set(problems))]


def main() -> int:
    """Print the names without a known type."""
    is_complete = True
    for module in MODULES:
        found = report(module)
        if found["completenessScore"] == 1:
            continue
        is_complete = False
        print(f"{module}: {found['completenessScore']:.1%} of its names are typed")
        print("".join(f"  {line}\n" for line in untyped(found)), end="")
    return 0 if is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
