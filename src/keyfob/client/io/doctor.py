"""Look at this place for `keyfob doctor`: the issuer's time, files and their modes, ports. Changes nothing."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from keyfob.client.io.http.connections import sender_of
from keyfob.client.model.callback import ANYWHERE, Callback
from keyfob.client.model.profile import Profile
from keyfob.protocol.http import Request
from keyfob.protocol.metadata import well_known

_OTHERS = 0o077
_FOLDERS = (".", "vault", "profiles", "learned", "pending", "quick")


def clock_ahead(profile: Profile) -> timedelta | None:
    """How far the issuer's clock is ahead of ours, by its Date (RFC 9110 §6.6.1); None where it tells none.

    Raises:
        KeyfobError: Nobody answers.
    """
    send = sender_of(profile)
    before = datetime.now(UTC)
    answer = send(Request("GET", well_known(profile.issuer)[0]))
    after = datetime.now(UTC)
    said = answer.header("date")
    if not said or answer.header("age"):  # a cached answer has an old Date
        return None
    try:
        there = parsedate_to_datetime(said)
    except ValueError:
        return None
    return there.replace(tzinfo=there.tzinfo or UTC) - (before + (after - before) / 2)


def look_at_files(home: Path) -> tuple[list[str], list[str], list[str]]:
    """Files that others may read, those that belong to others, and damaged ones that were set aside."""
    readable: list[str] = []
    foreign: list[str] = []
    aside: list[str] = []
    if os.name != "posix":
        return readable, foreign, aside
    for folder in (home / name for name in _FOLDERS):
        for path in [folder, *(folder.iterdir() if folder.is_dir() else ())]:
            try:
                found = path.lstat()
            except OSError:
                continue
            if found.st_uid != os.geteuid():
                foreign.append(str(path))
            elif found.st_mode & _OTHERS and not path.is_symlink():
                readable.append(str(path))
            if ".damaged-" in path.name:
                aside.append(str(path))
    return sorted(set(readable)), sorted(set(foreign)), sorted(set(aside))


def look_at_ports(callbacks: tuple[Callback, ...]) -> tuple[list[str], bool]:
    """Which of the ports that were asked for are taken, and whether anything can be listened on at all."""
    taken = [f"{one.host}:{one.port}" for one in callbacks if one.port and not _is_free(one)]
    return taken, any(_is_free(one) for one in ANYWHERE)


def _is_free(callback: Callback) -> bool:
    host = callback.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as found:
            if os.name == "posix":
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((host, callback.port))
            found.listen(1)
    except OSError:
        return False
    return True
