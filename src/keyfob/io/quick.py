"""The quick file: a valid access token in lines that need no parser, so that printing it costs what a bare Python does.

Imports nothing but `os`, `sys` and `time`: this module is all that runs when a token is at hand. There is never a
refresh token in the file, nor a key. Whatever is not plain is left to the ordinary path, which is always right.

Where no token may lie about, the file holds none: it says only that the ordinary path has found the one in this very
vault good until then, and `kept.py` reads it from there.
"""

import os
import sys
import time

MARK = "keyfob-quick 1"
MARK_KEPT = "keyfob-kept 1"
_OTHERS = 0o077
_LARGEST = 64 * 1024
# None of these changes which token is printed. Any other KEYFOB_* may.
_HARMLESS = ("KEYFOB_PROFILE", "KEYFOB_HOME", "KEYFOB_STORE", "KEYFOB_DEBUG", "KEYFOB_PASSPHRASE_FILE", "KEYFOB_DATA",
             "KEYFOB_ACCESS_TOKEN")  # fmt: skip
_PROJECT_FILE = ".keyfob.toml"
CHOICE = "profile"  # a file with the name that `keyfob profile use` was given
_CONFIG_FILE = "config.toml"
_LONGEST_NAME = 64
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def place(profile: str) -> tuple[str, str]:
    """Where a profile's quick file lies, and the home it belongs to; "" where that is not plain.

    A home of one's own (KEYFOB_HOME) has everything in it. Otherwise it is the runtime folder, which is in memory and
    private, and beside the vault where there is none.
    """
    get = os.environ.get
    home, person = get("KEYFOB_HOME"), get("HOME")
    if home:
        return f"{home}/quick/{profile}", home
    if sys.platform == "win32":
        folder = get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        folder = person and f"{person}/Library/Application Support"
    else:
        folder = get("XDG_STATE_HOME") or (person and f"{person}/.local/state")
        runtime = get("XDG_RUNTIME_DIR")
        if runtime and folder:
            return f"{runtime}/keyfob/{profile}", f"{folder}/keyfob"
    return (f"{folder}/keyfob/quick/{profile}", f"{folder}/keyfob") if folder else ("", "")


def state_of(home: str, profile: str) -> str:
    """What tells whether the vault, the settings or the way to keep tokens have changed: each file is replaced whole.

    Raises:
        OSError: There is no login, or no settings.
    """
    found = [_seen(f"{home}/vault/{profile}.json"), _seen(f"{home}/profiles/{profile}.json")]
    for path in (f"{home}/vault.json", f"{home}/{_CONFIG_FILE}"):
        try:
            found.append(_seen(path))
        except FileNotFoundError:
            found.append("-")
    return " ".join(found)


def _seen(path: str) -> str:
    seen = os.stat(path)
    return f"{seen.st_ino}.{seen.st_mtime_ns}.{seen.st_size}"


def changes_nothing() -> bool:
    """Whether no setting in the environment or in a project's file could ask for another token."""
    for name in os.environ:
        if name.startswith("KEYFOB_") and name not in _HARMLESS:
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
    """The profile and the seconds that `token` was asked for; -1 for the usual. None where that is not plain.

    The profile is "" where neither a flag nor the environment names one.
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
    return None if profile and not _is_name(profile) else (profile, least)


def _is_name(profile: str) -> bool:
    if not profile.isascii() or len(profile) > 40 or not profile[:1].isalnum():
        return False
    return profile.replace(".", "").replace("-", "").replace("_", "").isalnum()


def _chosen(home: str) -> str:
    """The profile that `keyfob profile use` was given."""
    try:
        descriptor = os.open(f"{home}/{CHOICE}", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return "default"
    try:
        name = os.read(descriptor, _LONGEST_NAME).decode("ascii").strip()
    finally:
        os.close(descriptor)
    return name if _is_name(name) else ""


def look_up(words: list[str]) -> str | None:
    """The token to print, or None: then the ordinary path has to be asked."""
    wanted = asked(words)
    if wanted is None or not changes_nothing():
        return None
    profile, least = wanted
    home = place("")[1]
    profile = profile or (_chosen(home) if home else "")
    path = place(profile)[0]
    if not path or not profile:
        return None
    mark, state, since, until, usual, token, end = _read(path).decode("ascii").split("\n")
    if mark not in {MARK, MARK_KEPT} or state != state_of(home, profile) or end or (mark == MARK) != bool(token):
        return None
    now = time.time()
    if now < int(since) or (until != "-" and int(until) - now < (int(usual) if least < 0 else least)):
        return None
    return token or _kept(home, profile, state)


def _read(path: str) -> bytes:
    """What only we may read.

    Raises:
        OSError: It cannot be read.
        PermissionError: Others may read it, too.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        found = os.fstat(descriptor)
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & _OTHERS):
            raise PermissionError
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)


def _kept(home: str, profile: str, state: str) -> str | None:
    """The token in the vault, if the vault is still the one that was found good."""
    try:
        from keyfob.io import kept  # it costs as much as a bare Python

        token = kept.access_token(_read(f"{home}/vault/{profile}.json"), profile, home)
    except Exception:  # noqa: BLE001  why it cannot be had, the ordinary path says in words
        return None
    return token if state == state_of(home, profile) else None


def write(state: str, since: int, until: int | None, usual: int, token: str) -> bytes:
    """A quick file's content.

    Args:
        state: Of the vault that the token was read from; once that has changed, the file counts for nothing.
        since: Now, in seconds by this machine's clock; once that was set back, the file counts for nothing.
        until: When the token lapses, by the same clock; None where nobody knows.
        usual: How many seconds it must still live when nobody asks for more.
        token: The access token; "" to leave it in the vault.
    """
    mark, end = MARK if token else MARK_KEPT, "-" if until is None else str(until)
    lines = (mark, state, str(since), end, str(usual), token, "")
    return "\n".join(lines).encode("ascii")


def main() -> int:
    """Print the token at hand, or let the ordinary path do whatever was asked for."""
    try:
        token = look_up(sys.argv[1:])
    except (OSError, ValueError):  # no such file, or none of ours
        token = None
    if token is None:
        return -1
    left = f"{token}\n".encode("ascii")
    try:
        while left:
            left = left[os.write(1, left) :]
    except OSError:  # whoever read our output has gone
        return 1
    return 0
