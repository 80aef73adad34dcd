"""A whole login of a person: find the server, choose the way, judge who it was (OpenID Connect Core §3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.auth.client_auth import Program
from keyfob.client.auth.dpop import make_prover
from keyfob.client.flows import browser as browser_flow
from keyfob.client.flows import device as device_flow
from keyfob.client.flows import password as password_flow
from keyfob.client.flows.choice import Choice, choose
from keyfob.client.flows.discovery import discover
from keyfob.client.flows.id_token import check
from keyfob.client.flows.polling import race
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.flow_names import Door
from keyfob.client.model.notices import DoorChosen, DoorRefused, NotBound, ScopeNarrowed
from keyfob.client.model.pending_login import PendingLogin
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile, command
from keyfob.client.model.question import Question
from keyfob.client.model.stored_login import Held
from keyfob.client.ports import DeviceRequested, Pasted, World
from keyfob.errors import LoginDeclined, LoginRequired, Malformed, Misuse, Refused, TimedOut, VaultUnavailable
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.oauth_error import UNAUTHORIZED_CLIENT
from keyfob.protocol.scope import Scope
from keyfob.protocol.tokens import TokenAnswer

if TYPE_CHECKING:
    from keyfob.client.model.credential import Credential

_TRIES: Final = 5
_OF_PERSONS: Final = frozenset({"openid", "profile", "email", "address", "phone"})  # OpenID Connect Core §5.4
# The last one is GitHub's.
_NOT_FOR_US: Final = frozenset(
    {UNAUTHORIZED_CLIENT, "unsupported_grant_type", "unsupported_response_type", "device_flow_disabled"}
)


@dataclass(frozen=True, slots=True)
class At:
    """One login at one server."""

    profile: Profile
    metadata: ServerMetadata
    program: Program
    assurance: Assurance = ANY_LOGIN


@dataclass(frozen=True, slots=True)
class Brought:
    """Tokens, and the nonce that their ID token must carry."""

    answer: TokenAnswer
    nonce: str | None = None


async def find(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> At:
    """Find the server, what it offers to this program, and make a key where tokens will be bound to one.

    Raises:
        Misuse: The server wants a secret also from a program that cannot keep one, and there is none; or as `discover`
            and `make_prover`, which may also raise `Refused`, `Malformed` and `Unreachable`.
    """
    habits = habits_of(profile.issuer)
    is_by_code = profile.way in {"browser", "paste"}
    if credential is None and habits.code_needs_secret and (habits.device_needs_secret or is_by_code):
        hint = "Say where it lies: --secret-file PATH or --secret-env NAME."
        hint += "" if habits.device_needs_secret else " Or log in by code, which needs none: --flow device."
        raise Misuse("this issuer wants the program's secret, also where a program cannot keep one", hint=hint)
    metadata = await discover(world, profile)
    if credential is None and habits.code_needs_secret:
        metadata = replace(metadata, authorization_endpoint=None)
    program = Program.at(metadata, profile.client_id, credential)
    program.prover = make_prover(world, profile, metadata)
    return At(profile, metadata, program, assurance)


async def log_in(
    world: World,
    profile: Profile,
    credential: Credential | None = None,
    *,
    opens_page: bool = False,
    assurance: Assurance = ANY_LOGIN,
    last_name: str = "",
) -> Held:
    """From nothing to tokens that may be kept.

    Args:
        profile: Which login, and how: `auto` takes the safest way that this place and this server allow, and goes on to
            the next where the server refuses it to this program.
        credential: The program's own secret or key, if it has one.
        opens_page: With a code: open the page with the code in it on this machine.
        assurance: How sure the login must be.
        last_name: By which name the person logged in last, if that is known; offered where a name is asked for.

    Raises:
        LoginRequired: There is nobody here who could log in.
        LoginDeclined: The person said no.
        TimedOut: The person did not answer in time.
        Refused: The server will not; code `flow-unavailable` where it has no such flow.
        Malformed: An answer breaks the protocol.
        Unreachable: Nobody answers.
        InvalidToken: The ID token will not do.
        Misuse: The issuer could never be asked safely, or no port is free.
    """
    at = await find(world, profile, credential, assurance)
    way = profile.way
    if way == "password":
        answer = await password_flow.log_in(world, at.metadata, at.program, profile, last_name)
        return await _judge(world, at, Brought(answer))
    if way != "auto":
        brought = await _through(world, way, at, opens_page=opens_page)
        _unlearn(world, at, way)
        return await _judge(world, at, brought)
    doors = _choose(world, at)
    for door, following in zip(doors, (*doors[1:], None), strict=True):
        try:
            brought = await _through(world, door, at, opens_page=opens_page)
        except Refused as problem:
            if following is None or not _is_about_us(problem):
                raise
            _learn(world, at, door)
            world.notify(DoorRefused(door, following))
        else:
            return await _judge(world, at, brought)
    raise Refused("the server offers no way for a person to log in", code="flow-unavailable")


async def plan(world: World, profile: Profile) -> Choice:
    """Which ways there are to log in from here, and why. Raises as `discover` does."""
    return (_weigh(world, (await find(world, profile))))[0]


async def begin(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> PendingLogin:
    """Show the person a code, and do not wait. Raises as `discover` and `device_flow.begin` do."""
    return await _begin_device(world, (await find(world, profile, credential, assurance)))


async def resume(world: World, profile: Profile, credential: Credential | None = None) -> Held:
    """Go on with a login that was begun by code, here or in another process that has gone.

    Raises:
        LoginRequired: None was, or it was another program's.
        KeyfobError: As `device_flow.finish` and `id_token.check`.
    """
    kept = world.unpark(profile.name)
    pending = None if kept is None else PendingLogin.read(profile.name, kept, world.now())
    if pending is None or pending.profile != profile:
        raise LoginRequired("no login waits to be finished here", hint=f"Run: {command('login', profile.name)}")
    at = await find(world, profile, credential, pending.assurance)
    world.notify(pending.shown)
    return await _judge(world, at, Brought(await _finish_device(world, at, pending)))


def _choose(world: World, at: At) -> tuple[Door, ...]:
    """The ways to try.

    Raises:
        LoginRequired: There is nobody here.
    """
    choice, has_person = _weigh(world, at)
    if not has_person:
        raise LoginRequired(choice.reasons[0], code="no-terminal", hint=_elsewhere(at.profile))
    if choice.doors:
        world.notify(DoorChosen(choice.doors[0], choice.reasons))
    return choice.doors


def _weigh(world: World, at: At) -> tuple[Choice, bool]:
    """What was decided, and whether anybody is here."""
    here, has_person = world.look()
    moment = world.now().wall
    learned = world.recall(at.profile.issuer, at.profile.client_id).fresh(moment)
    return choose(here, at.metadata, learned, has_person=has_person), has_person


def _elsewhere(profile: Profile) -> str:
    ours = command("login", profile.name)
    return f"Run in a terminal: {ours}. A program that shows a person what to do runs: {ours} --json"


def _is_about_us(problem: Refused) -> bool:
    """Whether this way is closed to this program, rather than this login refused."""
    is_final = isinstance(problem, LoginDeclined | LoginRequired)
    return not is_final and (problem.code == "flow-unavailable" or problem.oauth_code in _NOT_FOR_US)


def _learn(world: World, at: At, door: Door) -> None:
    moment = world.now().wall
    learned = world.recall(at.profile.issuer, at.profile.client_id)
    world.learn(at.profile.issuer, at.profile.client_id, learned.fresh(moment).with_refusal(door, moment))


def _unlearn(world: World, at: At, door: Door) -> None:
    learned = world.recall(at.profile.issuer, at.profile.client_id)
    if door in learned.refused:
        world.learn(at.profile.issuer, at.profile.client_id, learned.without(door))


async def _through(world: World, door: Door, at: At, *, opens_page: bool = False) -> Brought:
    if door == "paste" and not world.look()[0].has_terminal:
        return await _by_answers(world, at)
    if door == "device":
        pending = await _begin_device(world, at, opens=opens_page)
        return Brought(await _finish_device(world, at, pending))
    return await _by_browser(world, at, opens=door == "browser")


async def _begin_device(world: World, at: At, *, opens: bool = False) -> PendingLogin:
    pending = await device_flow.begin(world, at.metadata, at.program, at.profile, opens=opens, assurance=at.assurance)
    world.park(at.profile.name, pending.write())
    return pending


async def _finish_device(world: World, at: At, pending: PendingLogin) -> TokenAnswer:
    """Wait for the person. What was parked is over when the server has said so; an interruption is no such word.

    Raises:
        Refused: As `polling.race`; so do the others.
        TimedOut: The codes have lapsed.
        Malformed: The tokens are none.
    """
    try:
        answer = await device_flow.finish(world, pending, at.program)
    except (Refused, TimedOut, Malformed):
        _unpark(world, pending)
        raise
    _unpark(world, pending)
    return answer


def _unpark(world: World, pending: PendingLogin) -> None:
    """Forget what was parked, if it is still this login: another may have been begun meanwhile (`--no-wait`)."""
    name = pending.profile.name
    try:
        kept = world.unpark(name)
        found = None if kept is None else PendingLogin.read(name, kept, world.now())
    except (Malformed, Misuse, VaultUnavailable):
        found = None
    if found is None or found.device_code == pending.device_code:
        world.park(name, None)


async def _by_browser(world: World, at: At, *, opens: bool) -> Brought:
    """By browser or pasted answer, or by code after all, whichever comes first.

    Raises:
        TimedOut: Nobody came back within ten minutes.
    """
    offers_device = at.metadata.device_authorization_endpoint is not None
    visit = await browser_flow.begin(
        world, at.metadata, at.program, at.profile, opens=opens, offers_device=offers_device, assurance=at.assurance
    )
    ends = world.now().steady + browser_flow.LONGEST_VISIT
    while (left := ends - world.now().steady) > timedelta():
        event = await world.next_event(left)
        if isinstance(event, DeviceRequested) and offers_device:
            return await _by_code_too(world, at, visit)
        brought = None if event is None else browser_flow.read_answer(world, visit, event)
        if brought is not None:
            return await _redeem(world, at, visit, brought)
    hint = "Run the same command again, or say --flow device."
    raise TimedOut("nobody came back from the browser", hint=hint)


async def _by_answers(world: World, at: At) -> Brought:
    """As by pasting, where lines are answered and no keys are seen: through a program, or from a pipe.

    Raises:
        Refused: No answer was one to this login.
    """
    visit = await browser_flow.begin(world, at.metadata, at.program, at.profile, opens=False)
    for _ in range(_TRIES):
        text = await world.ask(Question("address", "Address that the browser ended at"))
        brought = browser_flow.read_answer(world, visit, Pasted(text))
        if brought is not None:
            return await _redeem(world, at, visit, brought)
    raise Refused("no answer was one to this login", hint="Run the same command again.")


async def _by_code_too(world: World, at: At, visit: browser_flow.Visit) -> Brought:
    """Ask for the code's tokens, and between two questions go on listening for the browser."""

    async def pause(span: timedelta) -> Mapping[str, str] | None:
        ends = world.now().steady + span
        while (left := ends - world.now().steady) > timedelta():
            event = await world.next_event(left)
            brought = None if event is None else browser_flow.read_answer(world, visit, event)
            if brought is not None:
                return brought
        return None

    pending = await _begin_device(world, at)
    first = await race(world, device_flow.awaited(pending), at.program, pause)
    _unpark(world, pending)
    return Brought(first) if isinstance(first, TokenAnswer) else (await _redeem(world, at, visit, first))


async def _redeem(world: World, at: At, visit: browser_flow.Visit, brought: Mapping[str, str]) -> Brought:
    answer = await browser_flow.finish(world, at.metadata, at.program, visit, brought)
    return Brought(answer, visit.nonce)


async def _judge(world: World, at: At, brought: Brought) -> Held:
    who, answer = None, brought.answer
    if answer.id_token is not None:
        who = await check(world, answer.id_token, at.metadata, at.profile.client_id, brought.nonce, at.assurance)
    held = Held.of(answer, at.metadata, at.profile, at.program, who, world.now().wall)
    if at.profile.dpop != "off" and held.token_type != "DPoP":
        world.notify(NotBound())
    missing = at.profile.scope.names - held.scope.names - _spoken_for(answer, held.scope)
    if missing:
        world.notify(ScopeNarrowed(tuple(sorted(missing))))
    return held


def _spoken_for(answer: TokenAnswer, granted: Scope) -> frozenset[str]:
    """Scopes that a server may leave unnamed: it names the API's alone, and the tokens that came say the rest."""
    who = _OF_PERSONS if answer.id_token is not None and not granted.names & _OF_PERSONS else frozenset[str]()
    return who | {"offline_access"} if answer.refresh_token is not None else who
