"""The operating system account that runs this process, for the audit log."""

from __future__ import annotations

import getpass
import os
import sys

if sys.platform != "win32":
    import pwd


def operator() -> str:
    """Return the name of the account. Under sudo, add the name of the account that called sudo.

    The name comes from the operating system, since an account can change its environment variables. The variables that
    sudo sets are trusted only if the process runs as root.
    """
    if sys.platform == "win32":
        return getpass.getuser()
    user_id = os.getuid()
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:  # in a container, the account may have no name
        name = f"uid {user_id}"
    caller = os.environ.get("SUDO_USER", "") if user_id == 0 else ""
    return f"{name} (sudo by {caller})" if caller else name
