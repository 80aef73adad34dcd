"""`keyfob new`: write an example project: a program with a login, an API, a tenant for development, and tests."""

from __future__ import annotations

import re
import secrets
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.tenant.folder import write_text
from keyfob.errors import Misuse

FRAMEWORKS: Final = ("argparse", "click", "typer", "cyclopts")
# The template is the example in `examples/`, which is tested and which the wheel contains.
_EXAMPLE: Final = "shop"
_MODULE: Final = "shop_app"
_TEMPLATE_CLI: Final = "cli_argparse"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
_LONGEST: Final = 40
_PASSWORD_BYTES: Final = 12
_PASSWORD_FILE: Final = "sam.password"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the name of the program, as its users type it")
    parser.add_argument("--framework", choices=FRAMEWORKS, default="argparse", help="its command-line framework")


def run(flags: Namespace) -> int:
    name: str = flags.name
    folder = Path(name)
    if not _NAME.match(name) or len(name) > _LONGEST or name == "keyfob":
        raise Misuse("a program's name consists of lower-case letters, digits and dashes, and starts with a letter")
    if _module(name) in {"tests", *FRAMEWORKS, *sys.stdlib_module_names}:
        raise Misuse("another package has this name", hint="Choose another name.")
    if folder.exists():
        raise Misuse(f"{folder} already exists", hint="Choose another name, or run this in another folder.")
    for place, text in project(name, flags.framework).items():
        path = folder / place
        _make(path.parent)
        write_text(path, text)
    write_text(folder / _PASSWORD_FILE, f"{secrets.token_urlsafe(_PASSWORD_BYTES)}\n", is_private=True)
    write_text(folder / ".gitignore", f"{_PASSWORD_FILE}\n")
    output.remark(f"{folder} is ready; see its README")
    for line in (
        f"cd {folder}",
        "python -m pip install -e '.[dev]'",
        "keyfob serve tenant.toml",
        f"python -m {_module(name)}.api",
        f"{name} login",
    ):
        output.result(line)
    return DONE


def project(name: str, framework: str) -> dict[str, str]:
    """Return the text of each file, by its path in the project.

    Raises:
        Misuse: The installed package does not contain the example.
    """
    source = _source()
    cli, found = f"cli_{framework}.py", dict[str, str]()
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source).as_posix()
        is_other = path.name.startswith("cli_") and path.name != cli
        if path.is_file() and not is_other and path.suffix in {".py", ".toml", ".md"}:
            text = path.read_text(encoding="utf-8")
            found[_renamed(place.replace(cli, "cli.py"), name)] = _renamed(_of_framework(text, framework), name)
    return found


def _of_framework(text: str, framework: str) -> str:
    """Return the text of an example file without the parts for other frameworks."""
    text = re.sub(rf"python -m {_MODULE}\.cli_[a-z]+", _EXAMPLE, text.replace(f"{_TEMPLATE_CLI} as cli", "cli"))
    text = text.replace(f".{_TEMPLATE_CLI}", ".cli")
    text = re.sub(rf"\$ .* > {_PASSWORD_FILE}\n", "", text)  # `run` writes it
    needs = '"keyfob"' if framework == "argparse" else f'"keyfob", "{framework}"'
    return text.replace('dependencies = ["keyfob"]', f"dependencies = [{needs}]")


def _renamed(text: str, name: str) -> str:
    return re.sub(rf"\b{_EXAMPLE}\b", name, text.replace(_MODULE, _module(name)))


def _module(name: str) -> str:
    return name.replace("-", "_")


def _source() -> Path:
    here = Path(__file__).parents
    for folder in (here[2] / "examples", here[4] / "examples"):  # in the wheel, or beside the source
        if (folder / _EXAMPLE).is_dir():
            return folder / _EXAMPLE
    raise Misuse("this installation of keyfob lacks the examples", hint="Run: pip install --force-reinstall keyfob")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise Misuse(f"{folder} cannot be created: {problem.strerror}") from None
