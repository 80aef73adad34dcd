"""Exchange one request and answer over the socket of `keyfob agent`, and identify the process at the other end."""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from keyfob.client.model.agent_messages import LARGEST_ANSWER, AgentAnswer, AgentRequest
from keyfob.errors import Malformed, VaultUnavailable

# Longer than a refresh may take, because the agent may refresh a token before it answers.
_PATIENCE: Final = timedelta(seconds=90)
_PIECE: Final = 16 * 1024
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: process, user, group (unix(7))


class Peer(NamedTuple):
    """The process at the other end of a socket, as the kernel reports it."""

    process: int
    user: int


def peer_of(connection: socket.socket) -> Peer:
    """Return the process at the other end of a socket.

    Raises:
        OSError: The kernel does not report the process.
    """
    if sys.platform != "linux":
        raise OSError(0, "has an unknown owner: this system does not tell")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(raw)
    return Peer(process, user)


def ask(path: Path, request: AgentRequest) -> AgentAnswer:
    """Ask an agent for an access token.

    Raises:
        VaultUnavailable: This user has no agent at `path`, or the agent does not answer.
        KeyfobError: The agent answered with this error.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE.total_seconds())
            connection.connect(str(path))
            if peer_of(connection).user != os.geteuid():
                raise _unavailable("belongs to another user")
            connection.sendall(request.write())
            connection.shutdown(socket.SHUT_WR)
            raw = receive(connection, LARGEST_ANSWER, _PATIENCE)
    except OSError as problem:
        raise _unavailable(f"does not respond: {problem.strerror or type(problem).__name__}") from None
    if not raw:
        raise _unavailable("closed the connection")
    try:
        return AgentAnswer.read(raw)
    except Malformed:
        raise _unavailable("has another version") from None


def _unavailable(what: str) -> VaultUnavailable:
    message = f"the agent at KEYFOB_AGENT {what}"
    return VaultUnavailable(
        message, code="agent-unavailable", hint="Start it, or unset KEYFOB_AGENT.", flags="keyfob agent"
    )


def receive(connection: socket.socket, largest: int, patience: timedelta) -> bytes:
    """Return all bytes that the other end of a connection sends before it shuts down its side.

    Raises:
        OSError: The other end sends too much, or takes too long.
    """
    end = time.monotonic() + patience.total_seconds()
    received = bytearray()
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        piece = connection.recv(_PIECE)
        if not piece:
            return bytes(received)
        received += piece
        if len(received) > largest:
            raise OSError(0, "too large")
    raise TimeoutError
