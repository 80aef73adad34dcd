"""A World on the server's clock, taken from the Date of its responses (RFC 9110 §6.6.1).

A wrong clock on this machine then affects no assertion, ID token or expiry.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.client.model.moment import Moment
from keyfob.client.ports import World, WorldAround
from keyfob.protocol.http import Request, Response

# A Date has whole seconds, and a response takes time.
_NOISE: Final = timedelta(seconds=5)


class ServerTime(WorldAround):
    """Another World with its wall clock corrected; only responses to a POST count, since a cached one has an old Date.

    Attributes:
        skew: How far the server's clock is ahead of this machine's.
    """

    def __init__(self, world: World, skew: timedelta = timedelta()) -> None:
        super().__init__(world)
        self.skew = skew

    async def send(self, request: Request) -> Response:
        response = await self._world.send(request)
        date = date_of(response) if request.method == "POST" else None
        if date is not None:
            skew = date - self._world.now().wall
            self.skew = skew if abs(skew) > _NOISE else timedelta()
        return response

    def now(self) -> Moment:
        moment = self._world.now()
        return replace(moment, wall=moment.wall + self.skew)


def date_of(response: Response) -> datetime | None:
    """Return the server's time, or None if the response has none or is from a cache, where it is old."""
    header = response.header("date")
    if not header or response.header("age"):
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to import, and a stored token needs no server

    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
