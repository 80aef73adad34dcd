"""All that a flow may ask of the world: send this, wait so long, what time is it, tell the person that.

A flow is a generator that yields asks and returns its result. Python cannot tie what a generator receives to what
it yielded, so every ask has one typed helper, used with `yield from`: `response = yield from send(request)`.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from keyfob.client.model.callback import Callback
from keyfob.client.model.moment import Moment
from keyfob.client.model.notices import Notice
from keyfob.client.model.question import Question
from keyfob.client.model.server_capabilities import Learned
from keyfob.client.model.surroundings import Surroundings
from keyfob.errors import KeyfobError, VaultUnavailable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.client.model.lock_holder import Turn
    from keyfob.client.model.stored_login import Held

T = TypeVar("T")
_WORD_BYTES: Final = 32


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
    """Listen on this machine for a browser that brings our state back; gives the callback's address."""

    callbacks: tuple[Callback, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Browse:
    """Open an address in the browser; gives whether one was told to."""

    address: str


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait so long for the browser to come back, or the person to type; gives what was heard first, or None."""

    span: timedelta


@dataclass(frozen=True, slots=True)
class Came:
    """Heard: the browser came back with our state."""

    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pasted:
    """Heard: the person pasted something, which may be the address that a browser ended at."""

    text: Secret


@dataclass(frozen=True, slots=True)
class Switched:
    """Heard: the person would rather log in on another device."""


Heard = Came | Pasted | Switched


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Ask the person at the keyboard; gives a Secret, or `LoginRequired` is thrown where nobody is."""

    question: Question


@dataclass(frozen=True, slots=True)
class Look:
    """What is this place like, and does a person see what we tell?"""


@dataclass(frozen=True, slots=True)
class Recall:
    """What has this issuer taught us about this program?"""

    issuer: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Learn:
    """Remember that; best effort."""

    issuer: str
    client_id: str
    learned: Learned


@dataclass(frozen=True, slots=True)
class Park:
    """Keep a login that waits, for another process to go on with; None: it is over."""

    profile: str
    kept: Secret | None


@dataclass(frozen=True, slots=True)
class Unpark:
    """What was parked; gives a Secret or None."""

    profile: str


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """Be the one that logs a profile in, until the flow ends; gives whether we are, and whose turn it was or is."""

    profile: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class NoteTurn:
    """Write down what came of our turn, for those who wait."""

    profile: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class MakeReady:
    """Try out whether a login could be kept; gives what to tell the person, or "". `VaultUnavailable` may be thrown."""


@dataclass(frozen=True, slots=True)
class Load:
    """What lies in a drawer of the vault; gives a Held or None. `VaultUnavailable` may be thrown, here and below."""

    drawer: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Replace what lies there."""

    drawer: str
    held: Held


@dataclass(frozen=True, slots=True)
class PutAway:
    """Take back what is laid out for quick use."""

    drawer: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Empty the drawer."""

    drawer: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Hold off others; whoever drives the flow lets go at its end at the latest."""

    drawer: str


@dataclass(frozen=True, slots=True)
class Unlock:
    """Let go of what was locked last."""


VaultAsk = MakeReady | Load | Keep | PutAway | Forget | Lock | Unlock
AtOnce = Now | Tell | Draw | Look | Recall | Learn | Park | Unpark | TakeTurn | NoteTurn
Ask = VaultAsk | AtOnce | Send | Wait | Listen | Browse | Hear | AskPerson
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


def draw_word() -> Flow[str]:
    """43 unguessable letters, fit for an address: a state, a nonce, a verifier (RFC 7636 §4.1)."""
    return base64.urlsafe_b64encode((yield from draw(_WORD_BYTES))).rstrip(b"=").decode("ascii")


def listen(callbacks: tuple[Callback, ...], state: str) -> Flow[str]:
    """Listen for a browser; may raise `Misuse`."""
    return cast(str, (yield Listen(callbacks, state)))


def browse(address: str) -> Flow[bool]:
    """Open an address in the browser."""
    return cast(bool, (yield Browse(address)))


def hear(span: timedelta) -> Flow[Heard | None]:
    """What was heard, if anything in time."""
    return cast("Heard | None", (yield Hear(span)))


def ask_person(question: Question) -> Flow[Secret]:
    """Ask the person; may raise `LoginRequired`."""
    return cast(Secret, (yield AskPerson(question)))


def look() -> Flow[tuple[Surroundings, bool]]:
    """Where are we, and is anybody there?"""
    return cast("tuple[Surroundings, bool]", (yield Look()))


def recall(issuer: str, client_id: str) -> Flow[Learned]:
    """What was learned of an issuer."""
    return cast(Learned, (yield Recall(issuer, client_id)))


def learn(issuer: str, client_id: str, learned: Learned) -> Flow[None]:
    """Remember it."""
    yield Learn(issuer, client_id, learned)


def park(profile: str, kept: Secret | None) -> Flow[None]:
    """Keep a login that waits, or forget it."""
    yield Park(profile, kept)


def unpark(profile: str) -> Flow[Secret | None]:
    """What was parked."""
    return cast("Secret | None", (yield Unpark(profile)))


def take_turn(profile: str, turn: Turn) -> Flow[tuple[bool, Turn | None]]:
    """Be the one that logs a profile in, if nobody else is."""
    return cast("tuple[bool, Turn | None]", (yield TakeTurn(profile, turn)))


def note_turn(profile: str, turn: Turn) -> Flow[None]:
    """Write down what came of it."""
    yield NoteTurn(profile, turn)


def make_ready() -> Flow[str]:
    """Try out the vault."""
    return cast(str, (yield MakeReady()))


def load(drawer: str) -> Flow[Held | None]:
    """What lies in the vault."""
    return cast("Held | None", (yield Load(drawer)))


def keep(drawer: str, held: Held) -> Flow[None]:
    """Replace it."""
    yield Keep(drawer, held)


def put_away(drawer: str) -> Flow[None]:
    """Take back what is laid out."""
    yield PutAway(drawer)


def forget(drawer: str) -> Flow[None]:
    """Empty the drawer."""
    yield Forget(drawer)


def locked(drawer: str, flow: Flow[T], *, may_be_readonly: bool = False) -> Flow[T]:
    """Run a flow while others are held off.

    Args:
        drawer: From what.
        flow: Run to its end, or not at all.
        may_be_readonly: Where nothing can be written, nobody else could keep anything either: go on without a lock.

    Raises:
        VaultUnavailable: Somebody holds the lock for too long.
        KeyfobError: As the flow.
    """
    try:
        yield Lock(drawer)
    except VaultUnavailable as problem:
        if not (may_be_readonly and problem.code == "vault-readonly"):
            raise
        return (yield from flow)
    try:
        result = yield from flow
    except KeyfobError:
        yield Unlock()
        raise
    yield Unlock()
    return result
