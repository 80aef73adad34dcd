"""The format of times, durations and untrusted text in the output of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta


def instant(when: datetime | None) -> str | None:
    """Return a time as text for JSON (RFC 3339, UTC, whole seconds); None for None."""
    from datetime import UTC  # noqa: PLC0415  2 ms, and the help shows no time

    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(when: datetime) -> str:
    """Return a time as text for people, in the local time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def span(length: timedelta) -> str:
    """Return a duration as text for people, such as "5 min"."""
    minutes = int(length.total_seconds()) // 60
    if minutes >= 120:
        return f"{minutes // 60} h"
    return f"{minutes} min" if minutes else f"{int(length.total_seconds())} s"


def printable(text: str) -> str:
    """Replace the control, format and private-use characters of untrusted text by "?", to protect the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
