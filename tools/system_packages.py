"""Install system packages for the tests, if that needs no password."""

import os
import shutil
import subprocess
import sys

# A mirror that does not respond must not block the tests.
LONGEST_INSTALL_SECONDS = 600


def say(words: str) -> None:
    """Print a message to stderr; stdout is for the result."""
    print(f"tools: {words}", file=sys.stderr, flush=True)


def privilege() -> list[str] | None:
    """Return the prefix of a command that needs root, or None if sudo requires a password."""
    if not hasattr(os, "geteuid"):
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


def run(command: list[str]) -> bool:
    """Run an installer with its output on stderr; return whether it succeeded."""
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
    """Install Debian packages, if that needs no password; return whether it succeeded."""
    apt, prefix = shutil.which("apt-get"), privilege()
    if apt is None or prefix is None:
        return False
    command = [*prefix, apt, "install", "--yes", "--no-install-recommends", *names]
    # A new image often has empty package lists, so the second attempt follows an update.
    return run(command) or (run([*prefix, apt, "update"]) and run(command))
