"""Settings for every test: the network limits, the environment and the settings of Hypothesis."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Postgres, programs, running

HERE = Path(__file__).parent
# Tests of real connections can reach this machine and no other.
REAL_CONNECTIONS = ("stories/real", "attacks/real", "wild/", "scripts/")
# What `make quick` and `make coverage` run: the tests of pure code, but for those that start programs or try
# thousands of requests.
PURE = (
    "attacks/test_", "client/auth/", "client/flows/", "client/model/", "client/session/", "jose/", "protocol/",
    "resource/", "server/decide/", "server/endpoints/", "server/settings/", "server/test_", "stories/test_", "vectors/",
)  # fmt: skip
SLOW = (
    "attacks/test_fuzz.py", "attacks/test_stored_logins.py", "client/session/test_login.py",
    "resource/test_rotation.py", "server/endpoints/oauth/test_token_check_order.py", "server/test_on_postgresql.py",
)  # fmt: skip
THIS_MACHINE = ["127.0.0.1", "::1"]

# No test uses the keyring, the kernel keys or the runtime folder of the user who runs it. Tests of key storage create
# their own.
os.environ["KEYFOB_STORE"] = "file"
# New tenants have their master keys in a folder of the tests.
os.environ["KEYFOB_KEYS"] = tempfile.mkdtemp(prefix="keyfob-tenant-keys-")
atexit.register(shutil.rmtree, os.environ["KEYFOB_KEYS"], ignore_errors=True)
for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "KEYFOB_PASSPHRASE_FILE"):
    os.environ.pop(name, None)

# A background job of a script ignores Ctrl-C, and one of nohup ignores SIGHUP; so would every program that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Examples have no deadline: they are slow on a busy machine.
settings.register_profile("keyfob", deadline=None, print_blob=True)
settings.load_profile("keyfob")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a PostgreSQL server for the tests of this process."""
    if programs() is None:
        pytest.skip("no PostgreSQL here")
    with running() as server:
        yield server


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of `make test`: the quick file is not used if an unknown KEYFOB_ variable is set."""
    for name in list(os.environ):
        if name.startswith("KEYFOB_TEST_"):
            monkeypatch.delenv(name)


def pytest_xdist_auto_num_workers() -> int:
    """Return how many tests `-n auto` runs at once: some for each core, and some that wait for an interval to pass."""
    return (os.cpu_count() or 1) + 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=["pure", "rest"], help="run only the tests of pure code, or all others")
    parser.addoption("--ends", action="store_true", help="run only the first and the last case of each test")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--part`, do not even import the files of the other part, which would take seconds in each process."""
    part = config.getoption("--part")
    if part is None or not collection_path.name.startswith("test_"):
        return None
    return True if is_pure(collection_path) != (part == "pure") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Allow the tests of real connections to reach this machine, and leave out cases if `--ends` asks for it."""
    if config.getoption("--ends"):
        kept, left_out = ends_of(items)
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    for item in items:
        place = item.path.relative_to(HERE).as_posix() if item.path.is_relative_to(HERE) else ""
        # On Windows, an event loop needs a connection to this machine.
        if place.startswith(REAL_CONNECTIONS) or sys.platform == "win32":
            item.add_marker(pytest.mark.allow_hosts(THIS_MACHINE))


def is_pure(path: Path) -> bool:
    """Return whether a file is part of the pure tests."""
    place = path.relative_to(HERE).as_posix() if path.is_relative_to(HERE) else ""
    return place.startswith(PURE) and not place.startswith(SLOW)


def ends_of(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the first and the last case of each test, and all other cases."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    middle = {item for of_one in cases.values() for item in of_one[1:-1]}
    return [item for item in items if item not in middle], [item for item in items if item in middle]
