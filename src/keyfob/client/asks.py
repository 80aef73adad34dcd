"""All that a flow may ask of the world: send this, wait so long, what time is it, tell the person that.

A flow is a generator that yields asks and returns its result. Python cannot tie what a generator receives to what
it yielded, so every ask has one typed helper, used with `yield from`: `response = yield from send(request)`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar, cast

from keyfob.client.notices import Notice
from keyfob.protocol.http import Request, Response

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, by two clocks.

    Attributes:
        wall: Aware, UTC; may jump.
        steady: Only goes forward, from anywhere; may stand still while a laptop sleeps.
    """

    wall: datetime
    steady: timedelta


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request; the answer is a Response, or `Unreachable` or `Malformed` is thrown into the flow."""

    request: Request


@dataclass(frozen=True, slots=True)
class Wait:
    """Let so much time pass."""

    span: timedelta


@dataclass(frozen=True, slots=True)
class Now:
    """What time is it?"""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the person."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Draw:
    """Unguessable bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Listen:
    """Listen on 127.0.0.1 for a browser that brings our state back; gives the callback's address."""

    ports: tuple[int, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Browse:
    """Open an address in the browser; gives whether one was told to."""

    address: str


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait so long for the browser to come back; gives what it brought, or None. Then nobody listens any more."""

    span: timedelta


Ask = Send | Wait | Now | Tell | Draw | Listen | Browse | Hear
Flow: TypeAlias = Generator[Ask, object, T]


def send(request: Request) -> Flow[Response]:
    """Send a request; may raise `Unreachable` or `Malformed`."""
    return cast(Response, (yield Send(request)))


def wait(span: timedelta) -> Flow[None]:
    """Let so much time pass."""
    yield Wait(span)


def now() -> Flow[Moment]:
    """What time is it?"""
    return cast(Moment, (yield Now()))


def tell(notice: Notice) -> Flow[None]:
    """Tell the person."""
    yield Tell(notice)


def draw(size: int) -> Flow[bytes]:
    """Unguessable bytes."""
    return cast(bytes, (yield Draw(size)))


def listen(ports: tuple[int, ...], state: str) -> Flow[str]:
    """Listen for a browser; may raise `Misuse`."""
    return cast(str, (yield Listen(ports, state)))


def browse(address: str) -> Flow[bool]:
    """Open an address in the browser."""
    return cast(bool, (yield Browse(address)))


def hear(span: timedelta) -> Flow[Mapping[str, str] | None]:
    """What the browser brought, if it came in time."""
    return cast("Mapping[str, str] | None", (yield Hear(span)))
