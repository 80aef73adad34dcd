"""What holds for every test: where the network ends, and how long Hypothesis may think."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
# Tests that are about real connections may reach this machine, and nothing beyond it.
REAL = ("stories/real", "attacks/real", "wild/", "scripts/")
THIS_MACHINE = ["127.0.0.1", "::1"]

# No test reaches the keyring, the kernel's keys or the runtime folder of whoever runs it; those that are about such
# places bring their own.
os.environ["KEYFOB_STORE"] = "file"
for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "KEYFOB_PASSPHRASE_FILE"):
    os.environ.pop(name, None)

# Who runs the tests behind an `&` of a script has Ctrl-C ignored, and so would each program that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is not a bug, so there is no deadline for one example.
settings.register_profile("keyfob", deadline=None, print_blob=True)
settings.load_profile("keyfob")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what `make test` tells the tests: the quick path steps aside for every variable that it does not know."""
    for name in list(os.environ):
        if name.startswith("KEYFOB_TEST_"):
            monkeypatch.delenv(name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of real connections reach this machine."""
    for item in items:
        place = item.path.relative_to(HERE).as_posix() if item.path.is_relative_to(HERE) else ""
        # On Windows an event loop wakes itself through a connection to this machine.
        if place.startswith(REAL) or sys.platform == "win32":
            item.add_marker(pytest.mark.allow_hosts(THIS_MACHINE))
