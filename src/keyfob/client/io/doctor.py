"""Checks for `keyfob doctor`: the issuer's clock, file permissions, the disk, ports. No check leaves a change."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyfob.client.io.http.connections import sender_of
from keyfob.client.model.callback import ANYWHERE, Callback
from keyfob.client.model.profile import Profile
from keyfob.client.session.server_time import date_of
from keyfob.io.sockets import claim_port
from keyfob.protocol.http import Request
from keyfob.protocol.metadata import well_known

_OTHERS = 0o077
_PROBE_BYTES = 64 * 1024  # what a refresh reserves
_FOLDERS = (".", "vault", "profiles", "learned", "pending", "quick")


def clock_ahead(profile: Profile) -> timedelta | None:
    """Return how far the issuer's clock is ahead of this machine's clock; None if the response has no usable date.

    The issuer's time is in the Date header of its response (RFC 9110 §6.6.1).

    Raises:
        KeyfobError: The issuer does not answer.
    """
    send = sender_of(profile)
    before = datetime.now(UTC)
    response = send(Request("GET", well_known(profile.issuer)[0]))
    after = datetime.now(UTC)
    server_time = date_of(response)
    return None if server_time is None else server_time - (before + (after - before) / 2)


def look_at_files(home: Path) -> tuple[list[str], list[str], list[str]]:
    """Return three lists: files that other users may read, files that other users own, and renamed damaged files."""
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


def try_disk(home: Path) -> tuple[Path, str]:
    """Write, read and remove a file in the vault's folder, or in the nearest parent folder that exists.

    Return the folder that was used, and the problem as text; "" if there was no problem.
    """
    wanted = home / "vault"
    folder = next((found for found in (wanted, *wanted.parents) if found.is_dir()), wanted)
    content = secrets.token_bytes(_PROBE_BYTES)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            return folder, "" if file.read() == content else "a file does not contain what was written to it"
    except OSError as problem:
        return folder, os.strerror(problem.errno) if problem.errno else type(problem).__name__


def look_at_ports(callbacks: tuple[Callback, ...]) -> tuple[list[str], bool]:
    """Return the redirect addresses whose ports are taken, and whether any loopback port can be opened."""
    taken = [f"{one.host}:{one.port}" for one in callbacks if one.port and not _is_free(one)]
    return taken, any(_is_free(one) for one in ANYWHERE)


def _is_free(callback: Callback) -> bool:
    host = callback.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            claim_port(probe)
            probe.bind((host, callback.port))
            probe.listen(1)
    except OSError:
        return False
    return True
