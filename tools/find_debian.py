"""Unpack servers of Debian for the tests, each into a folder of its own below FOLDER.

    python -m tools.find_debian FOLDER

Unpacking needs no password, does not change the machine and starts no service; the packaged services listen on every
interface. The package manager of the system downloads the packages and checks their signatures. If that fails, the
reason is printed to stderr, the folder of the server is missing, and the tests that need it are skipped.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.system_packages import privilege

LONGEST_SECONDS = 120
SHORT_TIMEOUTS = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


@dataclass(frozen=True)
class Program:
    """A program of Debian.

    Attributes:
        needed: The package files that the program needs to run, without packages such as database clients and fonts.
        path: The path of the program below the folder.
    """

    needed: tuple[str, ...]
    path: Path


PROGRAMS: Final = {
    "glewlwyd": Program(("lib*.deb", "glewlwyd*.deb"), Path("usr/bin/glewlwyd")),
    "haproxy": Program(("lib*.deb", "haproxy*.deb"), Path("usr/sbin/haproxy")),
    "nginx": Program(("lib*.deb", "nginx*.deb"), Path("usr/sbin/nginx")),
}


def say(words: str) -> None:
    """Print a message to stderr."""
    print(f"find_debian: {words}", file=sys.stderr, flush=True)


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


def fetch(name: str, folder: Path, apt: str) -> bool:
    """Download the packages. After a failure, update the package lists and retry, since a new image has empty lists."""
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    options = ("-o", f"Dir::Cache::archives={folder.absolute()}", "-o", "Debug::NoLocking=1")
    words = ["install", "--yes", "--quiet", "--no-install-recommends", "--reinstall", "--download-only"]
    command = [apt, *words, *options, *SHORT_TIMEOUTS, name]
    if run(command):
        return True
    prefix = privilege()
    return prefix is not None and run([*prefix, apt, "update", "--quiet", *SHORT_TIMEOUTS]) and run(command)


def unpack(name: str, folder: Path) -> Path | None:
    """Download and unpack the packages; return the folder, or None if that fails."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        say("there is no apt here")
        return None
    packages, unpacked = folder.with_name(f"{folder.name}.packages"), folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        patterns = PROGRAMS[name].needed if fetch(name, packages, apt) else ()
        files = [path for pattern in patterns for path in sorted(packages.glob(pattern))]
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


def runs(name: str, folder: Path) -> bool:
    """Return whether the program starts: the machine may have changed since it was unpacked."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries(folder)}
    try:
        done = subprocess.run([folder / PROGRAMS[name].path, "-v"], capture_output=True, check=False, env=environment)
    except OSError:
        return False
    return done.returncode == 0


def main(words: list[str]) -> int:
    """Unpack the programs that are missing or do not start; return 0 in any case."""
    for name in PROGRAMS:
        folder = Path(words[0], name)
        if not runs(name, folder) and (unpack(name, folder) is None or not runs(name, folder)):
            shutil.rmtree(folder, ignore_errors=True)
            say(f"no {name} here; the tests that need it are skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
