"""A program started with the token: as a process, since it takes keyfob's place."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.protocol.secret import Secret
from tests.cli.desk import Desk, desk
from tests.cli.issuer import granted, issuer
from tests.cli.test_process import surroundings

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NOWHERE = "http://127.0.0.1:9/"
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and /proc are POSIX")


def start(desk: Desk, *words: str, script: str, name: str = "KEYFOB_ACCESS_TOKEN") -> "subprocess.Popen[str]":
    program = [sys.executable, "-c", f"import os, sys, signal; name = {name!r}; {script}"]
    return subprocess.Popen(
        [sys.executable, "-m", "keyfob", "run", *words, "--", *program],
        env=surroundings(desk.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(("words", "name"), [((), "KEYFOB_ACCESS_TOKEN"), (("--as", "GH_TOKEN"), "GH_TOKEN")])
def test_the_program_gets_the_token_in_its_environment(desk: Desk, words: tuple[str, ...], name: str) -> None:
    desk.save(NOWHERE)

    out, err = start(desk, *words, script="print(os.environ[name])", name=name).communicate(timeout=30)

    assert (out, err) == ("at-1\n", "")


@pytest.mark.parametrize("code", [0, 1, 4, 77])
def test_its_exit_code_is_the_answer(desk: Desk, code: int) -> None:
    desk.save(NOWHERE)
    program = start(desk, script=f"sys.exit({code})")
    program.communicate(timeout=30)

    assert program.returncode == code


@posix
@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_it(desk: Desk, which: signal.Signals) -> None:
    desk.save(NOWHERE)
    hears = f"signal.signal({int(which)}, lambda *_: os._exit(55)); print('ready', flush=True); signal.pause()"
    program = start(desk, script=hears)
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"

    program.send_signal(which)
    program.communicate(timeout=30)

    assert program.returncode == 55


@posix
def test_a_program_that_a_signal_ends_is_seen_to_end_so(desk: Desk) -> None:
    desk.save(NOWHERE)
    program = start(desk, script="os.kill(os.getpid(), signal.SIGKILL)")
    program.communicate(timeout=30)

    assert program.returncode == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_the_token_is_never_among_its_words(desk: Desk) -> None:
    """[C-ASVS-01]"""
    desk.save(NOWHERE)

    out, _ = start(desk, script="print(open('/proc/self/cmdline').read())").communicate(timeout=30)

    _, *words = out.split("\0")
    assert words[0] == "-c", "it took keyfob's place"
    assert "at-1" not in out


@pytest.mark.skipif(sys.platform == "win32", reason="core files are POSIX")
def test_no_core_file_holds_our_memory_and_the_program_has_its_own_limit(desk: Desk) -> None:
    """[C-6749-20]"""
    desk.save(NOWHERE)
    keyfob = f"{sys.executable} -m keyfob run -- sh -c 'ulimit -S -c'"
    before, after = (
        subprocess.run(["sh", "-c", script], env=surroundings(desk.home), capture_output=True, text=True, check=True)
        for script in ("ulimit -S -c", keyfob)
    )
    assert after.stdout == before.stdout
    limits = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    ours = subprocess.run(
        [sys.executable, "-c", f"from keyfob.cli.main import main; main(['--version']); {limits}"],
        env=surroundings(desk.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ours.stdout.splitlines()[-1] == "0"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_no_signal_is_ignored_that_was_not(desk: Desk) -> None:
    desk.save(NOWHERE)
    done = subprocess.run(
        [sys.executable, "-m", "keyfob", "run", "--", "grep", "SigIgn", "/proc/self/status"],
        env=surroundings(desk.home), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert int(done.stdout.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_what_the_session_cannot_outlive_is_not_started(desk: Desk, tmp_path: Path) -> None:
    mark = tmp_path / "started"
    with issuer(granted(access_token="at-2", expires_in=3600)) as server:
        desk.save(f"{server.url}/")
        program = start(desk, "--min-ttl", "2h", script=f"open({str(mark)!r}, 'w')")
        _, err = program.communicate(timeout=30)
        enough = start(desk, "--min-ttl", "50m", script="print(os.environ[name])")
        out, _ = enough.communicate(timeout=30)

    assert program.returncode == 3
    assert "session-too-short" in err
    assert not mark.exists()
    assert (enough.returncode, out) == (0, "at-2\n")


def test_a_bound_token_is_not_handed_on(desk: Desk) -> None:
    desk.save(NOWHERE, token_type="DPoP", proof_key=Secret("pem"))

    ran = desk.type("run", "--", sys.executable, "-c", "raise SystemExit(99)")

    assert ran.code == 3
    assert "token-bound" in ran.err
    assert "at-1" not in ran.out + ran.err


@pytest.mark.parametrize(
    "words",
    [(), ("--",), ("--", "no-such-program"), ("--as", "A=B", "--", "true"), ("--min-ttl", "soon", "--", "true")],
)
def test_a_wrong_use_starts_nothing(desk: Desk, words: tuple[str, ...]) -> None:
    desk.save(NOWHERE)

    assert desk.type("run", *words).code == 2


def test_without_a_login_nothing_is_started(desk: Desk) -> None:
    assert desk.type("run", "--", sys.executable, "-c", "").code == 4
    past = datetime.now(UTC) - timedelta(hours=1)
    desk.save(NOWHERE, expires_at=past)
    assert desk.type("run", "--", sys.executable, "-c", "").code == 7


def test_a_program_below_may_ask_keyfob_itself(desk: Desk) -> None:
    desk.save(NOWHERE)
    script = "os.execv(sys.executable, [sys.executable, '-m', 'keyfob', 'token'])"

    out, _ = start(desk, script=script).communicate(timeout=30)

    assert out == "at-1\n"
    assert os.environ.get("KEYFOB_ACCESS_TOKEN") is None
