"""Assess the observations of `keyfob doctor`, and name a remedy for each problem. No finding contains a secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from shlex import quote
from typing import Final, Literal
from urllib.parse import urlsplit

from keyfob.client.flows.choice import find_browser
from keyfob.client.model.surroundings import Surroundings
from keyfob.errors import KeyfobError

Verdict = Literal["ok", "note", "wrong"]
PROXIES: Final = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
TRUST: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_MUCH_SKEW: Final = timedelta(seconds=30)
_TOO_MUCH_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result.

    Attributes:
        what: The check's name, which stays the same in all versions.
        said: The result, as text for the user.
        fix: The remedy, as text for the user; "" if none is needed.
    """

    what: str
    verdict: Verdict
    said: str
    fix: str = ""

    @classmethod
    def of(cls, what: str, problem: KeyfobError) -> Finding:
        """Turn an error into a finding."""
        return cls(what, "wrong", problem.message, problem.hint_with_flags or f"Run: keyfob help {problem.code}")


def judge_clock(ahead: timedelta | None) -> Finding:
    """Assess how far the issuer's clock is ahead of this machine's; `ahead` is None if unknown."""
    if ahead is None:
        return Finding("clock", "note", "the issuer sends no time to compare this computer's clock with")
    if abs(ahead) < _MUCH_SKEW:
        return Finding("clock", "ok", "this computer's clock agrees with the issuer's")
    side = "behind" if ahead > timedelta() else "ahead of"
    observed = f"this computer's clock is {_length(abs(ahead))} {side} the issuer's"
    fix = "Set the clock, or synchronize it over the network (timedatectl set-ntp true)."
    return Finding("clock", "wrong" if abs(ahead) > _TOO_MUCH_SKEW else "note", observed, fix)


def _length(span: timedelta) -> str:
    """Return a duration as text, in the largest unit that makes the number at least two."""
    seconds = int(span.total_seconds())
    for name, unit in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def judge_proxies(environment: Mapping[str, str]) -> Finding:
    """Report the proxies that the environment sets, without user names and passwords."""
    named = [
        f"{name}={environment[key] if name == 'NO_PROXY' else without_person(environment[key])}"
        for name in PROXIES
        for key in (name, name.lower())
        if environment.get(key)
    ]
    if not named:
        return Finding("proxy", "ok", "no proxy is set")
    fix = "If requests fail, check the proxy, or add the host to NO_PROXY."
    return Finding("proxy", "note", ", ".join(named), fix)


def without_person(address: str) -> str:
    """Return a proxy's address without user name and password."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(no address)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def judge_browser(here: Surroundings) -> Finding:
    """Report whether a login on this machine can use a browser."""
    is_here, why = find_browser(here)
    if is_here:
        return Finding("browser", "ok", why)
    return Finding(
        "browser", "note", why, "Logins use the device flow, with a browser on any device; you need not do anything."
    )


def judge_terminal(here: Surroundings) -> Finding:
    """Report whether a user can log in at this terminal."""
    if here.has_terminal:
        return Finding("terminal", "ok", "there is a terminal, so a user can log in here")
    fix = "Log in at a terminal, or let the program that runs keyfob show the events of keyfob login --json."
    return Finding("terminal", "note", "there is no terminal, so no user can log in here", fix)


def judge_modes(open_to_others: Iterable[str], foreign: Iterable[str]) -> list[Finding]:
    """Report files that other users may read, and files that other users own."""
    found = [
        Finding("files", "wrong", f"{path} belongs to another user", f"Run: sudo chown $USER {quote(path)}")
        for path in foreign
    ]
    found += [
        Finding("files", "wrong", f"other users of this computer can read {path}", f"Run: chmod go-rwx {quote(path)}")
        for path in open_to_others
    ]
    return found or [Finding("files", "ok", "all files belong to you, and only you can read them")]


def judge_disk(folder: str, problem: str) -> Finding:
    """Report whether tokens can be written and read back; `problem` is "" if they can."""
    if not problem:
        return Finding("disk", "ok", f"files can be written to {folder} and read back")
    fix = "Free some space, or set KEYFOB_HOME to a writable folder. Until then no login is refreshed."
    return Finding("disk", "wrong", f"nothing can be stored in {folder}: {problem}", fix)


def judge_ports(removed: Iterable[str], *, any_free: bool) -> Finding:
    """Report whether keyfob can listen for the browser's redirect; `removed` are the occupied ports."""
    busy = list(removed)
    if not any_free:
        return Finding("ports", "wrong", "this computer allows no program to listen on 127.0.0.1",
                       "Allow it, or log in with a code: keyfob login --flow device")  # fmt: skip
    if busy:
        fix = "Stop that program, or register another port with the issuer: keyfob login --port N"
        return Finding("ports", "wrong", f"another program listens on {', '.join(busy)}", fix)
    return Finding("ports", "ok", "a port of 127.0.0.1 can be opened for the browser flow")


def shortened(text: str, home: str) -> str:
    """Replace the home folder by `~`, since it contains the user's name."""
    return text.replace(home, "~") if len(home) > 1 else text
