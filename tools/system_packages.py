"""Ask the system's packages for something the tests want, where that needs no password."""

import os
import shutil
import subprocess
import sys

# A mirror that answers nothing must not hold up the tests for ever.
LONGEST_INSTALL_SECONDS = 600


def say(words: str) -> None:
    """Tell the person at the desk, beside the answer and not in it."""
    print(f"tools: {words}", file=sys.stderr, flush=True)


def privilege() -> list[str] | None:
    """Return what to put before a command that needs root, or None where that would ask for a password."""
    if not hasattr(os, "geteuid"):
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


def run(command: list[str]) -> bool:
    """Run an installer, its output on stderr; say whether it worked."""
    say(" ".join(command))
    try:
        done = subprocess.run(
            command,
            stdout=sys.stderr,
            stdin=subprocess.DEVNULL,
            timeout=LONGEST_INSTALL_SECONDS,
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        say(f"{command[0]}: {type(trouble).__name__}")
        return False
    return done.returncode == 0


def install(*names: str) -> bool:
    """Install Debian's packages, where this is a Debian and no password is needed; say whether that worked."""
    apt, before = shutil.which("apt-get"), privilege()
    if apt is None or before is None:
        return False
    install = [*before, apt, "install", "--yes", "--no-install-recommends", *names]
    # The lists of a fresh image are often empty, so the second try comes after an update.
    return run(install) or (run([*before, apt, "update"]) and run(install))
