"""Which login is meant: flags first, then `KEYFOB_*` from the environment, then what the last login kept."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.errors import LoginRequired, Misuse
from keyfob.login import App, Profile, ProfileFiles, Source, check_name
from keyfob.protocol.scope import Scope

FIRST: Final = "Run: keyfob login --issuer URL --client-id ID"
SOURCES: Final = (
    Source("secret", "env", ""), Source("secret", "file", ""), Source("key", "env", ""), Source("key", "file", ""),
)  # fmt: skip
_LENGTH: Final = re.compile(r"([0-9]{1,7})([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def add_profile_flag(parser: ArgumentParser) -> None:
    """`--profile`, which every command about a login has."""
    parser.add_argument(
        "--profile", metavar="NAME", help='which login (KEYFOB_PROFILE, or "default" if nothing is said)'
    )


def add_json_flag(parser: ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object per line")


def name_of(chosen: str | None) -> str:
    """The profile's name.

    Raises:
        Misuse: It could not be a file's name.
    """
    name = chosen or os.environ.get("KEYFOB_PROFILE") or "default"
    check_name(name)
    return name


def asked_profile(flags: Namespace) -> Profile:
    """The profile to log in with; flags that are not there count as not given.

    What was kept for another issuer or another program counts for nothing: no server is told another's client id.

    Raises:
        Misuse: Nobody says which issuer or which client id.
    """
    profile = _find(flags)
    if profile is None:
        raise Misuse("no issuer or no client id is known", hint=FIRST)
    return profile


def _find(flags: Namespace) -> Profile | None:
    name = name_of(_flag(flags, "profile"))
    kept = ProfileFiles().load(name)
    issuer = _flag(flags, "issuer") or os.environ.get("KEYFOB_ISSUER") or (kept.issuer if kept else None)
    if kept is not None and kept.issuer != issuer:
        kept = None
    client_id = _flag(flags, "client_id") or os.environ.get("KEYFOB_CLIENT_ID") or (kept.client_id if kept else None)
    if kept is not None and kept.client_id != client_id:
        kept = None
    if not issuer or not client_id:
        return None
    audience = _flag(flags, "audience") or os.environ.get("KEYFOB_AUDIENCE") or (kept.audience if kept else None)
    machine = _find_machine(flags, kept)
    if kept is not None and (kept.machine is None) != (machine is None):
        kept = None  # what is asked for a person is not what a machine asks for
    return Profile(name, issuer, client_id, audience, _find_scope(flags, kept), machine)


def _find_machine(flags: Namespace, kept: Profile | None) -> Source | None:
    """Where the program's own secret or key lies, if it logs in as itself: as the flags say, else as before."""
    for source in SOURCES:
        name = _flag(flags, f"{source.kind}_{source.place}")
        if name:
            # From wherever the next command is run, the file is the same one.
            return replace(source, name=name if source.place == "env" else str(Path(name).expanduser().absolute()))
    return None if kept is None or _flag(flags, "flow") == "device" else kept.machine


def known_app(flags: Namespace) -> App:
    """The login that a command is about.

    Raises:
        LoginRequired: There has been none under that name.
    """
    profile = _find(flags)
    if profile is None:
        raise LoginRequired("not logged in", hint=FIRST)
    return app_of(profile)


def app_of(profile: Profile) -> App:
    """The door, for a profile."""
    return App(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        scopes=profile.scope.names,
        profile=profile.name,
        machine=profile.machine,
    )


def duration(text: str) -> timedelta:
    """A length of time as people type it: 90, 90s, 5m, 2h, 1d.

    Raises:
        Misuse: It is none.
    """
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise Misuse("a length of time is a number and s, m, h or d", hint="For example: --min-ttl 5m")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _find_scope(flags: Namespace, kept: Profile | None) -> Scope:
    given: list[str] | None = getattr(flags, "scope", None)
    said = " ".join(given) if given else os.environ.get("KEYFOB_SCOPE")
    if said is None:
        return kept.scope if kept else Scope()
    return Scope.read(said)


def _flag(flags: Namespace, name: str) -> str | None:
    return getattr(flags, name, None)
