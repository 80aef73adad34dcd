"""Settings from flags, `KEYFOB_*` variables, the project's `.keyfob.toml` and the user's `config.toml`.

The order above is the precedence, highest first. Others may have written the project's file. So this file may select a
login, but it may set no secret, no trusted authority and no command to run. Settings for one issuer are never sent to
another issuer.
"""

from __future__ import annotations

import os
import re
import stat
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.presets import expand
from keyfob.client.model.profile import DEFAULT, check_name, read_dpop
from keyfob.errors import Misuse

SettingKind = Literal["flag", "environment", "project", "config", "login", "usual"]
PROJECT_FILE: Final = ".keyfob.toml"
CONFIG_FILE: Final = "config.toml"
# The environment variable of each setting.
VARIABLES: Final = {
    "profile": "KEYFOB_PROFILE",
    "issuer": "KEYFOB_ISSUER",
    "client_id": "KEYFOB_CLIENT_ID",
    "audience": "KEYFOB_AUDIENCE",
    "scope": "KEYFOB_SCOPE",
    "flow": "KEYFOB_FLOW",
    "ca": "KEYFOB_CA",
    "certificate": "KEYFOB_CERTIFICATE",
    "certificate_key": "KEYFOB_CERTIFICATE_KEY",
}
_OF_ISSUER: Final = frozenset(
    {"client_id", "audience", "resource", "scope", "subject", "realm", "certificate", "certificate_key"}
)
_IN_PROJECT: Final = frozenset({"profile", "issuer", "client_id", "audience", "resource", "scope", "subject", "flow"})
_IN_CONFIG: Final = frozenset({"flow", "dpop", "ca"})
_IN_TABLE: Final = (_IN_PROJECT - {"profile"}) | _IN_CONFIG | {"realm", "certificate", "certificate_key"}
_FLOWS: Final = frozenset({"auto", "browser", "device", "paste"})
_LARGEST: Final = 64 * 1024
_AT: Final = re.compile(r"\(at ([a-z0-9 ,]+)\)")


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a setting, and its origin.

    Attributes:
        where: The flag, the variable or the file that sets the value; "" for a default.
    """

    value: str
    kind: SettingKind
    where: str = ""


@dataclass(frozen=True, slots=True)
class _Layer:
    kind: SettingKind
    where: str
    values: Mapping[str, str]
    issuer: str = ""  # the issuer in the file; the file's other settings are only for this issuer

    def find(self, name: str) -> Setting | None:
        value = self.values.get(name)
        return Setting(value, self.kind, self.where) if value else None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings for one profile, except the settings that the last login stored.

    Attributes:
        name: The name of the profile.
        layers: The variables and files in order of precedence, without the flags, which precede them.
        files: The files that were read.
    """

    name: Setting
    flags: Namespace
    layers: tuple[_Layer, ...] = ()
    files: tuple[Path, ...] = field(default=())

    def find(self, name: str, issuer: str | None = None) -> Setting | None:
        """Return the setting with the highest precedence, or None if it is not set.

        Args:
            name: The name of the setting.
            issuer: The chosen issuer. If a file names another issuer, its settings that depend on the issuer are
                ignored. If None, no setting is ignored.
        """
        found = find_flag(self.flags, name)
        if found is not None:
            return found
        for layer in self.layers:
            is_for_another = layer.issuer and issuer is not None and layer.issuer != issuer
            if name in _OF_ISSUER and is_for_another:
                continue
            setting = layer.find(name)
            if setting is not None:
                return setting
        return None


def find_settings(flags: Namespace, *, reads_project: bool = True) -> Settings:
    """Read the settings in environment variables and files.

    Args:
        flags: The flags of the command.
        reads_project: Whether the project's file is read.

    Raises:
        Misuse: A file has a mistake or a setting that it must not contain, or belongs to another user.
    """
    layers = _environment()
    files: list[Path] = []
    project = _find_project() if reads_project else None
    if project is not None:
        layers.append(_layer("project", project, _texts(_read_file(project), _IN_PROJECT, project)))
        files.append(project)
    name = _name(flags, layers)
    config = ProfileFiles().folder.parent / CONFIG_FILE
    if config.exists():
        layers += _config_layers(config, name.value)
        files.append(config)
    return Settings(name, flags, tuple(layers), tuple(files))


def find_flag(flags: Namespace, name: str) -> Setting | None:
    """Return the setting of a flag, or None if the flag was not given.

    Raises:
        Misuse: The value of the flag is empty.
    """
    value: object = getattr(flags, name, None)
    if isinstance(value, list):
        value = " ".join(map(str, cast("list[object]", value)))
    if not isinstance(value, str):
        return None
    flag = f"--{name.replace('_', '-')}"
    if not value.strip():
        raise Misuse(f"{flag} is empty", hint="Omit it, or give it a value.")
    return Setting(value, "flag", flag)


def _environment() -> list[_Layer]:
    if (os.environ.get("KEYFOB_FLOW") or "auto") not in _FLOWS:
        raise Misuse(f"KEYFOB_FLOW is one of {', '.join(sorted(_FLOWS))}", code="setting-wrong")
    return [
        _Layer("environment", variable, {name: value})
        for name, variable in VARIABLES.items()
        if (value := os.environ.get(variable))
    ]


def _name(flags: Namespace, layers: list[_Layer]) -> Setting:
    """Return the name of the profile: from a setting, else from `keyfob profile use`, else "default"."""
    files = ProfileFiles()
    found = [find_flag(flags, "profile"), *(layer.find("profile") for layer in layers)]
    chosen = files.chosen()
    found.append(Setting(chosen, "config", str(files.choice)) if chosen else None)
    name = next((setting for setting in found if setting is not None), Setting(DEFAULT, "usual"))
    check_name(name.value)
    return name


def _find_project() -> Path | None:
    """Return the nearest project file, from the working directory upward; None if there is none."""
    try:
        here = Path.cwd()
    except OSError:  # the working directory was deleted
        return None
    return next((path for folder in (here, *here.parents) if os.path.lexists(path := folder / PROJECT_FILE)), None)


def _config_layers(path: Path, profile: str) -> list[_Layer]:
    members = _read_file(path)
    named = _tables(members.pop("profiles", {}))
    if named is None:
        raise Misuse(f"{path}: profiles is not a table of tables", code="setting-wrong", hint="Write [profiles.NAME].")
    layers = {name: _layer("config", path, _texts(table, _IN_TABLE, path)) for name, table in named.items()}
    own = layers.get(profile)
    return [*([own] if own else []), _layer("config", path, _texts(members, _IN_CONFIG, path))]


def _tables(value: object) -> dict[str, dict[str, object]] | None:
    """Return the tables by name. Return None if the value is not a table, or if one of its members is not a table."""
    found = cast("dict[str, object]", value) if isinstance(value, dict) else {"": None}
    tables = {name: cast("dict[str, object]", table) for name, table in found.items() if isinstance(table, dict)}
    return tables if len(tables) == len(found) else None


def _layer(kind: SettingKind, path: Path, values: Mapping[str, str]) -> _Layer:
    issuer = values.get("issuer")
    return _Layer(kind, str(path), values, expand(issuer).issuer if issuer else "")


def _read_file(path: Path) -> dict[str, object]:
    """Read a TOML file.

    Raises:
        Misuse: The file belongs to another user, is not TOML, or cannot be read.
    """
    import tomllib  # noqa: PLC0415  most users have no such file

    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise Misuse(f"{path} is not a regular file", code="setting-wrong")
        with path.open("rb") as file:
            _check_owner(os.fstat(file.fileno()), path)
            raw = file.read(_LARGEST)
        return tomllib.loads(raw.decode())
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise Misuse(f"{path} cannot be read: {reason}", code="setting-wrong") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        # The parser's message is left out, since it may contain text of the file, such as a misplaced secret.
        found = _AT.search(str(problem))
        where = f" ({found[1]})" if found else ""
        raise Misuse(f"{path} is not TOML{where}", code="setting-wrong") from None


def _check_owner(found: os.stat_result, path: Path) -> None:
    """Refuse a file that another user owns or can change."""
    if os.name != "posix":
        return
    if found.st_uid not in {os.geteuid(), 0}:
        hint = "Run keyfob in another folder, or become the file's owner if you trust it."
        raise Misuse(f"{path} belongs to another user", code="setting-unsafe", hint=hint)
    if found.st_mode & stat.S_IWOTH:
        raise Misuse(f"{path} can be changed by everybody", code="setting-unsafe", hint=f"Run: chmod o-w {path}")


def _texts(members: Mapping[str, object], allowed: frozenset[str], path: Path) -> dict[str, str]:
    """Return a file's settings, whose values must be text.

    Raises:
        Misuse: A setting is not allowed in this file, or is not text.
    """
    found: dict[str, str] = {}
    for name, value in members.items():
        if name not in allowed:
            hint = f"Allowed keys: {', '.join(sorted(allowed))}."
            raise Misuse(
                f"{path} contains a key that is not allowed there: {_plain(name)}", code="setting-wrong", hint=hint
            )
        words = cast("list[object]", value) if name == "scope" and isinstance(value, list) else [value]
        if not all(isinstance(word, str) and word and word.isprintable() for word in words):
            raise Misuse(f"{path}: {name} is not a string", code="setting-wrong")
        found[name] = " ".join(map(str, words))
    if found.get("flow", "auto") not in _FLOWS:
        raise Misuse(f"{path}: flow is one of {', '.join(sorted(_FLOWS))}", code="setting-wrong")
    read_dpop(found.get("dpop"))
    return found


def _plain(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) else "something"
