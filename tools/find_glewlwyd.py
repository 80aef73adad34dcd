"""Bring Debian's glewlwyd, an authorization server that tests/wild logs in at; print the folder it was unpacked in.

    python -m tools.find_glewlwyd FOLDER

It is unpacked and not installed: that needs no password, starts no service (as shipped, it listens on every interface)
and changes nothing of the machine. The system's own package manager fetches it and checks its signature. Where that
cannot be, nothing is printed, the reason goes to stderr, and the tests that need it are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.system_packages import privilege

PACKAGE = "glewlwyd"
# Of all that would be installed with it, what it runs with: no database server's clients, no fonts.
NEEDED = ("lib*.deb", "glewlwyd*.deb")
PROGRAM = Path("usr", "bin", "glewlwyd")
LONGEST_SECONDS = 120
IMPATIENT = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def say(words: str) -> None:
    """Tell the person at the desk, beside the answer and not in it."""
    print(f"find_glewlwyd: {words}", file=sys.stderr, flush=True)


def run(command: list[str]) -> bool:
    """Run a command, its output on stderr; say whether it worked."""
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
    """Let apt bring them. The lists of a fresh image are often empty, so the second try comes after an update."""
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    where = ("-o", f"Dir::Cache::archives={folder.absolute()}", "-o", "Debug::NoLocking=1")
    words = ["install", "--yes", "--quiet", "--no-install-recommends", "--reinstall", "--download-only"]
    command = [apt, *words, *where, *IMPATIENT, PACKAGE]
    if run(command):
        return True
    before = privilege()
    return before is not None and run([*before, apt, "update", "--quiet", *IMPATIENT]) and run(command)


def unpack(folder: Path) -> Path | None:
    """Return the folder with the program in it, or None where it cannot be had here."""
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
    """Return where the libraries are that the machine has not, for LD_LIBRARY_PATH."""
    return ":".join(str(path.absolute()) for path in folder.glob("usr/lib/*-linux-gnu*"))


def runs(folder: Path) -> bool:
    """Say whether the program can be started: the machine may have changed since it was unpacked."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(folder)}
    try:
        done = subprocess.run([folder / PROGRAM, "-v"], capture_output=True, check=False, env=environment)
    except OSError:
        return False
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Print where it is, if it is."""
    folder = Path(words[0])
    if runs(folder) or ((unpacked := unpack(folder)) is not None and runs(unpacked)):
        print(folder.absolute())
    else:
        say("no glewlwyd here; the tests that log in at one are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
