"""The operating system account that runs this process, for the audit log."""

from __future__ import annotations

import getpass
import os
import sys

if sys.platform != "win32":
    import pwd


def operator() -> str:
    """Return the name of the account. Under sudo, the name of the calling account is added.

    The name comes from the operating system, not from the environment, which the account could change. The environment
    variables of sudo are trusted only if the process runs as root.
    """
    if sys.platform == "win32":
        return getpass.getuser()
    user_id = os.getuid()
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:  # a container
        name = f"uid {user_id}"
    caller = os.environ.get("SUDO_USER", "") if user_id == 0 else ""
    return f"{name} (sudo by {caller})" if caller else name
