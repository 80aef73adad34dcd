"""The limits of what unauthenticated callers can make a tenant read, remember or store, all in one place.

Each is applied where a request is read: connections in `server/io/bounded_http.py`, bodies in `server/io/asgi.py`,
parameters in `server/endpoints/oauth/parameters.py`. Tables in memory are `LimitedDict`s (`server/site.py`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

# One connection.
HEAD_BYTES: Final = 32 * 1024  # the request line and the headers
HEADERS: Final = 200
BODY_BYTES: Final = 64 * 1024
SENT_BYTES: Final = 512 * 1024  # a body as it is sent: in chunks, with trailers
PIPELINED: Final = 8  # requests of one connection that wait for the answer to an earlier one
READ_TIME: Final = timedelta(seconds=20)  # for a request with its body, and for a peer to read the response
KEEP_ALIVE: Final = timedelta(seconds=75)  # longer than any polling interval; uvicorn's 5 s equal that of RFC 8628
CONNECTIONS: Final = 900  # fewer than the usual 1,024 open files of a process
