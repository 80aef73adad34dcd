"""Flags that several commands have, and the parsing of their values."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Final

from keyfob.errors import Misuse

_LENGTH: Final = re.compile(r"([0-9]{1,7})([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LAST_PORT: Final = 65535
_MOST_WORKERS: Final = 256


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
    """Parse a number of processes; `cores` is one for each core that may be used."""
    if text == "cores":
        from keyfob.server.io.workers import cores  # noqa: PLC0415  one command needs it

        return cores()
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_WORKERS):
        raise ArgumentTypeError(f"a number from 1 to {_MOST_WORKERS}, or cores")
    return int(text)


def duration(text: str, flag: str = "--min-ttl") -> timedelta:
    """Parse the duration of a flag: 90, 90s, 5m, 2h or 1d.

    Raises:
        Misuse: It is not a duration.
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
