"""The flags of `keyfob login` with a form of their own: where a secret or key is, callbacks, endpoints."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Final

from keyfob.client.model.callback import Callback
from keyfob.errors import Misuse
from keyfob.login import Source

SOURCES: Final = (
    Source("secret", "env", ""), Source("secret", "file", ""), Source("secret", "keyring", ""),
    Source("key", "env", ""), Source("key", "file", ""), Source("key", "keyring", ""),
)  # fmt: skip
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# A value of this form is a key or a token, not the name of a file, variable or keyring entry.
_SECRET_VALUE: Final = re.compile(r"\s*(-----BEGIN|\{|eyJ)|.*[\r\n]", re.DOTALL)


def find_credential(flags: Namespace) -> Source | None:
    """Return the source of the client's secret or key from the flags."""
    for source in SOURCES:
        name = getattr(flags, f"{source.kind}_{source.place}", None)
        if name:
            refuse_secret_value(name, source.place)
            return replace(source, name=absolute(name) if source.place == "file" else name)
    return None


def find_identity(flags: Namespace) -> Source | None:
    given = getattr(flags, "identity", None)
    source = None if given is None else Source.read(f"identity:{given}")
    if source is not None and source.name:
        refuse_secret_value(source.name, source.place)
    is_file = source is not None and source.place in {"file", "kubernetes"} and source.name
    return replace(source, name=absolute(source.name)) if source is not None and is_file else source


def refuse_secret_value(name: str, place: str) -> None:
    """Refuse a secret that was typed in place of its location. The message does not repeat it.

    Raises:
        Misuse: The value is not a location of that kind, or does not exist.
    """
    wrong = _SECRET_VALUE.match(name) is not None
    if place in {"env", "gitlab"}:
        wrong = wrong or not _VARIABLE.fullmatch(name) or not (name in os.environ or name.isupper())
    if place == "file":
        is_bare = not any(letter in name for letter in "/\\.~")
        wrong = wrong or (is_bare and not Path(name).exists())
    if place == "keyring":
        wrong = wrong or not all(name.rpartition("/")[::2])
    if wrong:
        raise Misuse(
            "this is not the location of a secret, key or token, such as a variable or a file",
            hint=(
                "If you typed the secret itself, other users may have seen it: get a new one, and pass its location."
            ),
        )


def absolute(path: str) -> str:
    """Return an absolute path, so that later commands find the file from any folder."""
    return str(Path(path).expanduser().absolute())


def find_callbacks(flags: Namespace) -> tuple[str, ...]:
    ports: list[int] = getattr(flags, "port", None) or []
    given: list[str] = getattr(flags, "callback", None) or []
    return (*given, *(Callback(port=port).address(port) for port in ports))


def find_endpoints(flags: Namespace) -> dict[str, str]:
    given: list[str] = getattr(flags, "endpoint", None) or []
    pairs = [pair.partition("=") for pair in given]
    if not all(equals for _, equals, _ in pairs):
        raise Misuse(
            "an endpoint is NAME=URL", hint="For example: --endpoint device_authorization_endpoint=https://..."
        )
    return {name: url for name, _, url in pairs}
