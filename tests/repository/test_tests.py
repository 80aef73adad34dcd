"""Tests cannot reach the network; tests of real connections reach this machine only."""

import socket
import sys

import pytest
from pytest_socket import SocketBlockedError


@pytest.mark.skipif(sys.platform == "win32", reason="there an event loop needs a connection to itself")
def test_a_test_cannot_open_a_connection() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_test_of_real_connections_reaches_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
        assert caller.getpeername() == server.getsockname()


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_test_of_real_connections_reaches_nothing_beyond_it() -> None:
    with pytest.raises(RuntimeError, match="allowed"):
        # 192.0.2.0/24 is reserved for documentation (RFC 5737).
        socket.create_connection(("192.0.2.1", 9))
