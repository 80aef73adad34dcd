"""Determine the profile of a command from the settings (`settings.py`) and from the last login of the profile."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from keyfob.cli.flags import (
    absolute,
    find_callbacks,
    find_credential,
    find_endpoints,
    find_identity,
    refuse_secret_value,
)
from keyfob.cli.settings import Setting, SettingKind, Settings, find_settings
from keyfob.client.io.vault.files import agent_socket
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.agent_messages import AgentRequest
from keyfob.client.model.credential import CertificateFiles
from keyfob.client.model.presets import expand, habits_of
from keyfob.client.model.profile import DEFAULT, KEYFOB_LOGIN, command, read_dpop, read_flow_name
from keyfob.client.model.source import read_assertion_audience, read_identity_use
from keyfob.client.ports import Vault
from keyfob.errors import LoginRequired, Misuse, Refused, VaultUnavailable
from keyfob.login import App, Profile, StoredLogin
from keyfob.protocol.scope import Scope
from keyfob.run import run

_ORDER: Final[dict[SettingKind, int]] = {kind: place for place, kind in enumerate(get_args(SettingKind))}
_Pick = Callable[[str, str | None, str | None], str | None]


@dataclass(frozen=True, slots=True)
class ChosenProfile:
    """The profile of a command, and the settings that determine the profile.

    Attributes:
        profile: The profile; None if the issuer or the client ID is not known.
        settings: The settings from flags, variables and files, by name, each with its origin.
        subject: The subject (`sub`) of the account that the settings require; None for any account.
        files: The settings files that were read.
    """

    name: str
    profile: Profile | None
    settings: Mapping[str, Setting]
    subject: str | None = None
    files: tuple[Path, ...] = ()


def name_of(flags: Namespace) -> str:
    return find_settings(flags).name.value


def profile_of(chosen: ChosenProfile) -> Profile:
    """Return the profile to log in with.

    Raises:
        Misuse: The issuer or the client ID is missing.
    """
    if chosen.profile is None:
        issuer = chosen.settings.get("issuer")
        what = "no issuer is configured" if issuer is None else "the client ID for this issuer is unknown"
        raise Misuse(what, hint=first_login(chosen.name, issuer.value if issuer else "URL"))
    return chosen.profile


def first_login(name: str, issuer: str = "URL") -> str:
    """Return a hint with the command for the first login of a profile."""
    return f"Run: {command(f'login {issuer} CLIENT_ID', name)}"


def choose(flags: Namespace) -> ChosenProfile:
    """Choose the profile from flags, settings and the last login. An attribute that `flags` lacks counts as not set.

    If the settings name another issuer or client than the last login, the stored settings of that login are ignored. So
    no server receives another server's client ID.

    Raises:
        Misuse: A setting is invalid.
        VaultUnavailable: The stored settings are damaged.
    """
    settings = find_settings(flags)
    name = settings.name.value
    stored = _load(name, settings)
    found: dict[str, Setting] = {"profile": settings.name}

    def pick(setting: str, before: str | None, issuer: str | None = None) -> str | None:
        last = Setting(before, "login") if before else None
        chosen = settings.find(setting, issuer) or last
        if chosen is not None:
            found[setting] = chosen
        return chosen.value if chosen else None

    preset = expand(pick("issuer", stored.issuer if stored else None) or "")
    issuer = preset.issuer
    stored = stored if stored is not None and stored.issuer == issuer else None
    client_id = pick("client_id", stored.client_id if stored else None, issuer)
    stored = stored if stored is not None and stored.client_id == client_id else None
    subject = pick("subject", None, issuer)
    if not issuer or not client_id:
        return ChosenProfile(name, None, found, subject, settings.files)
    chosen = _flag(flags, "flow")
    is_machine = chosen == "machine" if chosen not in {None, "auto"} else stored is not None and stored.is_machine
    credential, identity = find_credential(flags), find_identity(flags)
    if stored is not None and credential is None and identity is None:
        credential, identity = stored.credential, stored.identity if is_machine else None
    certificate = _find_certificate(pick, found, stored, issuer)
    if stored is not None and stored.is_machine != is_machine:
        stored = None  # a service account does not use the scopes and audience of a user's login, or the reverse
    audience, is_resource = _pick_audience(settings, pick, stored, issuer)
    scope = pick("scope", stored.scope.write() if stored else None, issuer)
    ca = pick("ca", stored.ca if stored else None)
    ca = ca and _path(ca, found["ca"])
    flow = read_flow_name(chosen) if is_machine else read_flow_name(pick("flow", stored.flow if stored else None))
    profile = Profile(
        name,
        issuer,
        client_id,
        audience,
        Scope.read(scope or ""),
        credential,
        is_machine=is_machine,
        is_resource=is_resource,
        callbacks=find_callbacks(flags) or (stored.callbacks if stored else ()),
        endpoints={
            **(stored.endpoints if stored else {}),
            **preset.endpoints,
            **find_endpoints(flags),
        },
        allows_password=bool(getattr(flags, "allow_password", False))
        or (stored is not None and stored.allows_password),
        realm=pick("realm", stored.realm if stored else None, issuer),
        username=_flag(flags, "username"),
        flow=flow,
        ca=ca,
        assertion_audience=read_assertion_audience(
            _flag(flags, "assertion_audience") or (stored.assertion_audience if stored else None)
        ),
        identity=identity,
        identity_as=read_identity_use(
            _flag(flags, "identity_as") or (stored.identity_as if stored else habits_of(issuer).identity_as)
        ),
        dpop=read_dpop(pick("dpop", stored.dpop if stored and stored.dpop != "off" else None)),
        certificate=certificate,
        has_exact_scope=_has_exact_scope(flags, stored),
    )
    return ChosenProfile(name, profile, found, subject, settings.files)


def _load(name: str, settings: Settings) -> Profile | None:
    """Return the settings of the last login: from its file, else from its stored login; None if there is neither.

    Raises:
        VaultUnavailable: The file is damaged, and is needed, since `settings` lacks the issuer or the client ID.
    """
    try:
        found = ProfileFiles().load(name)
    except VaultUnavailable as problem:
        if problem.code == "vault-damaged" and settings.find("issuer") and settings.find("client_id"):
            return None
        raise
    with contextlib.suppress(VaultUnavailable):
        return found or _of_login(name)
    return None


def _has_exact_scope(flags: Namespace, stored: Profile | None) -> bool:
    """Return whether --exact-scope is set. Without --scope, the setting of the last login counts too."""
    is_exact = bool(getattr(flags, "exact_scope", False))
    return is_exact or (stored is not None and stored.has_exact_scope and _flag(flags, "scope") is None)


def _find_certificate(
    pick: _Pick, found: Mapping[str, Setting], stored: Profile | None, issuer: str
) -> CertificateFiles | None:
    """Return the client certificate's files, or None. A stored key is used only with the stored certificate.

    Raises:
        Misuse: There is a key without a certificate, or a setting is not a file name.
    """
    before = stored.certificate if stored else None
    certificate = pick("certificate", before.certificate if before else None, issuer)
    is_before = certificate is not None and found["certificate"].kind == "login"
    key = pick("certificate_key", before.key if before and is_before else None, issuer)
    if certificate is None and key is not None:
        raise Misuse("there is a certificate key without a certificate", hint="Add --certificate FILE.")
    if certificate is None:
        return None
    for name in (certificate, key):
        if name:
            refuse_secret_value(name, "file")
    return CertificateFiles(_path(certificate, found["certificate"]), key and _path(key, found["certificate_key"]))


def _path(name: str, origin: Setting) -> str:
    """Return an absolute path. A relative path in a settings file is relative to the folder of this file."""
    if origin.kind == "login":
        return name
    base = Path(origin.where).parent if origin.kind == "config" else Path()
    return absolute(str(base / Path(name).expanduser()))


def _pick_audience(settings: Settings, pick: _Pick, stored: Profile | None, issuer: str) -> tuple[str | None, bool]:
    """Return the API, and True if `resource` (RFC 8707) names it, False if `audience` does.

    If both are set, the one with the higher precedence is used. If neither is set, the last login's API is used.
    """
    resource, audience = settings.find("resource", issuer), settings.find("audience", issuer)
    if resource is not None and (audience is None or _ORDER[resource.kind] <= _ORDER[audience.kind]):
        return pick("resource", None, issuer), True
    before = stored.audience if stored else None
    if audience is None and stored is not None and stored.is_resource:
        return pick("resource", before, issuer), before is not None
    return pick("audience", before, issuer), False


def known_app(flags: Namespace) -> App:
    """Return the login of a command's profile.

    Raises:
        LoginRequired: The profile has no login.
        Refused: Another account than the settings require is logged in.
    """
    agent = agent_socket()
    if agent is not None:
        return _app_of_agent(flags, agent)
    chosen = choose(flags)
    check_issuer(chosen)
    if chosen.profile is None:
        raise not_logged_in(chosen.name)
    app = app_of(chosen.profile)
    if chosen.subject is not None:
        check_subject(chosen, app.session().stored())
    return app


def _app_of_agent(flags: Namespace, socket: Path) -> App:
    """Return the login of `keyfob agent` that fits the settings. The vault of this machine is not used.

    Raises:
        VaultUnavailable: The agent does not respond.
        Refused: The agent offers no such login or several, or a login of another account than the settings require.
    """
    from keyfob.client.io.agent.agent_vault import AgentVault  # noqa: PLC0415  only programs with KEYFOB_AGENT need it

    settings = find_settings(flags)
    named = settings.find("issuer")
    issuer = None if named is None else expand(named.value).issuer
    found = {
        name: setting
        for name in ("client_id", "audience", "resource", "subject")
        if (setting := settings.find(name, issuer)) is not None
    }
    values = {name: setting.value for name, setting in found.items()}
    request = AgentRequest(
        profile=settings.name.value if settings.name.kind in {"flag", "environment", "project"} else None,
        issuer=issuer,
        client_id=values.get("client_id"),
        audience=values.get("audience") or values.get("resource"),
    )
    answer = (vault := AgentVault(socket, request)).ask()
    login = answer.login
    profile = Profile(answer.profile, login.issuer, login.client_id, login.audience, is_resource=answer.is_resource)
    check_subject(ChosenProfile(answer.profile, profile, found), login)
    return app_of(profile, vault=vault)


def not_logged_in(name: str) -> LoginRequired:
    """Return the error for a profile without a login. The error names the profiles that have a login."""
    others = ", ".join(other for other in known_names() if other != name)
    hint = first_login(name) + (f". Existing profiles: {others}" if others else "")
    message = "not logged in" if name == DEFAULT else f"there is no profile {name}"
    return LoginRequired(message, hint=hint)


def known_names() -> list[str]:
    """Return the names of all profiles that have settings or a login."""
    return sorted({*ProfileFiles().names(), *FileVault().entries()})


def readable_profiles(first: str = DEFAULT) -> list[Profile]:
    """Return all readable stored profiles, beginning with the profile `first`."""
    found: list[Profile] = []
    for name in dict.fromkeys([first, *ProfileFiles().names()]):
        with contextlib.suppress(VaultUnavailable, Misuse):
            profile = ProfileFiles().load(name)
            if profile is not None:
                found.append(profile)
    return found


def stored_app(name: str) -> App | None:
    """Return the login of a profile from its stored settings only; None if the profile has no stored settings.

    Raises:
        VaultUnavailable: The stored settings cannot be read.
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
    """Return a profile made from the stored login, for use when the settings are lost, or None if there is no login."""
    stored = run(FileVault(None, Seals()).load(name, is_ending=True))
    return None if stored is None else Profile(name, stored.issuer, stored.client_id, stored.audience, stored.scope)


def check_issuer(chosen: ChosenProfile) -> None:
    """Compare the issuer of the stored login with the issuer in a project's file.

    Raises:
        LoginRequired: The issuers differ. No token is used or requested.
    """
    named = chosen.settings.get("issuer")
    if named is None or named.kind != "project":
        return
    stored = next((one for one in readable_profiles(chosen.name) if one.name == chosen.name), None)
    issuer = expand(named.value).issuer
    if stored is None or stored.issuer == issuer:
        return
    others = [one.name for one in readable_profiles() if one.issuer == issuer]
    hint = (
        f"Use the profile that is: --profile {others[0]}"
        if others
        else f"If you trust it, run: {first_login('NAME', issuer)}"
    )
    raise LoginRequired(
        f"{named.where} names the issuer {issuer}, but the profile {chosen.name} is logged in at {stored.issuer}",
        hint=hint,
    )


def check_subject(chosen: ChosenProfile, stored: StoredLogin) -> None:
    """Compare the logged-in account with the account that the settings require.

    Raises:
        Refused: The accounts differ, or the logged-in account is unknown.
    """
    pin = chosen.settings.get("subject")
    if pin is None or stored.subject == pin.value:
        return
    who = "the logged-in account is unknown" if stored.subject is None else "another account is logged in"
    ours = command("login", chosen.name)
    raise Refused(
        f"{who} than the account that {pin.where} names",
        code="account-mismatch",
        hint=f"Run: {ours} --switch-account, or use another profile for that account: --profile NAME",
    )


def app_of(profile: Profile, store: str | None = None, vault: Vault | None = None) -> App:
    """Return the `App` of a profile. `store` says where tokens are to be stored; None keeps the present place."""
    app = App(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        scopes=profile.scope.names,
        exact_scopes=profile.has_exact_scope,
        profile=profile.name,
        login_command=KEYFOB_LOGIN,
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
        vault=vault,
        ca=profile.ca,
        assertion_audience=profile.assertion_audience,
        identity=profile.identity,
        identity_as=profile.identity_as,
        dpop=profile.dpop,
        certificate=profile.certificate.certificate if profile.certificate else None,
        certificate_key=profile.certificate.key if profile.certificate else None,
    )
    if isinstance(app.vault, FileVault) and app.vault.seals is not None:
        app.vault.seals.asks = True  # ask for a passphrase, since a user has typed this command
    return app


def _flag(flags: Namespace, name: str) -> str | None:
    return getattr(flags, name, None)
