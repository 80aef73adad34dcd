"""Install the keyring, the D-Bus daemon and the shells that some tests need; without them, those tests are skipped."""

import shutil
import sys

from tools.system_packages import install, say

NEEDED = {"gnome-keyring-daemon": "gnome-keyring", "dbus-daemon": "dbus-daemon", "zsh": "zsh", "fish": "fish"}


def missing() -> list[str]:
    """Return the packages of the programs that are missing."""
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


def main() -> int:
    """Install the missing programs, if possible; return 0 in any case."""
    if sys.platform == "linux" and missing() and not install(*missing()):
        say(f"{', '.join(missing())}: not here, and could not be installed; their tests are skipped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
