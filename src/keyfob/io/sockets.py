"""Socket options that mean something else on Windows."""

from __future__ import annotations

import socket
import sys


def claim_port(listener: socket.socket) -> None:
    """Forbid other processes to share the listener's port. Allow binding the port again right after its last use.

    On Windows, SO_REUSEADDR would let another process receive this process's connections.
    """
    if sys.platform == "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
