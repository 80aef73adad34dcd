"""Which login is meant: flags first, then `KEYFOB_*` from the environment, then what the last login kept."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from keyfob.client.callback import Callback
from keyfob.client.presets import expand, habits_of
from keyfob.client.profile import read_dpop
from keyfob.client.source import read_assertion_audience, read_identity_use
from keyfob.client.ways import read_way
from keyfob.errors import LoginRequired, Misuse
from keyfob.login import App, Profile, ProfileFiles, Source, check_name
from keyfob.protocol.scope import Scope

FIRST: Final = "Run: keyfob login --issuer URL --client-id ID"
SOURCES: Final = (
    Source("secret", "env", ""), Source("secret", "file", ""), Source("secret", "keyring", ""),
    Source("key", "env", ""), Source("key", "file", ""), Source("key", "keyring", ""),
)  # fmt: skip
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# What begins like this is a key or a token, and no name of a place.
_THING: Final = re.compile(r"\s*(-----BEGIN|\{|eyJ)|.*[\r\n]", re.DOTALL)
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
    preset = expand(_flag(flags, "issuer") or os.environ.get("KEYFOB_ISSUER") or (kept.issuer if kept else ""))
    issuer = preset.issuer
    if kept is not None and kept.issuer != issuer:
        kept = None
    client_id = _flag(flags, "client_id") or os.environ.get("KEYFOB_CLIENT_ID") or (kept.client_id if kept else None)
    if kept is not None and kept.client_id != client_id:
        kept = None
    if not issuer or not client_id:
        return None
    said = _flag(flags, "resource") or _flag(flags, "audience") or os.environ.get("KEYFOB_AUDIENCE")
    audience = said or (kept.audience if kept else None)
    said_ca = _flag(flags, "ca") or os.environ.get("KEYFOB_CA")
    flow = _flag(flags, "flow")
    is_machine = flow == "machine" if flow not in {None, "auto"} else kept is not None and kept.is_machine
    credential, identity = _find_credential(flags), _find_identity(flags)
    if kept is not None and credential is None and identity is None:
        credential, identity = kept.credential, kept.identity if is_machine else None
    if kept is not None and kept.is_machine != is_machine:
        kept = None  # what is asked for a person is not what a machine asks for
    return Profile(
        name,
        issuer,
        client_id,
        audience,
        _find_scope(flags, kept),
        credential,
        is_machine=is_machine,
        is_resource=bool(_flag(flags, "resource")) or (kept is not None and kept.is_resource and not said),
        callbacks=_find_callbacks(flags) or (kept.callbacks if kept else ()),
        endpoints={**(kept.endpoints if kept else {}), **preset.endpoints, **_find_endpoints(flags)},
        allows_password=bool(getattr(flags, "allow_password", False)) or (kept is not None and kept.allows_password),
        realm=_flag(flags, "realm") or (kept.realm if kept else None),
        way=kept.way if kept and flow is None else read_way(flow),
        ca=_absolute(said_ca) if said_ca else (kept.ca if kept else None),
        assertion_audience=read_assertion_audience(
            _flag(flags, "assertion_audience") or (kept.assertion_audience if kept else None)
        ),
        identity=identity,
        identity_as=read_identity_use(
            _flag(flags, "identity_as") or (kept.identity_as if kept else habits_of(issuer).identity_as)
        ),
        dpop=kept.dpop if kept and _flag(flags, "dpop") is None else read_dpop(_flag(flags, "dpop")),
    )


def _find_callbacks(flags: Namespace) -> tuple[str, ...]:
    ports: list[int] = getattr(flags, "port", None) or []
    given: list[str] = getattr(flags, "callback", None) or []
    return (*given, *(Callback(port=port).address(port) for port in ports))


def _find_endpoints(flags: Namespace) -> dict[str, str]:
    """What `--endpoint NAME=URL` says.

    Raises:
        Misuse: One has no `=`.
    """
    given: list[str] = getattr(flags, "endpoint", None) or []
    pairs = [pair.partition("=") for pair in given]
    if not all(equals for _, equals, _ in pairs):
        raise Misuse(
            "an endpoint is NAME=URL", hint="For example: --endpoint device_authorization_endpoint=https://..."
        )
    return {name: url for name, _, url in pairs}


def _find_credential(flags: Namespace) -> Source | None:
    """Where the program's own secret or key lies, as the flags say."""
    for source in SOURCES:
        name = _flag(flags, f"{source.kind}_{source.place}")
        if name:
            _refuse_the_thing(name, source.place)
            return replace(source, name=_absolute(name) if source.place == "file" else name)
    return None


def _find_identity(flags: Namespace) -> Source | None:
    """What `--identity` says."""
    said = _flag(flags, "identity")
    source = None if said is None else Source.read(f"identity:{said}")
    if source is not None and source.name:
        _refuse_the_thing(source.name, source.place)
    is_file = source is not None and source.place in {"file", "kubernetes"} and source.name
    return replace(source, name=_absolute(source.name)) if source is not None and is_file else source


def _refuse_the_thing(name: str, place: str) -> None:
    """Refuse a secret, key or token that was typed where its place should be; it is not repeated.

    Raises:
        Misuse: It can be no place of that kind, or there is nothing of that name.
    """
    wrong = _THING.match(name) is not None
    if place in {"env", "gitlab"}:
        wrong = wrong or not _VARIABLE.fullmatch(name) or not (name in os.environ or name.isupper())
    if place == "file":
        is_bare = not any(letter in name for letter in "/\\.~")
        wrong = wrong or (is_bare and not Path(name).exists())
    if place == "keyring":
        wrong = wrong or not all(name.rpartition("/")[::2])
    if wrong:
        raise Misuse(
            "what stands there is not the place of a secret, key or token, such as a variable or a file",
            hint="If it was the thing itself, others may have seen it: get a new one, and say where that lies.",
        )


def _absolute(path: str) -> str:
    """From wherever the next command is run, the file is the same one."""
    return str(Path(path).expanduser().absolute())


def known_app(flags: Namespace) -> App:
    """The login that a command is about.

    Raises:
        LoginRequired: There has been none under that name.
    """
    profile = _find(flags)
    if profile is None:
        raise LoginRequired("not logged in", hint=FIRST)
    return app_of(profile)


def app_of(profile: Profile, store: str | None = None) -> App:
    """The door, for a profile, and how its tokens are kept if that was just said."""
    return App(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        scopes=profile.scope.names,
        profile=profile.name,
        credential=profile.credential,
        is_machine=profile.is_machine,
        is_resource=profile.is_resource,
        callbacks=profile.callbacks,
        endpoints=profile.endpoints,
        allows_password=profile.allows_password,
        realm=profile.realm,
        way=profile.way,
        store=store,
        ca=profile.ca,
        assertion_audience=profile.assertion_audience,
        identity=profile.identity,
        identity_as=profile.identity_as,
        dpop=profile.dpop,
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
