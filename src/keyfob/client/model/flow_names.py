"""How a person may log in, the safest first; a password only where a profile allows it (RFC 9700 §2.4)."""

from __future__ import annotations

from typing import Final, Literal, get_args

Door = Literal["browser", "device", "paste"]
Way = Literal["auto", "browser", "device", "paste", "password"]
DOORS: Final[tuple[Door, ...]] = get_args(Door)
WAYS: Final[tuple[Way, ...]] = get_args(Way)
_NAMED: Final[dict[str, Way]] = {way: way for way in WAYS}


def read_way(text: str | None) -> Way:
    """By its name; `auto` where that is none."""
    return _NAMED.get(text or "", "auto")
