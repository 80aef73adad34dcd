"""What a shell completes comes from the commands, and from nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from keyfob.cli.commands.completion import find_words
from keyfob.cli.main import COMMANDS
from tests.cli.desk import Desk, desk
from tests.cli.test_process import loaded

__all__ = ["desk"]
SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_verb_and_flag_is_in_the_script(desk: Desk, shell: str) -> None:
    script = desk.type("completion", shell).out

    assert [word.path[0] for word in find_words()] == list(COMMANDS)
    for top in find_words():
        for word in top.all():
            assert word.path[-1] in script
            for flag, _ in word.flags:
                assert (f"-l {flag[2:]}" if shell == "fish" else flag) in script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_can_read_the_script(desk: Desk, tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(desk.type("completion", shell).out, encoding="utf-8")

    done = subprocess.run([program, "-n", str(path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["keyfob", "stat"], {"status"}),
        (["keyfob", "status", "--on"], {"--online"}),
        (["keyfob", "profile", ""], {"list", "show", "use", "remove", "--help"}),
        (["keyfob", "profile", "use", "--j"], {"--json"}),
        (["keyfob", "completion", "z"], {"zsh"}),
        (["keyfob", "run", "--", "l"], set()),
        (["keyfob", "login", "--profile", "status", "--sco"], {"--scope"}),
        (["keyfob", "tenant", "users", "blo"], {"block"}),
    ],
)
def test_bash_offers_what_may_come_next(desk: Desk, tmp_path: Path, typed: list[str], offered: set[str]) -> None:
    path = tmp_path / "script"
    path.write_text(desk.type("completion", "bash").out, encoding="utf-8")
    words = " ".join(f"'{word}'" for word in typed)
    script = f"source {path}; COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; _keyfob; echo ${{COMPREPLY[*]}}"

    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_no_word_of_help_ends_a_quote(desk: Desk, shell: str) -> None:
    for line in desk.type("completion", shell).out.splitlines():
        assert line.count("'") % 2 == 0, line
        assert not re.search(r"[`\\]", line.replace("`keyfob completion", "").replace(f"{shell}`", "")), line


def test_it_makes_nothing_at_home_and_loads_neither_network_nor_vault(tmp_path: Path) -> None:
    code, modules = loaded(tmp_path / "none", "completion", "bash")

    assert code == 0
    assert modules.isdisjoint({"httpx2", "jeepney", "uvicorn", "argon2"})
    assert not (tmp_path / "none").exists()
