"""The quick file: a cache file with a valid access token, which `keyfob token` prints as fast as Python starts.

This module imports only `os`, `sys` and `time`, and the file needs no parser. If the file has a valid token, no other
module runs. In every unusual case, the full command (with all imports) runs. The file never contains a refresh token or
a key.

If the user forbids a token in the quick file, the file contains only the expiry of the token in the vault entry.
`kept.py` then reads the token from the vault entry.
"""

import os
import sys
import time

MARK = "keyfob-quick 1"
MARK_KEPT = "keyfob-kept 1"
_OTHERS = 0o077
_LARGEST = 64 * 1024
# These variables do not change which token is printed; any other KEYFOB_* may.
HARMLESS = ("KEYFOB_PROFILE", "KEYFOB_HOME", "KEYFOB_STORE", "KEYFOB_DEBUG", "KEYFOB_PASSPHRASE_FILE", "KEYFOB_DATA",
             "KEYFOB_DATABASE", "KEYFOB_KEYS", "KEYFOB_MASTER_KEY",
             "KEYFOB_ACCESS_TOKEN")  # fmt: skip
_PROJECT_FILE = ".keyfob.toml"
CHOICE = "profile"  # a file with the name that `keyfob profile use` was given
_CONFIG_FILE = "config.toml"
_LONGEST_NAME = 64
HEADER_FLAG = "--header"
HEADER = "Authorization: Bearer "
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def place(profile: str) -> tuple[str, str]:
    """Return the path of a profile's quick file, and keyfob's home folder; both "" if the environment names no folder.

    If KEYFOB_HOME is set, the file is in that folder. Otherwise, it is in the runtime folder, which is private and in
    memory. Without a runtime folder, it is beside the vault.
    """
    get = os.environ.get
    home, user_home = get("KEYFOB_HOME"), get("HOME")
    if home:
        return f"{home}/quick/{profile}", home
    if sys.platform == "win32":
        folder = get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        folder = user_home and f"{user_home}/Library/Application Support"
    else:
        folder = get("XDG_STATE_HOME") or (user_home and f"{user_home}/.local/state")
        runtime = get("XDG_RUNTIME_DIR")
        if runtime and folder:
            return f"{runtime}/keyfob/{profile}", f"{folder}/keyfob"
    return (f"{folder}/keyfob/quick/{profile}", f"{folder}/keyfob") if folder else ("", "")


def state_of(home: str, profile: str) -> str:
    """Return a value that changes when the vault entry, the settings or `vault.json` (the key's storage) is replaced.

    Raises:
        OSError: The vault entry or the settings file does not exist.
    """
    found = [seen(f"{home}/vault/{profile}.json"), seen(f"{home}/profiles/{profile}.json")]
    for path in (f"{home}/vault.json", f"{home}/{_CONFIG_FILE}"):
        try:
            found.append(seen(path))
        except FileNotFoundError:
            found.append("-")
    return " ".join(found)


def seen(path: str) -> str:
    """Return a value that changes when the file is replaced; raise `OSError` if there is no file."""
    found = os.stat(path)
    return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"


def changes_nothing() -> bool:
    """Return whether no environment variable and no project file could select another token than the stored choice."""
    for name in os.environ:
        if name.startswith("KEYFOB_") and name not in HARMLESS:
            return False
    folder = os.getcwd()
    while True:
        if os.path.lexists(f"{folder}/{_PROJECT_FILE}"):
            return False
        above = os.path.dirname(folder)
        if above == folder:
            return True
        folder = above


def asked(words: list[str]) -> tuple[str, int] | None:
    """Return the profile and the least lifetime, in seconds, that the arguments of `keyfob token` name.

    The profile is "" if neither a flag nor the environment names a profile. The least lifetime is -1 by default. Return
    None if the full command must parse the arguments.
    """
    if not words or words[0] != "token":
        return None
    profile, least = "", -1
    rest = words[1:]
    while rest:
        flag = rest.pop(0)
        flag, equals, value = flag.partition("=")
        if not equals:
            if not rest:
                return None
            value = rest.pop(0)
        if flag == "--profile":
            profile = value
        elif flag == "--min-ttl":
            number = value[:-1] if value[-1:] in _UNITS else value
            if not (number.isascii() and number.isdigit() and len(number) <= 7):
                return None
            least = int(number) * _UNITS.get(value[-1:], 1)
        else:
            return None
    profile = profile or os.environ.get("KEYFOB_PROFILE") or ""
    return None if profile and not is_name(profile) else (profile, least)


def is_name(profile: str) -> bool:
    """Return whether the text is a valid profile name."""
    if not profile.isascii() or len(profile) > 40 or not profile[:1].isalnum():
        return False
    return profile.replace(".", "").replace("-", "").replace("_", "").isalnum()


def _chosen(home: str) -> str:
    """Return the profile that `keyfob profile use` selected."""
    try:
        descriptor = os.open(f"{home}/{CHOICE}", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return "default"
    try:
        name = os.read(descriptor, _LONGEST_NAME).decode("ascii").strip()
    finally:
        os.close(descriptor)
    return name if is_name(name) else ""


def look_up(words: list[str]) -> str | None:
    """Return the line to print, or None if the full command must run."""
    wanted = asked([word for word in words if word != HEADER_FLAG])
    if wanted is None or not changes_nothing():
        return None
    profile, least = wanted
    home = place("")[1]
    profile = profile or (_chosen(home) if home else "")
    found = valid_token(profile, least) if profile else None
    return None if found is None else f"{HEADER if HEADER_FLAG in words else ''}{found[0]}"


def valid_token(profile: str, least: int = -1) -> tuple[str, str] | None:
    """Return a profile's valid access token and its expiry; None if the full command must run.

    Args:
        profile: The name of the profile.
        least: The least remaining lifetime in seconds; -1 for the default.

    Raises:
        OSError: There is no quick file, or other users may read the file.
        ValueError: The quick file is damaged.
    """
    path, home = place(profile)
    if not path:
        return None
    mark, state, since, until, usual, token, end = read(path).decode("ascii").split("\n")
    if mark not in {MARK, MARK_KEPT} or state != state_of(home, profile) or end or (mark == MARK) != bool(token):
        return None
    # Encrypted or not at all: neither a token in this file will do nor one in a plain vault entry.
    must_seal = os.environ.get("KEYFOB_STORE") == "require"
    now = time.time()
    if token and must_seal:
        return None
    if now < int(since) or (until != "-" and int(until) - now < (int(usual) if least < 0 else least)):
        return None
    token = token or _kept(home, profile, state, must_seal) or ""
    return (token, until) if token else None


def read(path: str) -> bytes:
    """Read a file. Raise `OSError` if the file is missing or other users may read it."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        found = os.fstat(descriptor)
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & _OTHERS):
            raise PermissionError
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)


def _kept(home: str, profile: str, state: str, must_seal: bool) -> str | None:  # noqa: FBT001  private
    """Return the token in the vault entry; None if the full command must run.

    The full command runs if the entry cannot be read, or has changed since the quick file was written. With
    `must_seal`, it also runs if the entry is not encrypted.
    """
    try:
        from keyfob.io import kept  # noqa: PLC0415  it costs as much as a bare Python

        content = read(f"{home}/vault/{profile}.json")
        token = kept.access_token(content, profile, home) if kept.is_sealed(content) or not must_seal else None
    except Exception:  # noqa: BLE001  the full command explains the error
        return None
    return token if state == state_of(home, profile) else None


def write(state: str, since: int, until: int | None, usual: int, token: str) -> bytes:
    """Return a quick file's content.

    Args:
        state: The result of `state_of` when the token was read. If the state changes, the file is invalid.
        since: The present time in seconds by this machine's clock. If the clock is set back, the file is invalid.
        until: The token's expiry by the same clock; None if unknown.
        usual: The least remaining lifetime in seconds, if the command names none.
        token: The access token; "" to leave it in the vault.
    """
    mark, end = MARK if token else MARK_KEPT, "-" if until is None else str(until)
    lines = (mark, state, str(since), end, str(usual), token, "")
    return "\n".join(lines).encode("ascii")


def main() -> int:
    """Print the token and return the exit code; return -1 if the full command must run."""
    try:
        token = look_up(sys.argv[1:])
    except (OSError, ValueError):  # no such file, or not a quick file
        token = None
    return -1 if token is None else put(f"{token}\n")


def put(text: str) -> int:
    """Write a text to stdout. Return the exit code: 1 if the reader has closed the pipe, else 0."""
    left = text.encode()
    try:
        while left:
            left = left[os.write(1, left) :]
    except OSError:  # the reader has closed the pipe
        return 1
    return 0
