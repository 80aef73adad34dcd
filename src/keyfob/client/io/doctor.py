"""Observations for `keyfob doctor`: the issuer's clock, files and their modes, ports. Changes nothing."""

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
    """Return how far the issuer's clock is ahead of ours, by its Date header (RFC 9110 §6.6.1); None if unknown.

    Raises:
        KeyfobError: The issuer does not answer.
    """
    send = sender_of(profile)
    before = datetime.now(UTC)
    response = send(Request("GET", well_known(profile.issuer)[0]))
    after = datetime.now(UTC)
    date = response.header("date")
    if not date or response.header("age"):  # a cached response has an old Date
        return None
    try:
        server_time = parsedate_to_datetime(date)
    except ValueError:
        return None
    return server_time.replace(tzinfo=server_time.tzinfo or UTC) - (before + (after - before) / 2)


def look_at_files(home: Path) -> tuple[list[str], list[str], list[str]]:
    """Return files that others may read, files that belong to others, and damaged files that were set aside."""
    readable: list[str] = []
    foreign: list[str] = []
    aside: list[str] = []
    if os.name != "posix":
        return readable, foreign, aside
    for folder in (home / name for name in _FOLDERS):
        for path in [folder, *(folder.iterdir() if folder.is_dir() else ())]:
            try:
                status = path.lstat()
            except OSError:
                continue
            if status.st_uid != os.geteuid():
                foreign.append(str(path))
            elif status.st_mode & _OTHERS and not path.is_symlink():
                readable.append(str(path))
            if ".damaged-" in path.name:
                aside.append(str(path))
    return sorted(set(readable)), sorted(set(foreign)), sorted(set(aside))


def look_at_ports(callbacks: tuple[Callback, ...]) -> tuple[list[str], bool]:
    """Return which of the requested ports are taken, and whether any port can be opened."""
    taken = [f"{one.host}:{one.port}" for one in callbacks if one.port and not _is_free(one)]
    return taken, any(_is_free(one) for one in ANYWHERE)


def _is_free(callback: Callback) -> bool:
    host = callback.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, callback.port))
            probe.listen(1)
    except OSError:
        return False
    return True
