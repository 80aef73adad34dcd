"""The WWW-Authenticate header: challenges for a missing or refused token (RFC 6750 §3, RFC 9110 §11)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER: Final = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME: Final = re.compile(rf"({_TOKEN})(?:[ \t]+|$)")
_GAP: Final = re.compile(r"[ \t]*,[ \t,]*|[ \t]+")
_TOKEN68: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
_LONGEST_HEADER: Final = 8192


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: a scheme and its parameters, whose names are in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    def write(self) -> str:
        """Return the header value. A character that could end a quoted string is replaced (RFC 6750 §3)."""
        written = ", ".join(f'{name}="{_quotable(value)}"' for name, value in self.parameters.items())
        return f"{self.scheme} {written}" if written else self.scheme

    @classmethod
    def read_all(cls, headers: Iterable[str]) -> tuple[Challenge, ...]:
        """Return the challenges of all WWW-Authenticate headers, in order. Unreadable parts are skipped."""
        return tuple(challenge for header in headers for challenge in _read_header(header[:_LONGEST_HEADER]))


def write_all(challenges: Iterable[Challenge]) -> str:
    """Return one header value with all challenges, since some frameworks allow only one header of each name."""
    return ", ".join(challenge.write() for challenge in challenges)


def _quotable(value: str) -> str:
    return "".join(letter if " " <= letter <= "~" and letter not in '"\\' else "?" for letter in value)


def _read_header(header: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    at = 0
    while at < len(header):
        if gap := _GAP.match(header, at):
            at = gap.end()
        elif found and (parameter := _PARAMETER.match(header, at)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
            at = parameter.end()
        elif found and not found[-1][1] and (blob := _TOKEN68.match(header, at)) and header[at - 1 : at] in {" ", "\t"}:
            at = blob.end()
        elif scheme := _SCHEME.match(header, at):
            found.append((scheme[1], {}))
            at = scheme.end()
        else:
            at += 1
    return [Challenge(scheme, parameters) for scheme, parameters in found]
