"""Find the master key: in a file, an environment variable, a credential of systemd, or the output of a command."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NoReturn, get_args

from keyfob.errors import Misuse
from keyfob.io.folders import platform_folder
from keyfob.server.io.data import MASTER_KEY, master_key, prepare_folder, write_once
from keyfob.server.io.stores import DATABASE
from keyfob.server.start import MASTER_KEY_BYTES

Place = Literal["file", "env", "credential", "command"]
PLACES: Final[tuple[Place, ...]] = get_args(Place)
VARIABLE: Final = "KEYFOB_MASTER_KEY"
CREDENTIAL: Final = "keyfob-master-key"
NAME_FILE: Final = "master-key.name"
COMMAND_SECONDS: Final = 30
_NAME_BYTES: Final = 8
_NAME: Final = re.compile(r"[0-9a-f]{16}\Z")
_MOST_BYTES: Final = 4096
_UNSAFE: Final = 0o037  # permits only: the owner reads and writes, and the group reads (for a container's other user)
_HEX: Final = re.compile(rb"[0-9a-fA-F]{64}\Z")
_FORMS: Final = "Use file:PATH, env:NAME, credential:NAME, or 'command:PROGRAM ARGUMENTS'."


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A master key.

    Attributes:
        where: The location of the key, as text for messages.
        is_beside: Whether the key is in the folder of the database.
    """

    key: bytes
    where: str
    is_beside: bool = False


def find_master_key(
    folder: Path, source: str | None = None, *, is_dev: bool = False, creates: bool = True
) -> MasterKey:
    """Return the master key of the tenant in a folder. For a new tenant without a named source, create a key.

    Without a source, these locations are searched in this order: the source that `KEYFOB_MASTER_KEY` names, the systemd
    credential `keyfob-master-key`, the file in the user's configuration folder, and the file in the tenant's folder.

    A new key is created in the configuration folder, so that a copy of the tenant's folder alone cannot be decrypted.
    For development, a new key is created in the tenant's folder.

    Args:
        folder: The tenant's folder. If it is missing, it is created.
        source: The named source: `file:PATH`, `env:NAME`, `credential:NAME` or `command:ARGUMENTS`; None to search.
        is_dev: Whether a new key is created in the tenant's folder.
        creates: Whether a missing key is created at all.

    Raises:
        Misuse: There is no key, the content is not a key, or other users can read or change the key. The message never
            contains the key.
    """
    prepare_folder(folder)
    known = known_master_key(folder, source)
    if known is not None:
        return known
    if not creates or (folder / DATABASE).exists():
        hint = f"Pass it with --master-key. {_FORMS}"
        raise Misuse("the tenant's master key was not found", hint=hint)
    if is_dev:
        return MasterKey(master_key(folder), str(folder / MASTER_KEY), is_beside=True)
    outside = _default_place(folder, creates=True)
    if outside is None:
        raise Misuse(
            f"there is no place for a master key outside {folder}",
            code="setting-unsafe",
            hint=f"Choose one: --master-key file:PATH creates it. {_FORMS}",
        )
    return MasterKey(create_key(outside), str(outside))


def known_master_key(folder: Path, source: str | None = None) -> MasterKey | None:
    """Return the master key of the tenant in a folder, or None if no location has a key. Create nothing.

    The locations are those of `find_master_key`. A source is named by `source` or, if that is None, by the environment
    variable `KEYFOB_MASTER_KEY`. If a source is named, only this source is read.

    Raises:
        Misuse: The named source has no key, the content is not a key, or other users can read or change the key.
    """
    named = source or os.environ.get(VARIABLE) or ""
    if named:
        return MasterKey(read_source(named), named.partition(" ")[0])
    given = _credential(CREDENTIAL)
    if given is not None:
        return MasterKey(_parsed(given, f"credential:{CREDENTIAL}"), f"credential:{CREDENTIAL}")
    outside, beside = _default_place(folder), folder / MASTER_KEY
    if outside is not None and outside.is_file():
        return MasterKey(read_source(f"file:{outside}"), str(outside))
    return MasterKey(master_key(folder), str(beside), is_beside=True) if beside.exists() else None


def read_source(source: str, *, creates: bool = False) -> bytes:
    """Return the master key at a source.

    Args:
        source: `file:PATH`, `env:NAME`, `credential:NAME` or `command:ARGUMENTS`.
        creates: Whether a missing file is created, with a random key.

    Raises:
        Misuse: There is no key, the content is not a key, or other users can read or change the key.
    """
    place, _, name = source.partition(":")
    if place not in PLACES or not name:
        raise Misuse("this is not the location of a master key", hint=_FORMS)
    where = source.partition(" ")[0]
    if place == "command":
        return _parsed(_run(name), where)
    if place == "env":
        found = os.environ.get(name)
        return _parsed(found.encode() if found else b"", where)
    if place == "credential":
        given = _credential(name)
        if given is None:
            hint = f"In the unit: LoadCredential={name}:/path/of/the/key"
            raise Misuse(f"systemd gives this process no credential {name}", hint=hint)
        return _parsed(given, where)
    path = Path(name).expanduser()
    if creates and not path.exists():
        return create_key(path)
    return _parsed(_read_file(path), where)


def create_key(path: Path) -> bytes:
    """Create a file with a random key that only its owner may read. If the file exists, return its key."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            write_once(path, secrets.token_hex(MASTER_KEY_BYTES).encode() + b"\n")
    except OSError as problem:
        raise Misuse(
            f"{path} cannot be written: {problem.strerror}", hint=f"Choose another location. {_FORMS}"
        ) from None
    return _parsed(_read_file(path), str(path))


def _default_place(folder: Path, *, creates: bool = False) -> Path | None:
    """Return the path of the master key in the user's configuration folder, whether or not the file exists.

    The tenant's folder contains the name of the file, so a tenant finds its key after its folder was moved. If the
    tenant's folder contains no name yet, `creates=True` stores a new name there.

    Returns:
        None if no name is stored and `creates` is False, if there is no home folder, or if the configuration folder is
        inside the tenant's folder.
    """
    try:
        parent = platform_folder(
            "KEYFOB_KEYS", "keyfob-tenant-keys", unix_variable="XDG_CONFIG_HOME", unix_default=".config"
        ).resolve()
    except RuntimeError:  # there is no home folder
        return None
    if parent.is_relative_to(folder.resolve()):
        return None
    name_file = folder / NAME_FILE
    try:
        if creates:
            with contextlib.suppress(FileExistsError):
                write_once(name_file, secrets.token_hex(_NAME_BYTES).encode() + b"\n")
        name = name_file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Misuse(f"{name_file} cannot be used: {problem.strerror}") from None
    if not _NAME.match(name):
        raise Misuse(f"{name_file} is damaged", hint=f"Pass the master key with --master-key. {_FORMS}")
    return parent / f"{name}.key"


def default_source(folder: Path) -> str | None:
    """Return the source `file:PATH` for a new key in the user's configuration folder.

    Return None if this account has no home folder, or if the configuration folder is inside the tenant's folder.
    """
    found = _default_place(folder, creates=True)
    return None if found is None else f"file:{found}"


def _credential(name: str) -> bytes | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name or name.startswith("."):
        return None
    path = Path(folder) / name
    try:
        return path.read_bytes() if path.is_file() else None  # systemd has restricted the file's permissions
    except OSError as problem:
        raise Misuse(f"the credential {name} cannot be read: {problem.strerror}") from None


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & _UNSAFE:
                raise Misuse(
                    f"other users of this computer can read or change {path}",
                    code="setting-unsafe",
                    hint=(
                        f"If nobody did, run: chmod 600 {path}. Otherwise replace the key: keyfob tenant keys rewrap"
                    ),
                )
            return file.read(_MOST_BYTES + 1)
    except OSError as problem:
        hint = "Restore it; without it the tenant's data is lost."
        raise Misuse(f"the master key {path} cannot be read: {problem.strerror}", hint=hint) from None


def _run(line: str) -> bytes:
    """Run a command without a shell, and return its output. Its stderr is not shown."""
    try:
        arguments = shlex.split(line)
        done = subprocess.run(  # noqa: S603  the operator names the command, and no shell runs it
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        _failed(f"it took longer than {COMMAND_SECONDS} seconds")
    except (OSError, ValueError) as problem:
        _failed(type(problem).__name__)
    if done.returncode != 0:
        _failed(f"its exit code is {done.returncode}")
    return done.stdout


def _failed(why: str) -> NoReturn:
    raise Misuse(
        f"the command for the master key failed: {why}",
        hint="Run the command by hand: it must print the key and nothing else.",
    ) from None


def _parsed(content: bytes, where: str) -> bytes:
    """Parse a key of 32 bytes from hex or base64."""
    if len(content) == MASTER_KEY_BYTES:
        return content
    text = content.strip()
    if _HEX.match(text):
        return bytes.fromhex(text.decode())
    with contextlib.suppress(ValueError):
        key = base64.b64decode(text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4), validate=True)
        if len(key) == MASTER_KEY_BYTES:
            return key
    hint = "A master key is 32 random bytes, raw, in hex or in base64. Generate one with: openssl rand -hex 32"
    raise Misuse(f"{where} is not a master key", hint=hint)
