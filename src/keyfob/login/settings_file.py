"""Part of the public module `keyfob.login`: the settings of an `App` in a TOML file that is shipped with a program."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from keyfob.client.model.profile import DPOP, FLOW_NAMES
from keyfob.client.model.source import ASSERTION_AUDIENCES
from keyfob.client.model.storage_choice import POLICIES
from keyfob.errors import Misuse

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_TEXTS: Final = frozenset(
    {"assertion_audience", "audience", "ca", "client_id", "dpop", "flow", "issuer", "login_command", "name", "store"}
)
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "assertion_audience": ASSERTION_AUDIENCES,
    "dpop": DPOP,
    "flow": FLOW_NAMES,
    "store": POLICIES,
}
_LISTS: Final = frozenset({"callbacks", "scopes"})
_SWITCHES: Final = frozenset({"exact_scopes", "is_resource"})
_TABLES: Final = frozenset({"endpoints"})
_ALL: Final = sorted(_TEXTS | _LISTS | _SWITCHES | _TABLES)
_NEEDED: Final = ("issuer", "client_id")
_AT: Final = re.compile(r"\(at ([a-z0-9 ,]+)\)")


def read_settings(path: Path | Traversable) -> dict[str, Any]:
    """Return the arguments for an `App`.

    Raises:
        Misuse: The file cannot be read, is not TOML, or has an unknown or wrong setting.
    """
    found = _read(path)
    for name, value in found.items():
        if name not in _ALL:
            near = get_close_matches(name, _ALL, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Allowed settings: {', '.join(_ALL)}."
            raise _wrong(path, f"has an unknown setting: {_printable(name)}", hint)
        if not _is_right(name, value):
            raise _wrong(path, f"has a wrong value for {name}", f"It is {_kind(name)}.")
    for name in _NEEDED:
        if name not in found:
            raise _wrong(path, f"lacks {name}", 'For example: issuer = "https://login.example.com/"')
    if "ca" in found and isinstance(path, Path):
        found["ca"] = str(path.absolute().parent / Path(str(found["ca"])).expanduser())
    return found


def _read(path: Path | Traversable) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise _wrong(
            path, f"cannot be read: {reason}", "The file is a part of the program: install the program again."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        # The parser's message may repeat the file's text, which could be a misplaced secret.
        found = _AT.search(str(problem))
        raise _wrong(path, f"is not TOML{f' ({found[1]})' if found else ''}", "") from None


def _is_right(name: str, value: object) -> bool:
    if name in _SWITCHES:
        return isinstance(value, bool)
    if name in _TABLES:
        return isinstance(value, Mapping) and all(map(_is_text, cast("Mapping[str, object]", value).values()))
    if name in _LISTS and not isinstance(value, str):
        return isinstance(value, list) and all(map(_is_text, cast("list[object]", value)))
    return _is_text(value) and name != "callbacks" and value in _CHOICES.get(name, (value,))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value.strip())


def _kind(name: str) -> str:
    if name in _SWITCHES:
        return "true or false"
    if name in _CHOICES:
        return f"one of {', '.join(_CHOICES[name])}"
    return "a table of strings" if name in _TABLES else "a list of strings" if name in _LISTS else "text"


def _wrong(path: Path | Traversable, what: str, hint: str) -> Misuse:
    return Misuse(f"{path.name} {what}", code="setting-wrong", hint=hint)


def _printable(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) else "something"
