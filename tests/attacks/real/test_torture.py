"""Real processes at an issuer without mercy: SIGINT, SIGTERM and SIGKILL at random, and a full disk half the time."""

import sys
from pathlib import Path

import pytest

from tests.races.refresh_torture import run


@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits are POSIX")
def test_no_login_is_lost_but_to_sigkill_between_the_answer_and_the_rename(tmp_path: Path) -> None:
    """[FC-01] [FC-02]: `python -m bench race` does it with a hundred processes."""
    came = run(tmp_path, processes=24)

    assert came.reuses == []
    assert came.lost == 0
    assert came.lost_to_kill <= came.signals["SIGKILL"]
    assert came.damaged == []
    # The rest depends on how busy this machine is.
    assert came.refreshes >= 3
    assert came.without_asking >= 3
    assert sum(came.signals.values()) >= 3
