"""Poll the token endpoint until the user has approved or declined the login (RFC 8628 §3.4-3.5).

The device flow uses this module. The login with a second factor on another device (Auth0's mfa-oob) uses it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NoReturn, TypeVar

from keyfob.client.auth.client_auth import OAuthClient, request_tokens
from keyfob.client.auth.token_response import refuse, take_tokens
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import NetworkTrouble, NumberRefused, SlowedDown, StillPending
from keyfob.client.ports import Question, World
from keyfob.errors import LoginDeclined, Malformed, TimedOut, Unreachable
from keyfob.protocol.device import NumberAsked, read_number
from keyfob.protocol.grants import DeviceCodeGrant, Grant
from keyfob.protocol.http import Response, media_type
from keyfob.protocol.oauth_error import (
    AUTHORIZATION_PENDING,
    DECLINED,
    EXPIRED_TOKEN,
    INVALID_CLIENT,
    INVALID_GRANT,
    INVALID_REQUEST,
    SLOW_DOWN,
    UNAUTHORIZED_CLIENT,
    OAuthError,
)
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer

T = TypeVar("T")
SLOWER_BY: Final = timedelta(seconds=5)  # RFC 8628 §3.5
LONGEST_WAIT: Final = timedelta(minutes=1)
SHORTEST_INTERVAL: Final = timedelta(seconds=1)  # for a server whose interval is 0
# Clocks of virtual machines run up to a fifth fast (cli/cli#9370); without this margin, polls would come too early.
PAD: Final = 1.2
# These end a login with any status: some servers send them with 429 or 5xx.
_FINAL: Final = frozenset(
    {*DECLINED, EXPIRED_TOKEN, INVALID_CLIENT, INVALID_GRANT, INVALID_REQUEST, UNAUTHORIZED_CLIENT}
)
_ENDED: Final = "the server ended the login"
UNAUTHORIZED_HINT: Final = "The client may not use the device flow, or the server does not know the client ID."


@dataclass(frozen=True, slots=True)
class TokenPoll:
    """The repeated token request, its interval and its deadline.

    Attributes:
        interval: The server's polling interval. keyfob waits a little longer than that.
        deadline: The time at which polling ends, on the wall clock and on the monotonic clock.
    """

    token_endpoint: str
    grant: Grant
    interval: timedelta
    deadline: Moment


@dataclass(frozen=True, slots=True)
class _Pace:
    """The wait between two polls: `interval` times `patience`, but not less than `at_least`.

    Attributes:
        interval: The server's polling interval. It never becomes shorter during a login.
        patience: A factor that doubles with each request that times out. A response resets it to 1.
        at_least: The wait that the last response required by Retry-After; zero if it required none.
    """

    interval: timedelta
    patience: int = 1
    at_least: timedelta = timedelta()
    slowed: int = 0

    def span(self) -> timedelta:
        stretched = min(self.interval * PAD * self.patience, max(LONGEST_WAIT, self.interval * PAD))
        return max(stretched, self.at_least)


async def poll(world: World, token_poll: TokenPoll, client: OAuthClient) -> TokenAnswer:
    """Poll until the user has decided. Raises the errors of `poll_or`."""
    return await poll_or(world, token_poll, client, world.wait)


async def poll_or(
    world: World, token_poll: TokenPoll, client: OAuthClient, pause: Callable[[timedelta], Awaitable[T | None]]
) -> TokenAnswer | T:
    """Poll until the user has decided (RFC 8628 §3.4-3.5), or `pause` returns a result.

    There are two deadlines. At the deadline on the monotonic clock, polling ends. This clock may stop while a laptop
    sleeps, so there is a deadline on the wall clock too. But the wall clock may be wrong. So after its deadline,
    polling goes on until a request gets no usable response.

    Args:
        pause: Waits between two requests. Its result ends the polling, unless it is None.

    Raises:
        LoginDeclined: The user declined.
        TimedOut: The user did not answer in time.
        Refused: The server ended the login for another reason.
        Malformed: The tokens violate RFC 6749 §5.1.
        LoginRequired: The server requires the number that its page shows, and no user is present to type it.
    """
    pace, grant, has_new_number = _Pace(max(token_poll.interval, SHORTEST_INTERVAL)), token_poll.grant, False
    while True:
        if not has_new_number:  # a number is sent at once, since the user waits for the outcome
            left = token_poll.deadline.steady - world.now().steady
            first = await pause(min(pace.span(), max(left, timedelta())))
            if first is not None:
                return first
            if pace.span() >= left:
                raise TimedOut("the login was not approved in time", hint="Run the same command again.")
        has_new_number = False
        try:
            response = await request_tokens(world, client, token_poll.token_endpoint, grant)
        except (Unreachable, Malformed) as problem:
            is_silent = isinstance(problem, Unreachable) and problem.timed_out
            pace = replace(pace, patience=pace.patience * 2 if is_silent else 1, at_least=timedelta())
            _tolerate(world, problem.message, pace, token_poll)
            continue
        if response.status == 200 and not _is_page(response):
            return take_tokens(response, client.token_types)
        pace = _next_pace(world, response, pace, token_poll)
        asked = NumberAsked.find(response)
        if asked is not None and isinstance(grant, DeviceCodeGrant):
            grant, has_new_number = replace(grant, number=await _ask_number(world, asked)), True


async def _ask_number(world: World, asked: NumberAsked) -> Secret:
    """Ask the user for the number that the server's page shows, until the input is a number."""
    if asked.tries_left is not None:
        world.notify(NumberRefused(asked.tries_left))
    while True:
        number = read_number(await world.ask(Question("number", "Approved. Now type the number on the page")))
        if number is not None:
            return number


def _next_pace(world: World, response: Response, pace: _Pace, token_poll: TokenPoll) -> _Pace:
    """Return the pace after a response without tokens; raise an error if the response ends the login."""
    moment = world.now()
    pace = replace(pace, patience=1, at_least=_retry_after(response, moment.wall))
    error = OAuthError.find(response)
    if error is not None and error.error == AUTHORIZATION_PENDING:
        world.notify(StillPending(token_poll.deadline.steady - moment.steady))
        return pace
    if error is not None and error.error in _FINAL:
        _refuse(response, _ENDED)
    if (error is not None and error.error == SLOW_DOWN) or response.status == 429:
        pace = replace(pace, interval=pace.interval + SLOWER_BY, slowed=pace.slowed + 1)
        world.notify(SlowedDown(pace.interval, pace.slowed))
        return pace
    if response.status >= 500 or response.status == 408 or _is_page(response):
        words = "nothing usable" if error is None else f"{error.error}: {error.description}".removesuffix(": ")
        _tolerate(world, f"the server responded with status {response.status}, {words}", pace, token_poll)
        return pace
    return _refuse(response, _ENDED)


def _tolerate(world: World, what: str, pace: _Pace, token_poll: TokenPoll) -> None:
    moment = world.now()
    if moment.wall >= token_poll.deadline.wall:
        raise TimedOut(f"the codes have expired, and {what}", hint="Run the same command again.")
    world.notify(NetworkTrouble(what, pace.span()))


def _refuse(response: Response, what: str) -> NoReturn:
    """Raise the exception for an error response.

    Raises:
        LoginDeclined: The user declined.
        TimedOut: The codes have expired.
        Refused: Any other error.
    """
    error = OAuthError.find(response)
    code = "" if error is None else error.error
    if code in DECLINED and what == _ENDED:
        raise LoginDeclined("the login was declined", oauth_code=code)
    if code == EXPIRED_TOKEN:
        raise TimedOut("the login was not approved in time", hint="Run the same command again.")
    is_unauthorized = code == UNAUTHORIZED_CLIENT
    refuse(response, what, UNAUTHORIZED_HINT if is_unauthorized else "")


def _is_page(response: Response) -> bool:
    """Return whether the response is an HTML page, by its content type or its body.

    Such a response comes from a proxy or captive portal, and not from the token endpoint.
    """
    declared = media_type(response.header("content-type"))
    return declared in {"text/html", "application/xhtml+xml"} or response.body.lstrip()[:1] == b"<"


def _retry_after(response: Response, wall: datetime) -> timedelta:
    """Return the wait that Retry-After requests, in seconds or as a date (RFC 9110 §10.2.3); zero if unusable."""
    value = (response.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit() and len(value) <= len("86400"):
        return timedelta(seconds=int(value))
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return timedelta()
    return max(until - wall, timedelta()) if until.tzinfo else timedelta()
