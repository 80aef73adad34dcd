"""Unpack the glewlwyd of Debian, an authorization server for tests/wild, and print the folder.

    python -m tools.find_glewlwyd FOLDER

Unpacking needs no password, does not change the machine and starts no service; the packaged service listens on every
interface. The package manager of the system downloads it and checks its signature. If that fails, the reason is
printed to stderr, nothing is printed to stdout, and the tests that need glewlwyd are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.system_packages import privilege

PACKAGE = "glewlwyd"
# The packages that it needs to run, without database clients and fonts.
NEEDED = ("lib*.deb", "glewlwyd*.deb")
PROGRAM = Path("usr", "bin", "glewlwyd")
LONGEST_SECONDS = 120
SHORT_TIMEOUTS = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def say(words: str) -> None:
    """Print a message to stderr; stdout is for the result."""
    print(f"find_glewlwyd: {words}", file=sys.stderr, flush=True)


def run(command: list[str]) -> bool:
    """Run a command with its output on stderr; return whether it succeeded."""
    say(" ".join(command))
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, stdout=sys.stderr, stdin=subprocess.DEVNULL, timeout=LONGEST_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        say(f"{command[0]}: {type(trouble).__name__}")
        return False
    return done.returncode == 0


def fetch(folder: Path, apt: str) -> bool:
    """Download the packages. A new image often has empty package lists, so the second attempt follows an update."""
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    options = ("-o", f"Dir::Cache::archives={folder.absolute()}", "-o", "Debug::NoLocking=1")
    words = ["install", "--yes", "--quiet", "--no-install-recommends", "--reinstall", "--download-only"]
    command = [apt, *words, *options, *SHORT_TIMEOUTS, PACKAGE]
    if run(command):
        return True
    prefix = privilege()
    return prefix is not None and run([*prefix, apt, "update", "--quiet", *SHORT_TIMEOUTS]) and run(command)


def unpack(folder: Path) -> Path | None:
    """Download and unpack the packages; return the folder, or None if that fails."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        say("there is no apt here")
        return None
    packages, unpacked = folder.with_name(f"{folder.name}.packages"), folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        files = [path for pattern in NEEDED for path in sorted(packages.glob(pattern))] if fetch(packages, apt) else []
        if not files or not all(run([dpkg, "--extract", str(path), str(unpacked)]) for path in files):
            return None
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)
    finally:
        shutil.rmtree(packages, ignore_errors=True)
    return folder


def libraries(folder: Path) -> str:
    """Return the folders of the unpacked libraries, for LD_LIBRARY_PATH."""
    return ":".join(str(path.absolute()) for path in folder.glob("usr/lib/*-linux-gnu*"))


def runs(folder: Path) -> bool:
    """Return whether the program starts: the machine may have changed since it was unpacked."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(folder)}
    try:
        done = subprocess.run([folder / PROGRAM, "-v"], capture_output=True, check=False, env=environment)
    except OSError:
        return False
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Print the folder, if the program is available."""
    folder = Path(words[0])
    if runs(folder) or ((unpacked := unpack(folder)) is not None and runs(unpacked)):
        print(folder.absolute())
    else:
        say("no glewlwyd here; the tests that log in at one are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
