"""Socket options whose meaning is different on Windows."""

from __future__ import annotations

import socket
import sys


def claim_port(listener: socket.socket) -> None:
    """Forbid other processes to share the listener's port. When it is closed, a new process can bind the port at once.

    SO_REUSEADDR is not set on Windows, where it would let another process receive this process's connections.
    """
    if sys.platform == "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
