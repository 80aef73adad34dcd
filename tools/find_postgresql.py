"""Find the programs of a PostgreSQL server for the tests, and print their folder.

    python -m tools.find_postgresql FOLDER

A server of this machine is used if one is on the PATH, or in a folder of Debian's or other packages. Otherwise,
the build of the package `pgserver` is downloaded from PyPI by its hash, and unpacked into FOLDER: it needs no other
package, runs from any folder, and is one file where Debian's are thirty. If that fails, the reason is printed to
stderr, nothing is printed to stdout, and the tests on PostgreSQL are skipped.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PROGRAMS = ("initdb", "postgres")
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
OLDEST = 12
PINS = Path(__file__).parents[1] / "requirements" / "postgresql.txt"
BUILT_FOR = "3.12"  # the newest Python that it has a wheel for; only its programs are used
LONGEST_SECONDS = 120


def say(words: str) -> None:
    """Print a message to stderr; stdout is for the result."""
    print(f"find_postgresql: {words}", file=sys.stderr, flush=True)


def version(folder: Path) -> int:
    """Return the major version of the programs in a folder; 0 if they are missing or do not start."""
    if not all((folder / name).is_file() for name in PROGRAMS):
        return 0
    try:
        done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", done.stdout)
    return int(found[1]) if found else 0


def find() -> Path | None:
    """Return the folder of the newest server of this machine, or None."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in FOLDERS:
        folders += Path("/").glob(pattern.removeprefix("/"))
    newest = max(folders, key=version, default=None)
    return newest if newest is not None and version(newest) >= OLDEST else None


def fetch(folder: Path) -> Path | None:
    """Download the build from PyPI, unless the folder contains it. Return the folder of the programs, or None."""
    programs = folder / "pgserver" / "pginstall" / "bin"
    if version(programs):
        return programs
    with tempfile.TemporaryDirectory() as name:
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--python-version", BUILT_FOR, "--dest", name)
        command = [sys.executable, "-m", "pip", "download", *options, "--require-hashes", "-r", str(PINS)]
        say(" ".join(command))
        try:
            done = subprocess.run(command, stdout=sys.stderr, timeout=LONGEST_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as trouble:
            say(type(trouble).__name__)
            return None
        wheels = list(Path(name).glob("*.whl"))
        if done.returncode or not wheels:
            return None
        with zipfile.ZipFile(wheels[0]) as wheel:
            wheel.extractall(folder)
    for path in programs.iterdir():
        path.chmod(0o755)
    return programs if version(programs) else None


def main(words: list[str]) -> int:
    """Print the folder of the programs, if there is one."""
    found = find() or fetch(Path(words[0]))
    if found is not None:
        print(found.absolute())
    else:
        say("no PostgreSQL here; the tests on it are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
