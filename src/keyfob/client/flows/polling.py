"""Ask for tokens until a person elsewhere has decided (RFC 8628 §3.4-3.5).

The device login asks so, and so does a second factor on another device (Auth0's mfa-oob).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn, TypeVar

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.token_response import OK, SERVER_FAULT, TOO_MANY, refuse, take_tokens
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import NetworkTrouble, SlowedDown, StillPending
from keyfob.client.ports import World
from keyfob.errors import LoginDeclined, Malformed, TimedOut, Unreachable
from keyfob.protocol.grants import Grant
from keyfob.protocol.http import Response, media_type
from keyfob.protocol.oauth_error import (
    ACCESS_DENIED,
    AUTHORIZATION_PENDING,
    EXPIRED_TOKEN,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    SLOW_DOWN,
    UNAUTHORIZED_CLIENT,
    OAuthError,
)
from keyfob.protocol.tokens import TokenAnswer

T = TypeVar("T")
SLOWER_BY: Final = timedelta(seconds=5)  # RFC 8628 §3.5
LONGEST_WAIT: Final = timedelta(minutes=1)
SHORTEST_INTERVAL: Final = timedelta(seconds=1)  # a server that says 0 is not hammered
# Clocks of virtual machines run up to a fifth fast (cli/cli#9370); whoever waits by such a clock asks too early.
PAD: Final = 1.2
_REQUEST_TIMEOUT: Final = 408
# These end a login whatever the status: some servers say them with 429 or 5xx.
_FINAL: Final = frozenset(
    {ACCESS_DENIED, EXPIRED_TOKEN, INVALID_CLIENT, INVALID_GRANT, INVALID_REQUEST, UNAUTHORIZED_CLIENT}
)
_ENDED: Final = "the server ended the login"


@dataclass(frozen=True, slots=True)
class TokenPoll:
    """What is asked, and for how long.

    Attributes:
        interval: The pace the server asked for, without our pad.
        deadline: When there is no more use in asking, by both clocks.
    """

    token_endpoint: str
    grant: Grant
    interval: timedelta
    deadline: Moment


@dataclass(frozen=True, slots=True)
class _Pace:
    """How long to wait. `interval` only grows; `patience` doubles while the network is silent, then starts anew."""

    interval: timedelta
    patience: int = 1
    at_least: timedelta = timedelta()
    slowed: int = 0

    def span(self) -> timedelta:
        stretched = min(self.interval * PAD * self.patience, max(LONGEST_WAIT, self.interval * PAD))
        return max(stretched, self.at_least)


async def poll(world: World, token_poll: TokenPoll, client: OAuthClient) -> TokenAnswer:
    """Ask until the person has decided. Raises as `race` does."""
    return await poll_or(world, token_poll, client, world.wait)


async def poll_or(
    world: World, token_poll: TokenPoll, client: OAuthClient, pause: Callable[[timedelta], Awaitable[T | None]]
) -> TokenAnswer | T:
    """Ask until the person has decided (RFC 8628 §3.4-3.5), or something else came first.

    The steady clock decides when time is up. The wall clock, which also counts the hours that a laptop slept, only
    decides when the network fails as well: a wall clock that was merely set right must not end a login.

    Args:
        awaited: What to ask.
        program: Who asks.
        pause: Lets time pass between two questions; what it gives ends the asking.

    Raises:
        LoginDeclined: The person said no.
        TimedOut: The person did not answer in time.
        Refused: The server ended the login for another reason.
        Malformed: Tokens came, but not as RFC 6749 §5.1 says.
    """
    pace = _Pace(max(token_poll.interval, SHORTEST_INTERVAL))
    while True:
        left = token_poll.deadline.steady - world.now().steady
        first = await pause(min(pace.span(), max(left, timedelta())))
        if first is not None:
            return first
        if pace.span() >= left:
            raise TimedOut("the person did not answer in time", hint="Run the same command again.")
        try:
            response = await request_tokens(world, client, token_poll.token_endpoint, token_poll.grant)
        except (Unreachable, Malformed) as problem:
            is_silent = isinstance(problem, Unreachable) and problem.timed_out
            pace = replace(pace, patience=pace.patience * 2 if is_silent else 1, at_least=timedelta())
            _bear(world, problem.message, pace, token_poll)
            continue
        if response.status == OK and not _is_page(response):
            return take_tokens(response, client.token_types)
        pace = _next_pace(world, response, pace, token_poll)


def _next_pace(world: World, response: Response, pace: _Pace, token_poll: TokenPoll) -> _Pace:
    """What an answer that is no token does to the pace; raises where it ends the login."""
    moment = world.now()
    pace = replace(pace, patience=1, at_least=_retry_after(response, moment.wall))
    error = OAuthError.find(response)
    if error is not None and error.error == AUTHORIZATION_PENDING:
        world.notify(StillPending(token_poll.deadline.steady - moment.steady))
        return pace
    if error is not None and error.error in _FINAL:
        _refuse(response, _ENDED)
    if (error is not None and error.error == SLOW_DOWN) or response.status == TOO_MANY:
        pace = replace(pace, interval=pace.interval + SLOWER_BY, slowed=pace.slowed + 1)
        world.notify(SlowedDown(pace.interval, pace.slowed))
        return pace
    if response.status >= SERVER_FAULT or response.status == _REQUEST_TIMEOUT or _is_page(response):
        _bear(world, f"the server answered {response.status} and nothing usable", pace, token_poll)
        return pace
    return _refuse(response, _ENDED)


def _bear(world: World, what: str, pace: _Pace, token_poll: TokenPoll) -> None:
    moment = world.now()
    if moment.wall >= token_poll.deadline.wall:
        raise TimedOut("the codes have lapsed and the server does not answer", hint="Run the same command again.")
    world.notify(NetworkTrouble(what, pace.span()))


def _refuse(response: Response, what: str) -> NoReturn:
    """Raise what a refusing answer means.

    Raises:
        LoginDeclined: The person said no.
        TimedOut: The codes have lapsed.
        Refused: Anything else.
    """
    error = OAuthError.find(response)
    code = "" if error is None else error.error
    if code == ACCESS_DENIED and what == _ENDED:
        raise LoginDeclined("the login was declined", oauth_code=code)
    if code == EXPIRED_TOKEN:
        raise TimedOut("the person did not answer in time", hint="Run the same command again.")
    unknown = code == UNAUTHORIZED_CLIENT
    hint = "Look at the client id; the application must allow the device login." if unknown else ""
    refuse(response, what, hint)


def _is_page(response: Response) -> bool:
    """A web page, said or not: from a proxy, a load balancer, a hotel's network."""
    said = media_type(response.header("content-type"))
    return said in {"text/html", "application/xhtml+xml"} or response.body.lstrip()[:1] == b"<"


def _retry_after(response: Response, wall: datetime) -> timedelta:
    """Seconds or a date (RFC 9110 §10.2.3); nonsense counts as none."""
    found = (response.header("retry-after") or "").strip()
    if found.isascii() and found.isdigit() and len(found) <= len("86400"):
        return timedelta(seconds=int(found))
    try:
        until = parsedate_to_datetime(found)
    except (ValueError, TypeError):
        return timedelta()
    return max(until - wall, timedelta()) if until.tzinfo else timedelta()
