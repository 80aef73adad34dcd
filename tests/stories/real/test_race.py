"""Many real processes, one lapsed login, refresh tokens for one use, and kill -9 in the middle."""

import sys
from pathlib import Path

import pytest

from tests.races.refresh_race import run


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_forty_processes_make_one_refresh_for_each_generation_and_nobody_is_logged_out(tmp_path: Path) -> None:
    """[C-IMPL-02] [C-6749-21]"""
    came = run(tmp_path, processes=40, rounds=4, kills=4)

    for at, found in enumerate(came.rounds):
        assert found.errors == [], at
        assert found.refused == 0, at
        assert len(found.tokens) == 1, at
        assert found.generations == 1, at
        # Each that was killed had either kept what it got or not; of all the others one refreshed.
        assert found.refreshes in range(1, found.killed + 2), at
    assert sum(found.killed for found in came.rounds) >= 3
    assert came.is_alive
    assert came.damaged == []
    assert came.left_over == []
