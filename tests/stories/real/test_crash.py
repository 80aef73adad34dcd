"""A tenant and its database are killed under load: all that clients were told holds (bench/crash.py does more)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import crash
from tests.postgres import programs, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
ROUNDS = 4


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_no_answer_is_lost_and_no_code_is_redeemed_twice(store: str, tmp_path: Path) -> None:
    """No accepted token is forgotten, and no family is half rotated."""
    if store == "sqlite":
        found = crash.run(tmp_path / "data", ROUNDS)
    elif programs() is None:
        pytest.skip("no PostgreSQL here")
    else:
        with running(("-c", "fsync=off")) as server:
            found = crash.run(tmp_path / "data", ROUNDS, server)
    assert found.lost == found.doubled == []
    assert found.counts["redeem"] > 0
