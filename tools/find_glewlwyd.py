"""Unpack Debian's glewlwyd, an authorization server that tests/wild logs in at; print the folder.

    python -m tools.find_glewlwyd FOLDER

Unpacking instead of installing needs no password, starts no service (the shipped one listens on every interface) and
does not change the machine. The system's package manager downloads it and checks its signature. Where that fails,
nothing is printed, the reason goes to stderr, and the tests that need glewlwyd are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.system_packages import privilege

PACKAGE = "glewlwyd"
# The dependencies that it needs to run: no clients of database servers, no fonts.
NEEDED = ("lib*.deb", "glewlwyd*.deb")
PROGRAM = Path("usr", "bin", "glewlwyd")
LONGEST_SECONDS = 120
IMPATIENT = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def say(words: str) -> None:
    """Print a remark to stderr; stdout is for the result."""
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
    """Download the packages. The lists of a fresh image are often empty, so the second try follows an update."""
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    where = ("-o", f"Dir::Cache::archives={folder.absolute()}", "-o", "Debug::NoLocking=1")
    words = ["install", "--yes", "--quiet", "--no-install-recommends", "--reinstall", "--download-only"]
    command = [apt, *words, *where, *IMPATIENT, PACKAGE]
    if run(command):
        return True
    before = privilege()
    return before is not None and run([*before, apt, "update", "--quiet", *IMPATIENT]) and run(command)


def unpack(folder: Path) -> Path | None:
    """Return the folder with the program in it, or None if that failed."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        say("there is no apt here")
        return None
    packages, made = folder.with_name(f"{folder.name}.packages"), folder.with_name(f"{folder.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    try:
        files = [path for form in NEEDED for path in sorted(packages.glob(form))] if fetch(packages, apt) else []
        if not files or not all(run([dpkg, "--extract", str(path), str(made)]) for path in files):
            return None
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    finally:
        shutil.rmtree(packages, ignore_errors=True)
    return folder


def libraries(folder: Path) -> str:
    """Return the folders of the unpacked libraries, for LD_LIBRARY_PATH."""
    return ":".join(str(path.absolute()) for path in folder.glob("usr/lib/*-linux-gnu*"))


def runs(folder: Path) -> bool:
    """Return whether the program can be started: the machine may have changed since it was unpacked."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(folder)}
    try:
        done = subprocess.run([folder / PROGRAM, "-v"], capture_output=True, check=False, env=environment)
    except OSError:
        return False
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Print the folder, if there is one."""
    folder = Path(words[0])
    if runs(folder) or ((unpacked := unpack(folder)) is not None and runs(unpacked)):
        print(folder.absolute())
    else:
        say("no glewlwyd here; the tests that log in at one are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
