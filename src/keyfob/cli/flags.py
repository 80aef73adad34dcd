"""Flags that several commands have, and the parsing of their values."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.client.model.callback import Callback
from keyfob.client.model.source import Source
from keyfob.errors import Misuse

_LENGTH: Final = re.compile(r"([0-9]{1,7})([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LAST_PORT: Final = 65535
_MOST_WORKERS: Final = 256
SOURCES: Final = (
    Source("secret", "env", ""), Source("secret", "file", ""), Source("secret", "keyring", ""),
    Source("key", "env", ""), Source("key", "file", ""), Source("key", "keyring", ""),
)  # fmt: skip
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# A value of this form is a key or a token, not the name of a file, variable or keyring entry.
_SECRET_VALUE: Final = re.compile(r"\s*(-----BEGIN|\{|eyJ)|.*[\r\n]", re.DOTALL)


def add_profile_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help="the login to use (default: KEYFOB_PROFILE, .keyfob.toml, or keyfob profile use)",
    )


def add_json_flag(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object per line")


def port(text: str) -> int:
    """Parse a port for an argument parser."""
    if not (text.isascii() and text.isdigit() and int(text) <= _LAST_PORT):
        raise ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}")
    return int(text)


def port_and_host(text: str) -> tuple[str, int]:
    """Parse a port with an optional address to listen on: 9464, 0.0.0.0:9464 or [::1]:9464."""
    host, _, number = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", port(number)


def workers(text: str) -> int:
    """Parse a number of processes. `cores` means one process for each available CPU core."""
    if text == "cores":
        from keyfob.server.io.workers import cores  # noqa: PLC0415  one command needs it

        return cores()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_WORKERS):
        raise ArgumentTypeError(f"a number from 1 to {_MOST_WORKERS}, or cores")
    return int(text)


def duration(text: str, flag: str = "--min-ttl") -> timedelta:
    """Parse the duration of a flag: 90, 90s, 5m, 2h or 1d.

    Raises:
        Misuse: The text is not a duration.
    """
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise Misuse("a duration is a number and s, m, h or d", hint=f"For example: {flag} 5m")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def add_master_key_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--master-key",
        metavar="SOURCE",
        help=(
            "the tenant's master key: file:PATH, env:NAME, credential:NAME (systemd) or "
            "'command:PROGRAM ARGUMENTS' (KEYFOB_MASTER_KEY; default: a file in the platform's "
            "configuration folder)"
        ),
    )


def find_credential(flags: Namespace) -> Source | None:
    """Return the location of the client's secret or key that the flags name, or None if they name none."""
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
    """Refuse a secret that was typed in place of its location. The error does not contain the secret.

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
