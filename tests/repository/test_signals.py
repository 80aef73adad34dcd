"""Tests run the same under nohup and in a background job as at a terminal."""

import signal
import subprocess
import sys

import pytest

from tools.source import ROOT


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP is POSIX")
def test_neither_ctrl_c_nor_a_hangup_is_ignored() -> None:
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP is POSIX")
def test_signals_that_the_caller_ignores_are_not_ignored_in_tests() -> None:
    """[FT-02]"""
    test = f"tests/repository/test_signals.py::{test_neither_ctrl_c_nor_a_hangup_is_ignored.__name__}"
    pytest_alone = f"{sys.executable} -m pytest -q -p no:cacheprovider {test}"
    ran = subprocess.run(
        ["sh", "-c", f"trap '' HUP INT; exec {pytest_alone}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
