"""Let a flow live by the server's clock, learnt from the Date of its answers (RFC 9110 §6.6.1).

Then a clock that is wrong on this machine spoils no assertion, no ID token and no expiry.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from keyfob.client.asks import Ask, Flow, Now, Send
from keyfob.client.model.moment import Moment
from keyfob.errors import KeyfobError
from keyfob.protocol.http import Response

T = TypeVar("T")

# A Date has whole seconds, and an answer takes a while.
_NOISE: Final = timedelta(seconds=5)


def by_server_time(flow: Flow[T], skew: timedelta, result: list[timedelta]) -> Flow[T]:
    """The same flow, told the server's time.

    Only answers to a POST are believed: a cached answer has an old Date.

    Args:
        flow: Which.
        skew: How far the server's clock was ahead when it was last heard.
        result: Receives how far it is ahead now, at the end.
    """
    answer: object = None
    problem: KeyfobError | None = None
    while True:
        try:
            ask: Ask = flow.send(answer) if problem is None else flow.throw(problem)
        except StopIteration as done:
            result.append(skew)
            found: T = done.value
            return found
        answer, problem = None, None
        try:
            answer = yield ask
        except KeyfobError as raised:
            problem = raised
            continue
        if isinstance(ask, Now) and isinstance(answer, Moment):
            answer = replace(answer, wall=answer.wall + skew)
        elif isinstance(ask, Send) and ask.request.method == "POST" and isinstance(answer, Response):
            date = _date_of(answer)
            if date is not None:
                here = yield Now()
                if isinstance(here, Moment):
                    skew = _without_noise(date - here.wall)


def _date_of(response: Response) -> datetime | None:
    said = response.header("date")
    if not said or response.header("age"):
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  5 ms, and a kept token hears no server

    try:
        found = parsedate_to_datetime(said)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _without_noise(skew: timedelta) -> timedelta:
    return skew if abs(skew) > _NOISE else timedelta()
