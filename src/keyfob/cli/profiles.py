"""Which login is meant: whatever the settings say (`settings.py`), and then what the last login kept."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final, get_args

from keyfob.cli.settings import Kind, Setting, Settings, find_settings
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.callback import Callback
from keyfob.client.model.certificate import CertificateFiles
from keyfob.client.model.flow_names import read_flow_name
from keyfob.client.model.presets import expand, habits_of
from keyfob.client.model.profile import command, read_dpop
from keyfob.client.model.source import read_assertion_audience, read_identity_use
from keyfob.errors import LoginRequired, Misuse, Refused, VaultUnavailable
from keyfob.login import App, Profile, Source, StoredLogin
from keyfob.protocol.scope import Scope
from keyfob.run import run

FIRST: Final = "Run: keyfob login --issuer URL --client-id ID"
SOURCES: Final = (
    Source("secret", "env", ""), Source("secret", "file", ""), Source("secret", "keyring", ""),
    Source("key", "env", ""), Source("key", "file", ""), Source("key", "keyring", ""),
)  # fmt: skip
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# What begins like this is a key or a token, and no name of a place.
_THING: Final = re.compile(r"\s*(-----BEGIN|\{|eyJ)|.*[\r\n]", re.DOTALL)
_LENGTH: Final = re.compile(r"([0-9]{1,7})([smhd]?)")
_ORDER: Final[dict[Kind, int]] = {kind: place for place, kind in enumerate(get_args(Kind))}
_Pick = Callable[[str, str | None, str | None], str | None]
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def add_profile_flag(parser: ArgumentParser) -> None:
    """`--profile`, which every command about a login has."""
    parser.add_argument(
        "--profile", metavar="NAME", help="which login (KEYFOB_PROFILE, .keyfob.toml, or keyfob profile use)"
    )


def add_json_flag(parser: ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object per line")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The login that is meant, as far as anybody says.

    Attributes:
        profile: None where no issuer or no client id is known.
        settings: By name, what was said and by whom; what nobody said is left out.
        subject: Who must be logged in, where that is said.
    """

    name: str
    profile: Profile | None
    settings: Mapping[str, Setting]
    subject: str | None = None
    files: tuple[Path, ...] = ()


def name_of(flags: Namespace) -> str:
    """The profile's name.

    Raises:
        Misuse: It could not be a file's name, or a file of settings has a mistake.
    """
    return find_settings(flags).name.value


def profile_of(chosen: Chosen) -> Profile:
    """The profile to log in with.

    Raises:
        Misuse: Nobody says which issuer or which client id.
    """
    if chosen.profile is None:
        raise Misuse("no issuer or no client id is known", hint=FIRST)
    return chosen.profile


def choose(flags: Namespace) -> Chosen:
    """Which login is meant, and who says so; flags that are not there count as not given.

    What was kept for another issuer or another program counts for nothing: no server is told another's client id.

    Raises:
        Misuse: A setting will not do.
        VaultUnavailable: What the last login kept is damaged.
    """
    said = find_settings(flags)
    name = said.name.value
    kept = ProfileFiles().load(name)
    found: dict[str, Setting] = {"profile": said.name}

    def pick(setting: str, before: str | None, issuer: str | None = None) -> str | None:
        last = Setting(before, "login") if before else None
        chosen = said.find(setting, issuer) or last
        if chosen is not None:
            found[setting] = chosen
        return chosen.value if chosen else None

    preset = expand(pick("issuer", kept.issuer if kept else None) or "")
    issuer = preset.issuer
    kept = kept if kept is not None and kept.issuer == issuer else None
    client_id = pick("client_id", kept.client_id if kept else None, issuer)
    kept = kept if kept is not None and kept.client_id == client_id else None
    subject = pick("subject", None, issuer)
    if not issuer or not client_id:
        return Chosen(name, None, found, subject, said.files)
    chosen = _flag(flags, "flow")
    is_machine = chosen == "machine" if chosen not in {None, "auto"} else kept is not None and kept.is_machine
    credential, identity = _find_credential(flags), _find_identity(flags)
    if kept is not None and credential is None and identity is None:
        credential, identity = kept.credential, kept.identity if is_machine else None
    certificate = _find_certificate(pick, found, kept, issuer)
    if kept is not None and kept.is_machine != is_machine:
        kept = None  # what is asked for a person is not what a machine asks for
    audience, is_resource = _pick_audience(said, pick, kept, issuer)
    scope = pick("scope", kept.scope.write() if kept else None, issuer)
    ca = pick("ca", kept.ca if kept else None)
    ca = ca and _path(ca, found["ca"])
    way = read_flow_name(chosen) if is_machine else read_flow_name(pick("flow", kept.flow if kept else None))
    profile = Profile(
        name,
        issuer,
        client_id,
        audience,
        Scope.read(scope or ""),
        credential,
        is_machine=is_machine,
        is_resource=is_resource,
        callbacks=_find_callbacks(flags) or (kept.callbacks if kept else ()),
        endpoints={**(kept.endpoints if kept else {}), **preset.endpoints, **_find_endpoints(flags)},
        allows_password=bool(getattr(flags, "allow_password", False)) or (kept is not None and kept.allows_password),
        realm=pick("realm", kept.realm if kept else None, issuer),
        username=_flag(flags, "username"),
        flow=way,
        ca=ca,
        assertion_audience=read_assertion_audience(
            _flag(flags, "assertion_audience") or (kept.assertion_audience if kept else None)
        ),
        identity=identity,
        identity_as=read_identity_use(
            _flag(flags, "identity_as") or (kept.identity_as if kept else habits_of(issuer).identity_as)
        ),
        dpop=read_dpop(pick("dpop", kept.dpop if kept and kept.dpop != "off" else None)),
        certificate=certificate,
    )
    return Chosen(name, profile, found, subject, said.files)


def _find_certificate(
    pick: _Pick, found: Mapping[str, Setting], kept: Profile | None, issuer: str
) -> CertificateFiles | None:
    """Where the program's certificate and its key lie. What the last login kept of a key is of its certificate alone.

    Raises:
        Misuse: There is a key for no certificate, or something that is no file's name.
    """
    before = kept.certificate if kept else None
    certificate = pick("certificate", before.certificate if before else None, issuer)
    is_before = certificate is not None and found["certificate"].kind == "login"
    key = pick("certificate_key", before.key if before and is_before else None, issuer)
    if certificate is None and key is not None:
        raise Misuse("there is a key for a certificate, and no certificate", hint="Add --certificate FILE.")
    if certificate is None:
        return None
    for name in (certificate, key):
        if name:
            _refuse_the_thing(name, "file")
    return CertificateFiles(_path(certificate, found["certificate"]), key and _path(key, found["certificate_key"]))


def _path(name: str, said: Setting) -> str:
    """A file's, from whoever named it: a file of settings means those beside it."""
    if said.kind == "login":
        return name
    beside = Path(said.where).parent if said.kind == "config" else Path()
    return _absolute(str(beside / Path(name).expanduser()))


def _pick_audience(said: Settings, pick: _Pick, kept: Profile | None, issuer: str) -> tuple[str | None, bool]:
    """The API, and whether it is named by its address; who names it later in the order does not count."""
    resource, audience = said.find("resource", issuer), said.find("audience", issuer)
    if resource is not None and (audience is None or _ORDER[resource.kind] <= _ORDER[audience.kind]):
        return pick("resource", None, issuer), True
    before = kept.audience if kept else None
    if audience is None and kept is not None and kept.is_resource:
        return pick("resource", before, issuer), before is not None
    return pick("audience", before, issuer), False


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


def known_app(flags: Namespace, *, whoever: bool = False) -> App:
    """The login that a command is about.

    Args:
        flags: What was typed.
        whoever: Do not look whether it is the account that the project's file names.

    Raises:
        LoginRequired: There has been none under that name.
        Refused: Somebody else is logged in than must be.
    """
    chosen = choose(flags)
    if chosen.profile is None:
        raise LoginRequired("not logged in", hint=FIRST)
    app = app_of(chosen.profile)
    if chosen.subject is not None and not whoever:
        check_subject(chosen, app.session().stored())
    return app


def known_names() -> list[str]:
    """Every profile that has settings or a login."""
    return sorted({*ProfileFiles().names(), *FileVault().entries()})


def kept_app(name: str) -> App | None:
    """A profile's login by what was kept of it alone; None where nothing was.

    Raises:
        VaultUnavailable: What was kept cannot be read.
    """
    try:
        profile = ProfileFiles().load(name)
    except VaultUnavailable:
        profile = _of_login(name)
        if profile is None:
            raise
        return app_of(profile)
    profile = profile or _of_login(name)
    return None if profile is None else app_of(profile)


def _of_login(name: str) -> Profile | None:
    """What a login alone tells of its profile, where its settings are lost: enough to end it."""
    stored = run(FileVault(None, Seals()).load(name))
    return None if stored is None else Profile(name, stored.issuer, stored.client_id, stored.audience, stored.scope)


def check_subject(chosen: Chosen, stored: StoredLogin) -> None:
    """Refuse another account than the one that is pinned.

    Raises:
        Refused: It is another, or nobody knows which.
    """
    pin = chosen.settings.get("subject")
    if pin is None or stored.subject == pin.value:
        return
    who = "nobody knows who is logged in" if stored.subject is None else "somebody else is logged in"
    ours = command("login", chosen.name)
    raise Refused(
        f"{who} than the account that {pin.where} names",
        code="account-mismatch",
        hint=f"Run: {ours} --switch-account, or give that account a profile of its own: --profile NAME",
    )


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
        username=profile.username,
        flow=profile.flow,
        store=store,
        ca=profile.ca,
        assertion_audience=profile.assertion_audience,
        identity=profile.identity,
        identity_as=profile.identity_as,
        dpop=profile.dpop,
        certificate=profile.certificate.certificate if profile.certificate else None,
        certificate_key=profile.certificate.key if profile.certificate else None,
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


def _flag(flags: Namespace, name: str) -> str | None:
    return getattr(flags, name, None)
