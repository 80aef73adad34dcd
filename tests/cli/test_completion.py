"""What a shell completes comes from the commands, and from nothing else."""

import os
import re
import shutil
import subprocess
import sys
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
            for flag in word.flags:
                assert (f"-l {flag.name[2:]}" if shell == "fish" else flag.name) in script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_can_read_the_script(desk: Desk, tmp_path: Path, shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(desk.type("completion", shell).out, encoding="utf-8")

    done = subprocess.run([program, "-n", str(path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


# Asked in the shell itself. zsh completes only in a terminal, so what its completion hands over is printed instead.
ASK = {
    "bash": """
        source $SCRIPT; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keyfob; printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() {}; _files() {}; _normal() {}; compset() {}
        _describe() { print -rl -- "${(@P)2}"; }
        source $SCRIPT; words=("$@"); CURRENT=$#; _keyfob
    """,
    "fish": "source $SCRIPT; complete -C (string join ' ' -- $argv)",
}
TYPED = [
    (["keyfob", "stat"], {"status"}),
    (["keyfob", "status", "--on"], {"--online"}),
    (["keyfob", "profile", ""], {"list", "show", "use", "remove"}),
    (["keyfob", "profile", "use", "--j"], {"--json"}),
    (["keyfob", "profile", "use", ""], {"home", "work"}),
    (["keyfob", "completion", "z"], {"zsh"}),
    (["keyfob", "completion", ""], {"bash", "zsh", "fish"}),
    (["keyfob", "run", "--", "l"], set[str]()),
    (["keyfob", "login", "--profile", "status", "--sco"], {"--scope"}),
    (["keyfob", "login", "--flow", "d"], {"device"}),
    (["keyfob", "login", "--store", ""], {"require", "prefer", "file"}),
    (["keyfob", "login", "--issuer", ""], set[str]()),
    (["keyfob", "token", "--profile", ""], {"home", "work"}),
    (["keyfob", "token", "--profile", "w"], {"work"}),
    (["keyfob", "vault", ""], {"status", "move", "quick"}),
    (["keyfob", "vault", "move", ""], {"keyring", "systemd", "kernel", "passphrase", "file"}),
    (["keyfob", "vault", "quick", "o"], {"on", "off"}),
    (["keyfob", "tenant", "users", "blo"], {"block"}),
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("typed", "offered"), TYPED, ids=[" ".join(typed) for typed, _ in TYPED])
def test_a_shell_offers_what_may_come_next(
    desk: Desk, tmp_path: Path, shell: str, typed: list[str], offered: set[str]
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    for name in ("home", "work"):
        desk.save("https://login.example/", name)
    script = tmp_path / "script"
    script.write_text(desk.type("completion", shell).out, encoding="utf-8")
    folder = tmp_path / "empty"
    folder.mkdir()
    found = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "SCRIPT": str(script), "PATH": found, "HOME": str(folder)}

    command = [program, "-c", ASK[shell], *([] if shell == "fish" else [shell]), *typed]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)

    # zsh and fish are given what each word does, too, and zsh still has to leave out what does not fit.
    said = {re.split(r"[:\t]", line)[0] for line in done.stdout.splitlines() if line.startswith(typed[-1])}
    assert done.stderr == ""
    assert {word for word in said if word.startswith("-") <= typed[-1].startswith("-")} - {""} == offered


def test_the_names_of_profiles_are_given_to_a_shell(desk: Desk) -> None:
    desk.save("https://login.example/", "work")
    (desk.home / "vault" / "work.json").write_bytes(b"damaged")

    assert desk.type("completion", "profiles").out == "work\n"
    assert (desk.home / "vault" / "work.json").exists()


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
