"""Parse the URL of a PostgreSQL database without ever showing its password."""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from keyfob.errors import Misuse

_VERIFIED: Final = "verify-full"
_HINT: Final = "Write postgresql://USER@HOST/DATABASE."


def has_password(url: str) -> bool:
    """Return whether a URL contains a password."""
    found = _split(url)
    return found.password is not None or "password" in parse_qs(found.query)


def shown(url: str) -> str:
    """Return a URL without its user, password and parameters, for messages."""
    found = _split(url)
    return f"postgresql://{found.netloc.rpartition('@')[2]}{found.path}"


def connect_arguments(url: str) -> dict[str, Any]:
    """Return the arguments for asyncpg to connect with.

    If `sslmode` or PGSSLMODE is set, it decides about TLS. If neither is set, a connection to another machine is
    encrypted, and the server's certificate is verified. If neither is set and the URL names a `service`, the settings
    of the service decide.

    Raises:
        Misuse: The text is not the URL of a PostgreSQL database.
    """
    found = _split(url)
    query = parse_qs(found.query)
    mode = query.get("sslmode", [os.environ.get("PGSSLMODE", "")])[0]
    if not mode and ("service" in query or all(map(_is_this_machine, _hosts(found, query)))):
        return {"dsn": url}
    if mode not in {"", _VERIFIED}:
        return {"dsn": url}
    authorities = query.get("sslrootcert", [os.environ.get("PGSSLROOTCERT", "")])[0]
    if authorities in {"", "system"}:  # asyncpg cannot name this machine's authorities; an SSL context can
        return {"dsn": url, "ssl": ssl.create_default_context()}
    return {"dsn": url if "sslmode" in query else f"{url}{'&' if found.query else '?'}sslmode={_VERIFIED}"}


def _split(url: str) -> SplitResult:
    try:
        found = urlsplit(url)
        parse_qs(found.query, strict_parsing=bool(found.query))
    except ValueError:  # the error's text may contain the password
        raise Misuse("the address of the database is not a URL", hint=_HINT) from None
    if found.scheme not in {"postgresql", "postgres"}:
        raise Misuse("the address of the database does not begin with postgresql://", hint=_HINT)
    if found.fragment or "@" in found.path or ("@" in found.query and "@" not in found.netloc):
        hint = "Write / as %2F, # as %23, ? as %3F, and @ as %40."
        raise Misuse("a special character in the address of the database is not escaped", hint=hint)
    return found


def _hosts(found: SplitResult, query: dict[str, list[str]]) -> list[str]:
    named = found.netloc.rpartition("@")[2] or query.get("host", [""])[0] or os.environ.get("PGHOST", "")
    return named.split(",")


def _is_this_machine(host: str) -> bool:
    if not host or host.startswith(("/", "%2F")):  # a socket in the file system
        return True
    name = (
        host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0] if host.count(":") == 1 else host
    )
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
