"""See to it that the tests have a keyring, on a bus of their own, and shells that complete. Else those are skipped."""

import shutil
import sys

from tools.system_packages import install, say

NEEDED = {"gnome-keyring-daemon": "gnome-keyring", "dbus-daemon": "dbus-daemon", "zsh": "zsh", "fish": "fish"}


def missing() -> list[str]:
    """Return the packages of what is not here."""
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


def main() -> int:
    """Install what is missing, if that can be; never a reason to stop."""
    if sys.platform == "linux" and missing() and not install(*missing()):
        say(f"{', '.join(missing())}: not here, and could not be installed; their tests are skipped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
