"""No error and no notice of the library names keyfob, its flags or its commands: any program may show them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import keyfob
from keyfob.errors import LoginRequired, Malformed, Misuse, Refused, TimedOut, Unreachable, VaultUnavailable

SOURCE = Path(keyfob.__file__).parent
# What a program that logs its users in can meet. `cli` is keyfob's own command.
PACKAGES = ("client", "login", "protocol", "io", "jose", "run.py", "lazy.py")
# In a style sheet, `--name` is a custom property.
OURS = re.compile(r"(?<![\w;{-])(?<!var\()--[a-z]|\bkeyfob(?![\w.-])")
# These are what a hint for keyfob's own command is made of.
MAKERS = {"login_hint", "login_line", "command", "flags_for"}
# Not shown by other programs, or no name of the command.
ALLOWED = {
    "client/session/checkup.py": "the checks of `keyfob doctor`",
    "client/io/secret_sources.py": "`pip install 'keyfob[keyring]'` names the package",
    "client/io/vault/key_keyring.py": "the name of an entry in the keyring",
    "jose/certificates.py": "names in the certificates of `keyfob serve --tls`",
}


def is_for_keyfob(node: ast.AST) -> bool:
    """Whether a part of a module is a docstring, or is shown by keyfob's own command alone."""
    match node:
        case ast.Expr(ast.Constant()) | ast.keyword(arg="flags"):
            return True
        case ast.FunctionDef(name=name) | ast.Call(ast.Name(name) | ast.Attribute(attr=name)):
            return name in MAKERS
        case ast.Assign([ast.Name(name) | ast.Attribute(attr=name)]) | ast.AnnAssign(ast.Name(name)):
            return name.lower().endswith("flags") or name == "KEYFOB_LOGIN"
        case ast.AugAssign(ast.Name(name)):
            return name == "flags"
        case _:
            return False


def texts_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module that another program may show."""
    for node in ast.iter_child_nodes(tree):
        if is_for_keyfob(node):
            continue
        match node:
            case ast.Assign([ast.Tuple(names)], ast.Tuple(values)):  # hint, flags = ...
                pairs = zip(names, values, strict=True)
                shown: list[ast.AST] = [value for name, value in pairs if not ast.unparse(name).endswith("flags")]
            case _:
                shown = [node]
        for one in shown:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.lineno, one.value
            yield from texts_of(one)


def found(package: str) -> list[str]:
    files = sorted((SOURCE / package).rglob("*.py")) or [SOURCE / package]
    return [
        f"{name}:{line}: {text}"
        for path in files
        if (name := path.relative_to(SOURCE).as_posix()) not in ALLOWED
        for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8")))
        if OURS.search(text) and " " in text.strip()  # else it is an identifier
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_text_of_the_library_names_keyfobs_flags_or_commands(package: str) -> None:
    """[FC-06]: of every error, every hint and every notice, whether a test raises it or not."""
    assert found(package) == []


def test_a_hint_with_a_flag_is_found() -> None:
    texts = (
        'raise Misuse("a", hint="Say --flow device.", flags="--flow device")\nhint, flags = f"Run: keyfob {x}", "--a"'
    )
    assert [text for _, text in texts_of(ast.parse(texts)) if OURS.search(text)] == [
        "Say --flow device.",
        "Run: keyfob ",
    ]


@pytest.mark.parametrize(
    ("hint", "flags", "shown"),
    [
        ("", "", ""),
        ("Log in with a code.", "", "Log in with a code."),
        ("Log in with a code.", "--flow device", "Log in with a code: --flow device"),
        ("", "keyfob profile list", "Run: keyfob profile list"),
    ],
)
def test_keyfobs_own_command_shows_the_flags_too(hint: str, flags: str, shown: str) -> None:
    """[FC-06]."""
    for kind in (Misuse, Malformed, Refused, LoginRequired, TimedOut, Unreachable, VaultUnavailable):
        problem = kind("it went wrong", hint=hint, flags=flags)
        assert (problem.hint, problem.hint_with_flags) == (hint, shown)
