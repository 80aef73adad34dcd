"""A `World` whose wall clock follows the server's clock, by the Date header of responses (RFC 9110 §6.6.1).

Client assertions, the checks of ID tokens and expiry times are therefore correct even if this machine's clock is wrong.
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
    """A World whose wall clock follows the Date of responses to POST. Other responses may be cached, with an old Date.

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
    """Return the server's time; None if the response has no Date header or comes from a cache."""
    header = response.header("date")
    if not header or response.header("age"):
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to import, and a stored token needs no server

    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
