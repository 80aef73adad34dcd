"""A whole login of a person: find the server, choose the way, judge who it was (OpenID Connect Core §3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.client.asks import Flow, Pasted, Switched, ask_person, hear, learn, look, now, park, recall, tell, unpark
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


def find(profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN) -> Flow[At]:
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
    metadata = yield from discover(profile)
    if credential is None and habits.code_needs_secret:
        metadata = replace(metadata, authorization_endpoint=None)
    program = Program.at(metadata, profile.client_id, credential)
    program.prover = yield from make_prover(profile, metadata)
    return At(profile, metadata, program, assurance)


def log_in(
    profile: Profile,
    credential: Credential | None = None,
    *,
    opens_page: bool = False,
    assurance: Assurance = ANY_LOGIN,
    last_name: str = "",
) -> Flow[Held]:
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
    at = yield from find(profile, credential, assurance)
    way = profile.way
    if way == "password":
        answer = yield from password_flow.log_in(at.metadata, at.program, profile, last_name)
        return (yield from _judge(at, Brought(answer)))
    if way != "auto":
        brought = yield from _through(way, at, opens_page=opens_page)
        yield from _unlearn(at, way)
        return (yield from _judge(at, brought))
    doors = yield from _choose(at)
    for door, following in zip(doors, (*doors[1:], None), strict=True):
        try:
            brought = yield from _through(door, at, opens_page=opens_page)
        except Refused as problem:
            if following is None or not _is_about_us(problem):
                raise
            yield from _learn(at, door)
            yield from tell(DoorRefused(door, following))
        else:
            return (yield from _judge(at, brought))
    raise Refused("the server offers no way for a person to log in", code="flow-unavailable")


def plan(profile: Profile) -> Flow[Choice]:
    """Which ways there are to log in from here, and why. Raises as `discover` does."""
    return (yield from _weigh((yield from find(profile))))[0]


def begin(
    profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> Flow[PendingLogin]:
    """Show the person a code, and do not wait. Raises as `discover` and `device_flow.begin` do."""
    return (yield from _begin_device((yield from find(profile, credential, assurance))))


def resume(profile: Profile, credential: Credential | None = None) -> Flow[Held]:
    """Go on with a login that was begun by code, here or in another process that has gone.

    Raises:
        LoginRequired: None was, or it was another program's.
        KeyfobError: As `device_flow.finish` and `id_token.check`.
    """
    kept = yield from unpark(profile.name)
    pending = None if kept is None else PendingLogin.read(profile.name, kept, (yield from now()))
    if pending is None or pending.profile != profile:
        raise LoginRequired("no login waits to be finished here", hint=f"Run: {command('login', profile.name)}")
    at = yield from find(profile, credential, pending.assurance)
    yield from tell(pending.shown)
    return (yield from _judge(at, Brought((yield from _finish_device(at, pending)))))


def _choose(at: At) -> Flow[tuple[Door, ...]]:
    """The ways to try.

    Raises:
        LoginRequired: There is nobody here.
    """
    choice, has_person = yield from _weigh(at)
    if not has_person:
        raise LoginRequired(choice.reasons[0], code="no-terminal", hint=_elsewhere(at.profile))
    if choice.doors:
        yield from tell(DoorChosen(choice.doors[0], choice.reasons))
    return choice.doors


def _weigh(at: At) -> Flow[tuple[Choice, bool]]:
    """What was decided, and whether anybody is here."""
    here, has_person = yield from look()
    moment = (yield from now()).wall
    learned = (yield from recall(at.profile.issuer, at.profile.client_id)).fresh(moment)
    return choose(here, at.metadata, learned, has_person=has_person), has_person


def _elsewhere(profile: Profile) -> str:
    ours = command("login", profile.name)
    return f"Run in a terminal: {ours}. A program that shows a person what to do runs: {ours} --json"


def _is_about_us(problem: Refused) -> bool:
    """Whether this way is closed to this program, rather than this login refused."""
    is_final = isinstance(problem, LoginDeclined | LoginRequired)
    return not is_final and (problem.code == "flow-unavailable" or problem.oauth_code in _NOT_FOR_US)


def _learn(at: At, door: Door) -> Flow[None]:
    moment = (yield from now()).wall
    learned = yield from recall(at.profile.issuer, at.profile.client_id)
    yield from learn(at.profile.issuer, at.profile.client_id, learned.fresh(moment).with_refusal(door, moment))


def _unlearn(at: At, door: Door) -> Flow[None]:
    learned = yield from recall(at.profile.issuer, at.profile.client_id)
    if door in learned.refused:
        yield from learn(at.profile.issuer, at.profile.client_id, learned.without(door))


def _through(door: Door, at: At, *, opens_page: bool = False) -> Flow[Brought]:
    if door == "paste" and not (yield from look())[0].has_terminal:
        return (yield from _by_answers(at))
    if door == "device":
        pending = yield from _begin_device(at, opens=opens_page)
        return Brought((yield from _finish_device(at, pending)))
    return (yield from _by_browser(at, opens=door == "browser"))


def _begin_device(at: At, *, opens: bool = False) -> Flow[PendingLogin]:
    pending = yield from device_flow.begin(at.metadata, at.program, at.profile, opens=opens, assurance=at.assurance)
    yield from park(at.profile.name, pending.write())
    return pending


def _finish_device(at: At, pending: PendingLogin) -> Flow[TokenAnswer]:
    """Wait for the person. What was parked is over when the server has said so; an interruption is no such word.

    Raises:
        Refused: As `polling.race`; so do the others.
        TimedOut: The codes have lapsed.
        Malformed: The tokens are none.
    """
    try:
        answer = yield from device_flow.finish(pending, at.program)
    except (Refused, TimedOut, Malformed):
        yield from _unpark(pending)
        raise
    yield from _unpark(pending)
    return answer


def _unpark(pending: PendingLogin) -> Flow[None]:
    """Forget what was parked, if it is still this login: another may have been begun meanwhile (`--no-wait`)."""
    name = pending.profile.name
    try:
        kept = yield from unpark(name)
        found = None if kept is None else PendingLogin.read(name, kept, (yield from now()))
    except (Malformed, Misuse, VaultUnavailable):
        found = None
    if found is None or found.device_code == pending.device_code:
        yield from park(name, None)


def _by_browser(at: At, *, opens: bool) -> Flow[Brought]:
    """By browser or pasted answer, or by code after all, whichever comes first.

    Raises:
        TimedOut: Nobody came back within ten minutes.
    """
    offers_device = at.metadata.device_authorization_endpoint is not None
    visit = yield from browser_flow.begin(
        at.metadata, at.program, at.profile, opens=opens, offers_device=offers_device, assurance=at.assurance
    )
    ends = (yield from now()).steady + browser_flow.LONGEST_VISIT
    while (left := ends - (yield from now()).steady) > timedelta():
        heard = yield from hear(left)
        if isinstance(heard, Switched) and offers_device:
            return (yield from _by_code_too(at, visit))
        brought = None if heard is None else (yield from browser_flow.read_answer(visit, heard))
        if brought is not None:
            return (yield from _redeem(at, visit, brought))
    hint = "Run the same command again, or say --flow device."
    raise TimedOut("nobody came back from the browser", hint=hint)


def _by_answers(at: At) -> Flow[Brought]:
    """As by pasting, where lines are answered and no keys are seen: through a program, or from a pipe.

    Raises:
        Refused: No answer was one to this login.
    """
    visit = yield from browser_flow.begin(at.metadata, at.program, at.profile, opens=False)
    for _ in range(_TRIES):
        text = yield from ask_person(Question("address", "Address that the browser ended at"))
        brought = yield from browser_flow.read_answer(visit, Pasted(text))
        if brought is not None:
            return (yield from _redeem(at, visit, brought))
    raise Refused("no answer was one to this login", hint="Run the same command again.")


def _by_code_too(at: At, visit: browser_flow.Visit) -> Flow[Brought]:
    """Ask for the code's tokens, and between two questions go on listening for the browser."""

    def pause(span: timedelta) -> Flow[Mapping[str, str] | None]:
        ends = (yield from now()).steady + span
        while (left := ends - (yield from now()).steady) > timedelta():
            heard = yield from hear(left)
            brought = None if heard is None else (yield from browser_flow.read_answer(visit, heard))
            if brought is not None:
                return brought
        return None

    pending = yield from _begin_device(at)
    first = yield from race(device_flow.awaited(pending), at.program, pause)
    yield from _unpark(pending)
    return Brought(first) if isinstance(first, TokenAnswer) else (yield from _redeem(at, visit, first))


def _redeem(at: At, visit: browser_flow.Visit, brought: Mapping[str, str]) -> Flow[Brought]:
    answer = yield from browser_flow.finish(at.metadata, at.program, visit, brought)
    return Brought(answer, visit.nonce)


def _judge(at: At, brought: Brought) -> Flow[Held]:
    who, answer = None, brought.answer
    if answer.id_token is not None:
        who = yield from check(answer.id_token, at.metadata, at.profile.client_id, brought.nonce, at.assurance)
    held = Held.of(answer, at.metadata, at.profile, at.program, who, (yield from now()).wall)
    if at.profile.dpop != "off" and held.token_type != "DPoP":
        yield from tell(NotBound())
    missing = at.profile.scope.names - held.scope.names - _spoken_for(answer, held.scope)
    if missing:
        yield from tell(ScopeNarrowed(tuple(sorted(missing))))
    return held


def _spoken_for(answer: TokenAnswer, granted: Scope) -> frozenset[str]:
    """Scopes that a server may leave unnamed: it names the API's alone, and the tokens that came say the rest."""
    who = _OF_PERSONS if answer.id_token is not None and not granted.names & _OF_PERSONS else frozenset[str]()
    return who | {"offline_access"} if answer.refresh_token is not None else who
