"""Run the tests that need no network on every other Python of this machine.

python -m tools.other_pythons              run the tests on each other Python
python -m tools.other_pythons --newest     run the tests on the newest only
python -m tools.other_pythons --ends       run the first and the last case of each test; pytest gets all other arguments
python -m tools.other_pythons --list       only print the other Pythons

A Python is found on the PATH or among pyenv's versions. Tests of real connections and foreign programs run on one
Python only, that of `make test`; the tests of the repository need no second Python.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.source import ROOT

NAMES: Final = ("3.11", "3.12", "3.13", "3.14")
LEFT_OUT: Final = (
    "tests/wild", "tests/stories/real", "tests/attacks/real", "tests/repository", "tests/typing",
    "tests/server/endpoints/oauth/test_token_check_order.py",  # 1,200 pairs of faults, in an order that is our own
)  # fmt: skip
OTHERS: Final = ROOT / ".venv" / "others"
UV: Final = Path(sys.executable).with_name("uv")


def found() -> dict[str, Path]:
    """Return an interpreter for each other version of Python that starts on this machine."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    pythons: dict[str, Path] = {}
    for name in NAMES:
        on_path = shutil.which(f"python{name}")
        candidates = [*([Path(on_path)] if on_path else []), *sorted(pyenv.glob(f"{name}.*/bin/python"))]
        working = next((path for path in candidates if version_of(path) == name), None)
        if name != mine and working is not None:
            pythons[name] = working
    return pythons


def version_of(python: Path) -> str:
    """Return an interpreter's version, such as "3.13", or "" if it does not start."""
    asked = [str(python), "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    return ran.stdout.strip()


def run_tests(name: str, python: Path, arguments: list[str]) -> int:
    """Install the pinned packages and the built wheel into an environment of a Python, and run the tests in it."""
    place = OTHERS / name
    inside = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    wheel = next((ROOT / ".venv" / "built").glob("*.whl"))
    pip, inside_it = [str(UV), "pip"], ["--quiet", "--compile-bytecode", "--python", str(inside)]
    steps = [
        [str(UV), "venv", "--quiet", "--clear", "--python", str(python), str(place)],
        [*pip, "sync", *inside_it, "--require-hashes", "requirements/dev.txt"],
        [*pip, "install", *inside_it, "--no-deps", "--no-index", str(wheel)],
    ]
    for step in steps:
        subprocess.run(step, cwd=ROOT, check=True)
    left_out = [f"--ignore={folder}" for folder in LEFT_OUT]
    return subprocess.run([str(inside), "-m", "pytest", *left_out, *arguments], cwd=ROOT, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the tests on each other Python, and return 1 if they fail on any."""
    pythons = found()
    if not pythons:
        print("There is no other Python on this machine.")
    if arguments == ["--list"]:
        print("\n".join(f"{name} {path}" for name, path in pythons.items()))
        return 0
    if "--newest" in arguments:
        arguments = [one for one in arguments if one != "--newest"]
        pythons = dict([list(pythons.items())[-1]])
    failed: list[str] = []
    for name, python in pythons.items():
        print(f"\nPython {name}", flush=True)
        if run_tests(name, python, arguments):
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
