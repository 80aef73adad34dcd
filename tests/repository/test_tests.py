"""Tests cannot reach the network; tests of real connections reach this machine only."""

import socket
import sys
from collections import Counter

import pytest
from pytest_socket import SocketBlockedError

from tests.conftest import HERE, PURE, SLOW, ends_of, is_pure


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


def test_with_ends_each_test_still_runs(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    kept, left_out = ends_of(items)

    assert {name_of(item) for item in kept} == {name_of(item) for item in items}
    assert max(Counter(map(name_of, kept)).values()) <= 2
    assert sorted(item.nodeid for item in (*kept, *left_out)) == sorted(item.nodeid for item in items)


def name_of(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def test_every_folder_of_pure_tests_is_there() -> None:
    files = [path for path in HERE.rglob("test_*.py") if is_pure(path)]

    assert all(any(path.relative_to(HERE).as_posix().startswith(place) for path in files) for place in PURE)
    assert all((HERE / place).is_file() for place in SLOW)
