"""See to it that the tests have a keyring to speak to: GNOME's, on a bus of their own. Else they are skipped."""

import shutil
import sys

from tools.system_packages import install, say

NEEDED = {"gnome-keyring-daemon": "gnome-keyring", "dbus-daemon": "dbus-daemon"}


def missing() -> list[str]:
    """Return the packages of what is not here."""
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


def main() -> int:
    """Install what is missing, if that can be; never a reason to stop."""
    if sys.platform == "linux" and missing() and not install(*missing()):
        say("no keyring here, and none could be installed; its tests are skipped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
