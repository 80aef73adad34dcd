"""A whole login of a person: find the server, choose the way, judge who it was (OpenID Connect Core §3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.auth.client_auth import OAuthClient
from keyfob.client.auth.dpop import make_dpop_key
from keyfob.client.flows import browser as browser_flow
from keyfob.client.flows import device as device_flow
from keyfob.client.flows import password as password_flow
from keyfob.client.flows.choice import Choice, choose
from keyfob.client.flows.discovery import discover
from keyfob.client.flows.id_token import check
from keyfob.client.flows.polling import poll_or
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.flow_names import InteractiveFlow
from keyfob.client.model.notices import FlowChosen, FlowRefused, NotBound, ScopeNarrowed
from keyfob.client.model.pending_login import PendingLogin
from keyfob.client.model.presets import habits_of
from keyfob.client.model.profile import Profile, command
from keyfob.client.model.question import Question
from keyfob.client.model.stored_login import StoredLogin
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
class LoginContext:
    """One login at one server."""

    profile: Profile
    metadata: ServerMetadata
    client: OAuthClient
    assurance: Assurance = ANY_LOGIN


@dataclass(frozen=True, slots=True)
class Brought:
    """Tokens, and the nonce that their ID token must carry."""

    answer: TokenAnswer
    nonce: str | None = None


async def find(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> LoginContext:
    """Find the server, what it offers to this program, and make a key where tokens will be bound to one.

    Raises:
        Misuse: The server wants a secret also from a program that cannot keep one, and there is none; or as `discover`
            and `make_prover`, which may also raise `Refused`, `Malformed` and `Unreachable`.
    """
    habits = habits_of(profile.issuer)
    is_by_code = profile.flow in {"browser", "paste"}
    if credential is None and habits.code_needs_secret and (habits.device_needs_secret or is_by_code):
        hint = "Say where it lies: --secret-file PATH or --secret-env NAME."
        hint += "" if habits.device_needs_secret else " Or log in by code, which needs none: --flow device."
        raise Misuse("this issuer wants the program's secret, also where a program cannot keep one", hint=hint)
    metadata = await discover(world, profile)
    if credential is None and habits.code_needs_secret:
        metadata = replace(metadata, authorization_endpoint=None)
    client = OAuthClient.context(metadata, profile.client_id, credential)
    client.dpop_key = make_dpop_key(world, profile, metadata)
    return LoginContext(profile, metadata, client, assurance)


async def log_in(
    world: World,
    profile: Profile,
    credential: Credential | None = None,
    *,
    opens_page: bool = False,
    assurance: Assurance = ANY_LOGIN,
    last_name: str = "",
) -> StoredLogin:
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
    context = await find(world, profile, credential, assurance)
    way = profile.flow
    if way == "password":
        answer = await password_flow.log_in(world, context.metadata, context.client, profile, last_name)
        return await _judge(world, context, Brought(answer))
    if way != "auto":
        brought = await _through(world, way, context, opens_page=opens_page)
        _unlearn(world, context, way)
        return await _judge(world, context, brought)
    doors = _choose(world, context)
    for door, following in zip(doors, (*doors[1:], None), strict=True):
        try:
            brought = await _through(world, door, context, opens_page=opens_page)
        except Refused as problem:
            if following is None or not _is_about_us(problem):
                raise
            _learn(world, context, door)
            world.notify(FlowRefused(door, following))
        else:
            return await _judge(world, context, brought)
    raise Refused("the server offers no way for a person to log in", code="flow-unavailable")


async def plan(world: World, profile: Profile) -> Choice:
    """Which ways there are to log in from here, and why. Raises as `discover` does."""
    return (_weigh(world, (await find(world, profile))))[0]


async def begin(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> PendingLogin:
    """Show the person a code, and do not wait. Raises as `discover` and `device_flow.begin` do."""
    return await _begin_device(world, (await find(world, profile, credential, assurance)))


async def resume(world: World, profile: Profile, credential: Credential | None = None) -> StoredLogin:
    """Go on with a login that was begun by code, here or in another process that has gone.

    Raises:
        LoginRequired: None was, or it was another program's.
        KeyfobError: As `device_flow.finish` and `id_token.check`.
    """
    kept = world.load_pending(profile.name)
    pending = None if kept is None else PendingLogin.read(profile.name, kept, world.now())
    if pending is None or pending.profile != profile:
        raise LoginRequired("no login waits to be finished here", hint=f"Run: {command('login', profile.name)}")
    context = await find(world, profile, credential, pending.assurance)
    world.notify(pending.shown)
    return await _judge(world, context, Brought(await _finish_device(world, context, pending)))


def _choose(world: World, context: LoginContext) -> tuple[InteractiveFlow, ...]:
    """The ways to try.

    Raises:
        LoginRequired: There is nobody here.
    """
    choice, has_user = _weigh(world, context)
    if not has_user:
        raise LoginRequired(choice.reasons[0], code="no-terminal", hint=_elsewhere(context.profile))
    if choice.flows:
        world.notify(FlowChosen(choice.flows[0], choice.reasons))
    return choice.flows


def _weigh(world: World, context: LoginContext) -> tuple[Choice, bool]:
    """What was decided, and whether anybody is here."""
    here, has_user = world.surroundings()
    moment = world.now().wall
    capabilities = world.load_capabilities(context.profile.issuer, context.profile.client_id).fresh(moment)
    return choose(here, context.metadata, capabilities, has_user=has_user), has_user


def _elsewhere(profile: Profile) -> str:
    ours = command("login", profile.name)
    return f"Run in a terminal: {ours}. A program that shows a person what to do runs: {ours} --json"


def _is_about_us(problem: Refused) -> bool:
    """Whether this way is closed to this program, rather than this login refused."""
    is_final = isinstance(problem, LoginDeclined | LoginRequired)
    return not is_final and (problem.code == "flow-unavailable" or problem.oauth_code in _NOT_FOR_US)


def _learn(world: World, context: LoginContext, door: InteractiveFlow) -> None:
    moment = world.now().wall
    capabilities = world.load_capabilities(context.profile.issuer, context.profile.client_id)
    world.save_capabilities(
        context.profile.issuer, context.profile.client_id, capabilities.fresh(moment).with_refusal(door, moment)
    )


def _unlearn(world: World, context: LoginContext, door: InteractiveFlow) -> None:
    capabilities = world.load_capabilities(context.profile.issuer, context.profile.client_id)
    if door in capabilities.refused:
        world.save_capabilities(context.profile.issuer, context.profile.client_id, capabilities.without(door))


async def _through(world: World, door: InteractiveFlow, context: LoginContext, *, opens_page: bool = False) -> Brought:
    if door == "paste" and not world.surroundings()[0].has_terminal:
        return await _by_answers(world, context)
    if door == "device":
        pending = await _begin_device(world, context, opens=opens_page)
        return Brought(await _finish_device(world, context, pending))
    return await _by_browser(world, context, opens=door == "browser")


async def _begin_device(world: World, context: LoginContext, *, opens: bool = False) -> PendingLogin:
    pending = await device_flow.begin(
        world, context.metadata, context.client, context.profile, opens=opens, assurance=context.assurance
    )
    world.save_pending(context.profile.name, pending.write())
    return pending


async def _finish_device(world: World, context: LoginContext, pending: PendingLogin) -> TokenAnswer:
    """Wait for the person. What was parked is over when the server has said so; an interruption is no such word.

    Raises:
        Refused: As `polling.race`; so do the others.
        TimedOut: The codes have lapsed.
        Malformed: The tokens are none.
    """
    try:
        answer = await device_flow.finish(world, pending, context.client)
    except (Refused, TimedOut, Malformed):
        _unpark(world, pending)
        raise
    _unpark(world, pending)
    return answer


def _unpark(world: World, pending: PendingLogin) -> None:
    """Forget what was parked, if it is still this login: another may have been begun meanwhile (`--no-wait`)."""
    name = pending.profile.name
    try:
        kept = world.load_pending(name)
        found = None if kept is None else PendingLogin.read(name, kept, world.now())
    except (Malformed, Misuse, VaultUnavailable):
        found = None
    if found is None or found.device_code == pending.device_code:
        world.save_pending(name, None)


async def _by_browser(world: World, context: LoginContext, *, opens: bool) -> Brought:
    """By browser or pasted answer, or by code after all, whichever comes first.

    Raises:
        TimedOut: Nobody came back within ten minutes.
    """
    offers_device = context.metadata.device_authorization_endpoint is not None
    browser_login = await browser_flow.begin(
        world,
        context.metadata,
        context.client,
        context.profile,
        opens=opens,
        offers_device=offers_device,
        assurance=context.assurance,
    )
    ends = world.now().steady + browser_flow.LONGEST_VISIT
    while (left := ends - world.now().steady) > timedelta():
        event = await world.next_event(left)
        if isinstance(event, DeviceRequested) and offers_device:
            return await _by_code_too(world, context, browser_login)
        brought = None if event is None else browser_flow.read_answer(world, browser_login, event)
        if brought is not None:
            return await _redeem(world, context, browser_login, brought)
    hint = "Run the same command again, or say --flow device."
    raise TimedOut("nobody came back from the browser", hint=hint)


async def _by_answers(world: World, context: LoginContext) -> Brought:
    """As by pasting, where lines are answered and no keys are seen: through a program, or from a pipe.

    Raises:
        Refused: No answer was one to this login.
    """
    browser_login = await browser_flow.begin(world, context.metadata, context.client, context.profile, opens=False)
    for _ in range(_TRIES):
        text = await world.ask(Question("address", "Address that the browser ended at"))
        brought = browser_flow.read_answer(world, browser_login, Pasted(text))
        if brought is not None:
            return await _redeem(world, context, browser_login, brought)
    raise Refused("no answer was one to this login", hint="Run the same command again.")


async def _by_code_too(world: World, context: LoginContext, browser_login: browser_flow.BrowserLogin) -> Brought:
    """Ask for the code's tokens, and between two questions go on listening for the browser."""

    async def pause(span: timedelta) -> Mapping[str, str] | None:
        ends = world.now().steady + span
        while (left := ends - world.now().steady) > timedelta():
            event = await world.next_event(left)
            brought = None if event is None else browser_flow.read_answer(world, browser_login, event)
            if brought is not None:
                return brought
        return None

    pending = await _begin_device(world, context)
    first = await poll_or(world, device_flow.token_poll(pending), context.client, pause)
    _unpark(world, pending)
    return Brought(first) if isinstance(first, TokenAnswer) else (await _redeem(world, context, browser_login, first))


async def _redeem(
    world: World, context: LoginContext, browser_login: browser_flow.BrowserLogin, brought: Mapping[str, str]
) -> Brought:
    answer = await browser_flow.finish(world, context.metadata, context.client, browser_login, brought)
    return Brought(answer, browser_login.nonce)


async def _judge(world: World, context: LoginContext, brought: Brought) -> StoredLogin:
    who, answer = None, brought.answer
    if answer.id_token is not None:
        who = await check(
            world, answer.id_token, context.metadata, context.profile.client_id, brought.nonce, context.assurance
        )
    stored = StoredLogin.of(answer, context.metadata, context.profile, context.client, who, world.now().wall)
    if context.profile.dpop != "off" and stored.token_type != "DPoP":
        world.notify(NotBound())
    missing = context.profile.scope.names - stored.scope.names - _spoken_for(answer, stored.scope)
    if missing:
        world.notify(ScopeNarrowed(tuple(sorted(missing))))
    return stored


def _spoken_for(answer: TokenAnswer, granted: Scope) -> frozenset[str]:
    """Scopes that a server may leave unnamed: it names the API's alone, and the tokens that came say the rest."""
    who = _OF_PERSONS if answer.id_token is not None and not granted.names & _OF_PERSONS else frozenset[str]()
    return who | {"offline_access"} if answer.refresh_token is not None else who
