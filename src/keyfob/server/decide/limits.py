"""All limits on what unauthenticated callers can make a tenant read, remember or store.

`server/io/bounded_http.py` applies the limits of connections, `server/io/asgi.py` those of bodies, and
`server/endpoints/oauth/parameters.py` those of parameters. Tables in memory are `LimitedDict`s (`server/site.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, cast

from keyfob.errors import Malformed
from keyfob.protocol.fields import Fields

# One connection.
HEAD_BYTES: Final = 32 * 1024  # the request line and the headers
HEADERS: Final = 200
BODY_BYTES: Final = 64 * 1024
SENT_BYTES: Final = 512 * 1024  # the body including the overhead of chunks and trailers
PIPELINED: Final = 8  # requests of one connection that wait for the response to an earlier request
READ_TIME: Final = timedelta(seconds=20)  # to receive a request with its body, and for the peer to read the response
KEEP_ALIVE: Final = timedelta(seconds=75)  # longer than a polling interval; uvicorn's 5 s equal RFC 8628's default
# When a server stops: the time for a connection without a request, for a half-sent request, and for the responses.
STOP_IDLE: Final = timedelta(seconds=0.5)
STOP_READING: Final = timedelta(seconds=5)
STOP_ANSWERING: Final = timedelta(seconds=25)
CONNECTIONS: Final = 900  # fewer than the usual 1,024 open files of a process

# One request, by the names of its parameters, in characters.
PARAMETERS: Final = 100
LONGEST_NAME: Final = 40  # the part of a value that an error text may repeat
LONGEST_PASSWORD: Final = 1024
LONGEST_EMAIL: Final = 320
LONGEST_PARAMETER: Final = 2048
LONGEST: Final[dict[str, int]] = {
    "client_id": 256,
    "client_secret": 1024,
    "client_assertion": 8192,
    "email": 512,
    "username": 512,
    # Tokens, passwords, and the encrypted request that the pages carry. None of them is stored.
    "assertion": 16384,
    "id_token_hint": 16384,
    "passkey": 16384,  # the response of an authenticator; a registration with an attestation is the longest
    "password": 16384,  # a password above LONGEST_PASSWORD is refused like any wrong password, without hashing
    "request": 16384,
    "state": 16384,
    "subject_token": 16384,
    "token": 16384,
}
SHORTEST_LIMIT: Final = min(LONGEST_PARAMETER, *LONGEST.values())
PUSHED_CHARACTERS: Final = 8192  # all parameters of a pushed authorization request

# Tables in the memory of one node: their entries are small, and the oldest is dropped.
REMEMBERED: Final = 50_000
# The pending device logins that a process caches, 2 KB each, and the time for which the process may not notice that
# another process has changed one of them. It notices its own changes at once (`server/io/device_cache.py`).
CACHED_DEVICES: Final = 5_000
DEVICE_STALENESS: Final = timedelta(milliseconds=50)
# How often expired rows of the store are deleted, and how many in one transaction (`server/io/asgi.py`).
SWEEP_EVERY: Final = timedelta(seconds=1)
SWEEP_IDLE: Final = timedelta(seconds=9)  # added to SWEEP_EVERY while there are no requests
SWEPT_AT_ONCE: Final = 100  # 500 take 13 ms of the event loop (docs/decisions/0047-growth.md)
STORE_RETRY: Final = timedelta(seconds=2)  # the Retry-After while the store cannot be used

# Passwords, whose check takes 64 MiB and tens of milliseconds.
HASHES_AT_ONCE: Final = 2
HASHES_WAITING: Final = 32
HASHES_WAITING_OF_ONE: Final = 4  # of one network
# Pushed authorization requests are stored, so one network may send fewer of them: the usual limit divided by this.
PUSHES_ONE_IN: Final = 10
# E-mails that one node sends at the same time, and the time for one e-mail, during which its request waits.
MAILS_AT_ONCE: Final = 20
MAIL_TIME: Final = timedelta(seconds=10)
# E-mails after a response are sent at a random time within this span, so that the load reveals nothing.
MAIL_SPREAD: Final = timedelta(seconds=2)
# Pages: forms that one network may send to one page in a minute.
FORMS_PER_MINUTE: Final = 300


def bounded(fields: Fields) -> Fields:
    """Check the number and the lengths of a request's parameters. Return the parameters.

    Raises:
        Malformed: There are too many parameters, or one is too long or contains U+0000. RFC 6749 App. A forbids U+0000,
            and PostgreSQL cannot store it.
    """
    if len(fields.values) > PARAMETERS:
        raise Malformed(f"{fields.what}: there are too many parameters")
    for name, value in fields.values.items():
        if isinstance(value, str) and len(value) > LONGEST.get(name, LONGEST_PARAMETER):
            raise Malformed(f"{fields.what}: {_shown(name)} is too long", field=name)
        if "\0" in name or ("\0" in value if isinstance(value, str) else _has_nul(value)):
            raise Malformed(f"{fields.what}: {_shown(name)} contains U+0000", field=name)
    return fields


def _shown(name: str) -> str:
    return name if name.isidentifier() and len(name) <= LONGEST_NAME else "a parameter"


def _has_nul(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_has_nul, cast("list[object]", value)))
    return isinstance(value, str) and "\0" in value
