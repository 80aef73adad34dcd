"""A user's whole login: discovery, choice of the flow, verification of the ID token (OpenID Connect Core §3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from keyfob.client.flows import browser as browser_flow
from keyfob.client.flows import device as device_flow
from keyfob.client.flows import password as password_flow
from keyfob.client.flows.choice import Choice, choose
from keyfob.client.flows.id_token import check
from keyfob.client.flows.login_context import LoginContext, concede, find, forget, is_for_this_client, remember
from keyfob.client.flows.logout import log_out
from keyfob.client.flows.polling import poll_or
from keyfob.client.model.assurance import ANY_LOGIN, Assurance
from keyfob.client.model.credential import Credential
from keyfob.client.model.login_state import PendingLogin
from keyfob.client.model.notices import FlowChosen, FlowRefused, NotBound, ScopeLeftOut, ScopeNarrowed
from keyfob.client.model.profile import KEYFOB_LOGIN, FlowName, InteractiveFlow, Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.ports import DeviceRequested, Pasted, Question, World
from keyfob.errors import (
    KeyfobError,
    LoginRequired,
    Malformed,
    Misuse,
    Refused,
    TimedOut,
    VaultUnavailable,
)
from keyfob.protocol.scope import Scope
from keyfob.protocol.tokens import TokenAnswer

_TRIES: Final = 5
_USER_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone"})  # OpenID Connect Core §5.4


@dataclass(frozen=True, slots=True)
class TokenResult:
    """A token response, and the nonce that its ID token must carry."""

    answer: TokenAnswer
    nonce: str | None = None


async def log_in(
    world: World,
    profile: Profile,
    credential: Credential | None = None,
    *,
    opens_page: bool = False,
    assurance: Assurance = ANY_LOGIN,
    last_name: str = "",
) -> StoredLogin:
    """Log the user in.

    Args:
        profile: The settings. With `flow="auto"`, flows are tried, the safest first, until the server accepts a flow.
        credential: The client's secret or key, if it has one.
        opens_page: Whether the device flow opens `verification_uri_complete` in this machine's browser.
        assurance: Requirements on the user's authentication.
        last_name: The user name of the last login, to offer as the default when a user name is asked for; "" if
            unknown.

    Raises:
        LoginRequired: No user is present.
        LoginDeclined: The user declined.
        TimedOut: The login was not approved in time.
        Refused: The server refuses; code `flow-unavailable` if it supports no flow.
        Malformed: A response violates the protocol.
        Unreachable: There is no response.
        InvalidToken: The ID token fails verification.
        Misuse: The issuer's address is unsafe, or no port is free.
    """
    context = await find(world, profile, credential, assurance)
    if profile.flow == "auto":
        return await _by_safest_flow(world, context, opens_page=opens_page)
    chosen = _Run(profile.flow, opens_page=opens_page, last_name=last_name)
    after, result = await _run_flow(world, chosen, context)
    forget(world, context, profile.flow)
    return await _verify(world, after, result)


async def _by_safest_flow(world: World, context: LoginContext, *, opens_page: bool) -> StoredLogin:
    """Log in by the safest possible flow. If the server refuses a flow to this client, try the next flow.

    After a refusal, the user is sent to a browser only if the authorization endpoint accepts the client ID. Otherwise
    the user would wait in vain, since a server refuses every flow to an unknown client.

    Raises:
        Refused: The server refuses all flows, or supports no flow.
    """
    choice, refusals = _choose(world, context), dict[InteractiveFlow, Refused]()
    for flow, following in zip(choice.flows, (*choice.flows[1:], None), strict=False):
        doubt = next(iter(refusals.values()), None)
        try:
            after, result = await _run_flow(world, _Run(flow, opens_page=opens_page, doubt=doubt), context)
        except Refused as problem:
            if following is None or problem in refusals.values() or not is_for_this_client(problem):
                raise
            refusals[flow] = problem
            world.notify(FlowRefused(flow, following, problem.message))
        else:
            remember(world, context, context, tuple(refusals))
            return await _verify(world, after, result)
    what = "no login flow works from here"
    hint = f"{'; '.join(choice.reasons)}. To try a flow anyway, name it."
    raise Refused(what, code="flow-unavailable", hint=hint, flags="--flow device")


async def plan(world: World, profile: Profile) -> Choice:
    """Return the flows that are possible on this machine, and the reasons. Raises the errors of `discover`."""
    return _plan(world, await find(world, profile))


async def begin(
    world: World, profile: Profile, credential: Credential | None = None, assurance: Assurance = ANY_LOGIN
) -> PendingLogin:
    """Begin the device flow: show the user code, and return without waiting for the user.

    Raises:
        KeyfobError: Any error of `discover` or `device_flow.begin`.
    """
    context = tried = await find(world, profile, credential, assurance)
    while True:
        try:
            pending = await _begin_device(world, tried)
        except Refused as problem:
            tried = _concede(world, tried, problem)
        else:
            remember(world, context, tried)
            return pending


async def resume(world: World, profile: Profile, credential: Credential | None = None) -> StoredLogin:
    """Finish a device login that this process or another process began.

    Raises:
        LoginRequired: There is no pending login, or it was begun with other settings than the profile's.
        KeyfobError: Any error of `device_flow.finish` and `id_token.check`.
    """
    raw = world.load_pending(profile.name)
    pending = None if raw is None else PendingLogin.read(profile.name, raw, world.now())
    if pending is None or pending.profile != profile:
        raise LoginRequired("there is no pending login to resume", hint=profile.login_hint())
    context = await find(world, profile, credential, pending.assurance)
    world.notify(pending.shown)
    try:
        answer = await _finish_device(world, context, pending)
    except Refused as problem:
        less = concede(context, problem)
        if less is not None:
            remember(world, context, less)
            problem.hint, problem.flags = profile.login_hint(), ""  # which no longer asks for what was refused
        raise
    return await _verify(world, context, TokenResult(answer))


def _plan(world: World, context: LoginContext) -> Choice:
    surroundings, has_user = world.surroundings()
    capabilities = world.load_capabilities(context.profile.issuer, context.profile.client_id).fresh(world.now().wall)
    return choose(surroundings, context.metadata, capabilities, has_user=has_user)


def _terminal_hint(profile: Profile) -> str:
    hint = profile.login_hint("Run in a terminal", "Log in in a terminal")
    if profile.login_command != KEYFOB_LOGIN:
        return hint
    return f"{hint}. A program that can show messages to a user runs: {profile.login_line('--json')}"


def _choose(world: World, context: LoginContext) -> Choice:
    """Choose the flows to try, and notify the user of the first flow.

    Raises:
        LoginRequired: No user is present.
    """
    choice = _plan(world, context)
    if not world.surroundings()[1]:
        raise LoginRequired(choice.reasons[0], code="no-terminal", hint=_terminal_hint(context.profile))
    if choice.flows:
        world.notify(FlowChosen(choice.flows[0], choice.reasons))
    return choice


@dataclass(frozen=True, slots=True)
class _Run:
    """One flow to run.

    Attributes:
        opens_page: Whether the device flow opens `verification_uri_complete` in this machine's browser.
        last_name: The user name to offer as the default.
        doubt: The server's refusal of an earlier flow; None if there was none. Perhaps the client ID is unknown.
    """

    flow: FlowName
    opens_page: bool = False
    last_name: str = ""
    doubt: Refused | None = None


async def _run_flow(world: World, chosen: _Run, context: LoginContext) -> tuple[LoginContext, TokenResult]:
    """Run a flow. If the server refuses an added scope or requires a pushed request, repeat the flow accordingly."""
    tried = context
    while True:
        try:
            result = await _run_once(world, chosen, tried)
        except Refused as problem:
            tried = _concede(world, tried, problem)
            await world.stop_listening(succeeded=False)
        else:
            remember(world, context, tried)
            return tried, result


def _concede(world: World, context: LoginContext, problem: Refused) -> LoginContext:
    """Return the login without the refused scope, or with a pushed request. Raise `problem` if neither is possible."""
    less = concede(context, problem)
    if less is None:
        raise problem
    left_out = context.added - less.added
    if left_out:
        world.notify(ScopeLeftOut(tuple(sorted(left_out.names))))
    return less


async def _run_once(world: World, chosen: _Run, context: LoginContext) -> TokenResult:
    match chosen.flow:
        case "password":
            answer = await password_flow.log_in(
                world, context.metadata, context.client, context.profile, chosen.last_name
            )
            return TokenResult(answer)
        case "device":
            pending = await _begin_device(world, context, opens=chosen.opens_page)
            return TokenResult(await _finish_device(world, context, pending))
        case "paste" if not world.surroundings()[0].has_terminal:
            return await _by_asking(world, context)
        case _:
            return await _by_browser(world, context, opens=chosen.flow == "browser", doubt=chosen.doubt)


async def _begin_device(world: World, context: LoginContext, *, opens: bool = False) -> PendingLogin:
    pending = await device_flow.begin(
        world, context.metadata, context.client, context.profile, opens=opens, assurance=context.assurance
    )
    pending = replace(pending, profile=context.settings)
    world.save_pending(context.settings.name, pending.write())
    return pending


async def _finish_device(world: World, context: LoginContext, pending: PendingLogin) -> TokenAnswer:
    """Poll until the user has decided, and delete the stored pending login. An interruption does not delete it.

    Raises:
        Refused: The server ended the login.
        TimedOut: The codes have expired.
        Malformed: The tokens violate the protocol.
        KeyfobError: Any other error of `polling.poll_or`.
    """
    try:
        answer = await device_flow.finish(world, pending, context.client)
    except (Refused, TimedOut, Malformed):
        _remove_pending(world, pending)
        raise
    _remove_pending(world, pending)
    return answer


def _remove_pending(world: World, pending: PendingLogin) -> None:
    """Delete the stored pending login, unless another `keyfob login --no-wait` has replaced it by a newer one."""
    name = pending.profile.name
    try:
        raw = world.load_pending(name)
        found = None if raw is None else PendingLogin.read(name, raw, world.now())
    except (Malformed, Misuse, VaultUnavailable):
        found = None
    if found is None or found.device_code == pending.device_code:
        world.save_pending(name, None)


async def _by_browser(world: World, context: LoginContext, *, opens: bool, doubt: Refused | None = None) -> TokenResult:
    """Wait for the redirect or a pasted redirect URI; run the device flow if the user switches to it.

    Raises:
        Refused: `doubt` (see `browser.begin`), because the authorization endpoint refuses this client too.
        TimedOut: There was no redirect within ten minutes.
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
        doubt=doubt,
    )
    ends = world.now().steady + browser_flow.LONGEST_VISIT
    while (left := ends - world.now().steady) > timedelta():
        event = await world.next_event(left)
        if isinstance(event, DeviceRequested) and offers_device:
            return await _by_device_or_browser(world, context, browser_login)
        parameters = None if event is None else browser_flow.read_answer(world, browser_login, event)
        if parameters is not None:
            return await _redeem(world, context, browser_login, parameters)
    hint, flags = "Run the same command again, or log in with a code.", "--flow device"
    if context.added:  # some servers, such as GitLab, show a refused scope on a page and do not redirect
        hint += (
            " If the page complains about a scope, leave out those that were added by default "
            f"({context.added.write()})."
        )
        flags += ", or --exact-scope"
    raise TimedOut("the browser sent no response in time", hint=hint, flags=flags)


async def _by_asking(world: World, context: LoginContext) -> TokenResult:
    """Ask the user, through a calling program or a pipe, to paste the redirect URI as one line of input.

    Raises:
        Refused: No pasted text is a redirect of this login.
    """
    browser_login = await browser_flow.begin(world, context.metadata, context.client, context.profile, opens=False)
    for _ in range(_TRIES):
        text = await world.ask(Question("address", "Address at which the browser ended"))
        parameters = browser_flow.read_answer(world, browser_login, Pasted(text))
        if parameters is not None:
            return await _redeem(world, context, browser_login, parameters)
    raise Refused("no response belonged to this login", hint="Run the same command again.")


async def _by_device_or_browser(
    world: World, context: LoginContext, browser_login: browser_flow.PendingAuthorization
) -> TokenResult:
    """Run the device flow, and accept the browser's redirect between two polls."""

    async def pause(span: timedelta) -> Mapping[str, str] | None:
        ends = world.now().steady + span
        while (left := ends - world.now().steady) > timedelta():
            event = await world.next_event(left)
            parameters = None if event is None else browser_flow.read_answer(world, browser_login, event)
            if parameters is not None:
                return parameters
        return None

    pending = await _begin_device(world, context)
    first = await poll_or(world, device_flow.token_poll(pending), context.client, pause)
    _remove_pending(world, pending)
    return TokenResult(first) if isinstance(first, TokenAnswer) else await _redeem(world, context, browser_login, first)


async def _redeem(
    world: World, context: LoginContext, browser_login: browser_flow.PendingAuthorization, parameters: Mapping[str, str]
) -> TokenResult:
    answer = await browser_flow.finish(world, context.metadata, context.client, browser_login, parameters)
    return TokenResult(answer, browser_login.nonce)


async def _verify(world: World, context: LoginContext, result: TokenResult) -> StoredLogin:
    """Verify the ID token, and return the login. Revoke the tokens if the verification fails (any error of `check`).

    The user is notified if the token is not bound to a wanted DPoP key, or if a requested scope was not granted.
    """
    claims, answer = None, result.answer
    if answer.id_token is not None:
        try:
            claims = await check(
                world, answer.id_token, context.metadata, context.profile.client_id, result.nonce, context.assurance
            )
        except KeyfobError:
            # The refused login must not stay valid at the server.
            moment = world.now().wall
            dropped = StoredLogin.of(answer, context.metadata, context.profile, context.client, None, moment)
            await log_out(world, dropped, context.client)
            raise
    stored = StoredLogin.of(answer, context.metadata, context.profile, context.client, claims, world.now().wall)
    if context.profile.dpop != "off" and stored.token_type != "DPoP":
        world.notify(NotBound())
    missing = context.profile.scope.names - stored.scope.names - _implied(answer, stored.scope)
    if missing:
        world.notify(ScopeNarrowed(tuple(sorted(missing))))
    return stored


def _implied(answer: TokenAnswer, granted: Scope) -> frozenset[str]:
    """Return granted scopes that some servers do not list in `scope`.

    An ID token proves that the scopes of the user's data were granted. A refresh token proves `offline_access`. An
    access token without an expiry time counts as such a proof too, since it needs no refresh token.
    """
    # A token without an expiry time, such as GitHub's, needs no refresh token.
    is_lasting = answer.refresh_token is not None or answer.expires_in is None
    of_user = _USER_SCOPES if answer.id_token is not None and not granted.names & _USER_SCOPES else frozenset[str]()
    return of_user | {"offline_access"} if is_lasting else of_user
