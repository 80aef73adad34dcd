"""A cache file with the line that `keyfob prompt` prints, so that the command takes little longer than Python's start.

This module imports as little as `quick.py`. The file contains the displayed name but no token. The file becomes invalid
when a login, a setting, the project file or the chosen profile changes.
"""

import os
import time

from keyfob.io import quick

MARK = "keyfob-prompt 1"
_PROJECT_FILE = ".keyfob.toml"
_MOST_FILES = 200
_ABSENT = "-"


def project_file() -> str:
    """Return the nearest project file, from the working folder upward; "" if there is none."""
    folder = os.getcwd()
    while True:
        path = f"{folder}/{_PROJECT_FILE}"
        if os.path.lexists(path):
            return path
        above = os.path.dirname(folder)
        if above == folder:
            return ""
        folder = above


def seen_of(path: str) -> str:
    """Return a value that changes when the file is replaced; "-" if the file does not exist."""
    try:
        seen = os.stat(path)
    except OSError:
        return _ABSENT
    return f"{seen.st_dev}.{seen.st_ino}.{seen.st_mtime_ns}.{seen.st_ctime_ns}.{seen.st_size}"


def state_of(home: str, profile: str) -> str:
    """Return a value that changes when the login, its settings or the chosen profile changes."""
    paths = (f"{home}/vault/{profile}.json", f"{home}/profiles/{profile}.json", f"{home}/vault.json",
             f"{home}/config.toml", f"{home}/{quick.CHOICE}")  # fmt: skip
    return " ".join(map(seen_of, paths))


def place(home: str, asked: str, project: str) -> str:
    """Return the path of the cache file.

    Each project file has its own cache file. Outside of projects, each value of KEYFOB_PROFILE has its own.
    """
    if project:
        seen = os.stat(project)
        return f"{home}/prompt/+{seen.st_dev}.{seen.st_ino}"
    return f"{home}/prompt/{asked or '+'}"


def is_usual() -> bool:
    """Return whether no environment variable could select another login or another folder."""
    return all(not name.startswith("KEYFOB_") or name in quick.HARMLESS for name in os.environ)


def look_up() -> str | None:
    """Return the line to print; None if the full command (`keyfob prompt` with all imports) must run."""
    home, asked = quick.place("")[1], os.environ.get("KEYFOB_PROFILE") or ""
    if not home or not is_usual() or (asked and not quick.is_name(asked)):
        return None
    project = project_file()
    kept = quick.read(place(home, asked, project)).decode("ascii").split("\n")
    mark, its_asked, its_project, profile, state, since, until, before, after, end = kept
    if mark != MARK or end or its_asked != asked or its_project != seen_of(project) or state != state_of(home, profile):
        return None
    now = time.time()
    if now < int(since):
        return None
    return before if until == _ABSENT or now < int(until) else after


def write(
    asked: str, project: str, profile: str, state: str, now: int, until: int | None, lines: tuple[str, str]
) -> bytes:
    """Return the cache file's content.

    Args:
        asked: The value of KEYFOB_PROFILE.
        project: The result of `seen_of` for the project file.
        profile: The profile that the line describes.
        state: The result of `state_of` for that profile when the line was made.
        now: The present time in seconds. If the clock is set back, the file is invalid.
        until: When the second line replaces the first line, in seconds; None for never.
        lines: The two lines.
    """
    end = _ABSENT if until is None else str(until)
    return "\n".join((MARK, asked, project, profile, state, str(now), end, *lines, "")).encode("ascii")


def main() -> int:
    """Print the line and return the exit code; return -1 if the full command must run."""
    try:
        line = look_up()
        if line is None:
            return -1
        if line:
            os.write(1, f"{line}\n".encode("ascii"))
    except (OSError, ValueError):  # no such file, or not a cache file of this module
        return -1
    return 0


def sweep(home: str) -> None:
    """If there are many cache files, delete all. Those of deleted project folders would otherwise stay forever."""
    folder = f"{home}/prompt"
    try:
        names = os.listdir(folder)
        if len(names) >= _MOST_FILES:
            for name in names:
                os.unlink(f"{folder}/{name}")
    except OSError:
        pass
