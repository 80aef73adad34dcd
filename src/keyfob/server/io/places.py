"""Look up the city and country of an IP address in a MaxMind DB file.

Such files are GeoLite2 City, DB-IP City Lite, and others with the same fields.
"""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol, cast

_LOG: Final = logging.getLogger("keyfob.server")
_LANGUAGE: Final = "en"


class Reader(Protocol):
    """The method of `maxminddb.Reader` that this module calls."""

    def get(self, ip_address: str) -> object: ...


def place_of(path: str, address: str) -> str:
    """Return the city and the country of an IP address; "" if the file lacks the address or cannot be read."""
    try:
        found = open_places(path).get(address)
    except ValueError:  # not an IP address, or an IPv6 address and a file with IPv4 only
        return ""
    except (ImportError, OSError, RuntimeError) as problem:
        _warn(path, type(problem).__name__)
        return ""
    words = (_name(found, "city"), _name(found, "country"))
    return ", ".join(word for word in words if word)


def open_places(path: str) -> Reader:
    """Return the cached reader of a file. If the file was replaced, open the new file.

    Raises:
        ImportError: The library is not installed (extra `places`).
        OSError: The file cannot be read.
        RuntimeError: The file is not a MaxMind DB file.
    """
    return _open(path, os.stat(path).st_mtime_ns)  # noqa: PTH116  the settings have the path as a string


@lru_cache(maxsize=2)
def _open(path: str, changed_at: int) -> Reader:
    del changed_at
    # The error is recognized by its name, since importing the type would require the optional library.
    return cast("Reader", import_module("maxminddb").open_database(path))


@lru_cache(maxsize=8)
def _warn(path: str, why: str) -> None:
    """Log once why cities and countries are not shown. `keyfob doctor --tenant` reports details."""
    _LOG.warning("no places are shown: %s cannot be read (%s)", path, why)


def _name(found: object, kind: str) -> str:
    """Return the name of a city or country in a record; "" if the record has an unexpected form."""
    part = cast("dict[str, object]", found).get(kind) if isinstance(found, dict) else None
    names = cast("dict[str, object]", part).get("names") if isinstance(part, dict) else None
    name = cast("dict[str, object]", names).get(_LANGUAGE) if isinstance(names, dict) else None
    return name if isinstance(name, str) else ""
