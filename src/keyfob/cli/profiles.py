"""Which login a command is about: flags first, then `KEYFOB_*`, then what the last login of that profile used."""

from __future__ import annotations

import argparse
import os
import re
from datetime import timedelta

from keyfob.errors import LoginRequired, Misuse
from keyfob.login import App, Profile, ProfileFiles, check_name

_DURATION = re.compile(r"(\d{1,6})([smhd]?)\Z")
_UNITS = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_profile(parser: argparse.ArgumentParser) -> None:
    """The flag that every command of a login has."""
    parser.add_argument("--profile", help="name of the login (default: default, or KEYFOB_PROFILE)")


def known_app(args: argparse.Namespace) -> App:
    """The login of this profile.

    Raises:
        LoginRequired: This profile has never logged in.
    """
    name = _name(args)
    profile = ProfileFiles().load(name)
    if profile is None:
        more = "" if name == "default" else f" --profile {name}"
        raise LoginRequired("not logged in", hint=f"Run: keyfob login{more} --issuer URL --client-id ID")
    return _app(profile)


def asked_profile(args: argparse.Namespace) -> Profile:
    """What a login is to use.

    Raises:
        Misuse: Issuer or client id is known from nowhere.
    """
    name = _name(args)
    before = ProfileFiles().load(name)
    issuer = _setting(args.issuer, "KEYFOB_ISSUER", before.issuer if before else None)
    client_id = _setting(args.client_id, "KEYFOB_CLIENT_ID", before.client_id if before else None)
    if issuer is None or client_id is None:
        missing = "an issuer" if issuer is None else "a client id"
        raise Misuse(f"a first login needs {missing}", hint="Run: keyfob login --issuer URL --client-id ID")
    is_same = before is not None and (issuer, client_id) == (before.issuer, before.client_id)
    audience = _setting(args.audience, "KEYFOB_AUDIENCE", before.audience if before and is_same else None)
    said = args.scope or os.environ.get("KEYFOB_SCOPE", "").split()
    scopes = [name for words in said for name in words.split()]
    if before and is_same and not scopes:
        scopes = sorted(before.scope.names)
    return App(issuer=issuer, client_id=client_id, audience=audience, scopes=scopes, profile=name).profile


def app_of(profile: Profile) -> App:
    """A program that logs in as this profile says."""
    return _app(profile)


def duration(text: str) -> timedelta:
    """`90`, `90s`, `5m`, `2h` or `1d`, for argparse.

    Raises:
        argparse.ArgumentTypeError: It is none of these.
    """
    found = _DURATION.match(text)
    if found is None:
        raise argparse.ArgumentTypeError("write it as 90s, 5m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _app(profile: Profile) -> App:
    return App(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        scopes=profile.scope.names,
        profile=profile.name,
    )


def _name(args: argparse.Namespace) -> str:
    name: str = args.profile or os.environ.get("KEYFOB_PROFILE") or "default"
    check_name(name)
    return name


def _setting(flag: str | None, variable: str, before: str | None) -> str | None:
    return flag or os.environ.get(variable) or before
