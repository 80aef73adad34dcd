"""GET and POST /u/login: a user logs in, for a device login, an authorization request, or to set up a second factor.

NIST SP 800-63B-4 §3.1.1, RFC 8628 §3.3, OpenID Connect Core §3.1.2.3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.decide.approval import needs_factor
from keyfob.server.decide.authorization_facts import LoginState
from keyfob.server.decide.authorization_request import next_step
from keyfob.server.decide.browser_login import BrowserLogin, Facts, Step, advance, begin_for_user
from keyfob.server.decide.device import may_approve, move
from keyfob.server.decide.limits import LONGEST_EMAIL
from keyfob.server.decide.multifactor import ANOTHER, LOGIN_LIFETIME, is_due
from keyfob.server.decide.throttle import network_of
from keyfob.server.endpoints.oauth.factors import save_factor_due
from keyfob.server.endpoints.pages.activate import REFUSED_FROM_HERE, describe_device, note_refusal, start_again
from keyfob.server.endpoints.pages.authorize import issue_code, refuse
from keyfob.server.endpoints.pages.browser import (
    BrowserRequest,
    error_page,
    go_to,
    new_browser,
    page,
    read_browser,
    read_own_form,
    sid_of,
)
from keyfob.server.endpoints.pages.consent import describe_asked
from keyfob.server.endpoints.pages.device_approval import decide_here, nearness_to, prepare, tell_user
from keyfob.server.endpoints.pages.passkey_login import prove, request_words
from keyfob.server.endpoints.pages.sealed_login import (
    LAPSED,
    LOST,
    ContinuedLogin,
    again,
    allowed_user,
    connections_of,
    resume,
    stale_login,
    state_of,
    to_step,
)
from keyfob.server.endpoints.password_check import PasswordRefused, check_password, is_changed
from keyfob.server.keyed_hash import typed_proof
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, MfaLogin, User
from keyfob.server.site import Site

# The same text for an unknown user, a wrong password and a blocked user (OWASP ASVS 6.3.8).
WRONG: Final = "wrong_password"
_FACTOR_BYTES: Final = 32


async def enrol(site: Site, request: Request) -> Response:
    """GET /u/enrol: begin a login that only sets up a second factor. The password is always required."""
    browser = await read_browser(site, request)
    return to_step(site, browser, begin_for_user("login", site.now(), goal="enrolment"))


async def show(site: Site, request: Request) -> Response:
    """Show the login page for a login that is at the step `login`."""
    browser, token = await read_browser(site, request), state_of(request)
    if token is None:
        return go_to(site, browser, "/activate")
    pending = await resume(site, browser, token, "login")
    if not isinstance(pending, ContinuedLogin):
        return not_here(site, browser, pending)
    login, accepted = pending.login, pending.accepted
    hint = accepted.asked.login_hint or "" if accepted is not None else ""
    words = {"email": login.email or hint[:LONGEST_EMAIL], "may_reset": site.mailer is not None}
    words |= {"may_sign_up": site.may_sign_up, **describe_pending(site, request, pending)}
    words |= request_words(site, browser, pending.token)
    has_script = bool(site.rp_id)
    return page(site, browser, "login.html", words, login.status, form_to=pending.callback, has_script=has_script)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        stale = stale_login(site, request)
        if stale is None and state_of(request) is not None:
            return error_page(site, browser, LOST)
        if stale is not None and stale.request is not None and stale.session_hash is None:
            return to_step(site, browser, stale)
        return start_again(site, request, browser)
    pending = await resume(site, browser, fields.optional_text("state"), "login")
    if not isinstance(pending, ContinuedLogin):
        return not_here(site, browser, pending)
    if fields.optional_text("button") == "decline":
        return await decline(site, request, browser, pending)
    if fields.optional_text("button") == "passkey":
        return await _with_passkey(site, request, browser, pending, fields)
    user = await _check(site, request, fields, pending)
    if isinstance(user, PasswordRefused):
        problem = problem_of(user)
        problem["email"] = (fields.optional_text("email") or "")[:LONGEST_EMAIL]
        return again(site, browser, pending, **problem)
    factors = await site.store.read(lambda transaction: transaction.authenticators(user.user_id))
    active = [one for one in factors if one.is_active]
    is_stepped_up = bool(active) and _needs_factor(site, request, pending)
    if not pending.login.is_enrolment and not is_due(site.config.mfa, active) and not is_stepped_up:
        return await complete(site, request, browser, pending, user)
    begun = await _begin_factor(site, browser, pending, user, has_one=bool(active))
    return (
        again(site, browser, pending, **problem_of(PasswordRefused()))
        if begun is None
        else to_step(site, browser, begun)
    )


async def _with_passkey(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, fields: Fields
) -> Response:
    """Log in with a passkey, which counts as password and second factor, since the authenticator verifies the user."""
    user = await prove(site, request, browser, pending, fields)
    if user is None:
        return again(site, browser, pending, problem="wrong_passkey", status=403)
    return await after_factor(site, request, browser, pending, user)


async def after_factor(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    pending: ContinuedLogin,
    user: User,
    recovery: Secret | None = None,
) -> Response:
    """Continue a login whose second factor is proven.

    If the purpose of the login is to set up an authenticator app, and the user has none yet, go to that step. In every
    other case, complete the login.
    """
    if pending.login.is_enrolment and recovery is None and "otp" in site.config.factors:
        factors = await site.store.read(lambda transaction: transaction.authenticators(user.user_id))
        if not any(one.factor == "otp" and one.is_active for one in factors):
            begun = await _begin_factor(site, browser, pending, user, has_one=False, grant=ANOTHER)
            return error_page(site, browser, LOST) if begun is None else to_step(site, browser, begun)
    return await complete(site, request, browser, pending, user, recovery, has_factor=True)


def _needs_factor(site: Site, request: Request, pending: ContinuedLogin) -> bool:
    if pending.login.goal == "change":
        return True
    device = pending.device
    if device is None:
        return False
    return needs_factor(
        site.config.device_rules(site.config.application(device.client_id)), nearness_to(request, device)
    )


def not_here(site: Site, browser: BrowserRequest, found: BrowserLogin | str) -> Response:
    """Return the response for a login that cannot continue.

    If the user of this session has already decided, redirect to the page with the result. Otherwise return an error
    page: the login has expired, belongs to another session, or cannot be read.
    """
    if isinstance(found, BrowserLogin):
        return to_step(site, browser, found)
    return error_page(site, browser, LAPSED if found == LAPSED else LOST)


async def decline(site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin) -> Response:
    """Decline the authorization request or the device login that the form belongs to."""
    login, device_hash, now = pending.login, pending.login.device_hash, site.now()
    if pending.accepted is not None:
        return refuse(site, request, browser, pending, "access_denied", "User did not authorize the request")

    async def work(transaction: Transaction) -> bool:
        device = None if device_hash is None else await transaction.device_by_code(device_hash)
        if device is None or not may_approve(device, browser.session_hash, now):
            return False
        await transaction.save_device(move(device, "denied"))
        return True

    if device_hash is not None:
        if not await site.store.write(work):
            return error_page(site, browser, LOST)
        site.note("fdecc", request, client_id=pending.client_id)
    return to_step(site, browser, advance(login, "denied"))


async def complete(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    pending: ContinuedLogin,
    known: User,
    recovery: Secret | None = None,
    *,
    has_factor: bool = False,
) -> Response:
    """Begin a session for an authenticated user, and approve the device login or continue the authorization request.

    Args:
        site: The tenant.
        request: The request, for the audit log.
        browser: The session before the login. It ends, to prevent session fixation.
        pending: The login that the password and the second factor were typed for.
        known: The user, as loaded before the password or the factor was checked. The user's connection is checked
            again.
        recovery: A recovery code to show on the next page; None if there is none.
        has_factor: Whether the user has proven a second factor.
    """
    fresh, now, user_id = new_browser(site, request), site.now(), known.user_id
    session = BrowserSession(fresh.session_hash, now, now, user_id, now, network_of(request.peer) or None, has_factor)
    device_hash = pending.login.device_hash
    prepared = prepare(site, device_hash or b"", pending.client_id)

    async def begin(transaction: Transaction) -> LoginState | str:
        user = await allowed_user(transaction, connections_of(site, pending), user_id)
        if user is None or is_changed(user, known):
            return LOST
        if device_hash is not None:
            device = await transaction.device_by_code(device_hash)
            refused = _refusal(site, request, browser, device)
            if device is None or refused:
                return refused
            await transaction.save_device(prepared.apply(site, request, device, session.session_hash, user_id, now))
        await transaction.drop_session(browser.session_hash)
        await transaction.save_session(session)
        access = None if pending.accepted is None else pending.accepted.access
        consent = None if access is None else await transaction.consent(user_id, pending.client_id, access.api.audience)
        return LoginState(user_id, now, consent)

    state = await site.store.write(begin)
    if isinstance(state, str):
        note_refusal(site, request, pending, state)
        return error_page(site, browser, state)
    if pending.accepted is None:
        sid = sid_of(site, session.session_hash)
        site.note("s", request, user_id=user_id, client_id=pending.client_id, session_id=sid)
    here = replace(fresh, record=session)
    was_typed = pending.login.typed_by == browser.session_hash
    login = replace(
        pending.login, session_hash=fresh.session_hash, expires_at=max(pending.login.expires_at, now + LOGIN_LIFETIME),
        typed_by=fresh.session_hash if was_typed else None,
    )  # fmt: skip
    if device_hash is not None:
        tell_user(site, request, device_hash, prepared.link)
        login = replace(login, number=prepared.number, end_link=prepared.link)
    if recovery is not None:
        return to_step(site, here, advance(login, "recovery", user_id=user_id, recovery_code=recovery))
    return await go_on(site, request, here, replace(pending, login=login), state)


def _refusal(site: Site, request: Request, browser: BrowserRequest, device: DeviceLogin | None) -> str:
    """Return the reason why a user who has just logged in may not approve a device login from this browser, or ""."""
    now = site.now()
    if device is None or not may_approve(device, browser.session_hash, now):
        return LOST
    is_refused = decide_here(site, request, device, now, just_logged_in=True) == "refuse"
    return REFUSED_FROM_HERE if is_refused else ""


async def go_on(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, state: LoginState
) -> Response:
    """Go to the next step, after the user has logged in for this request."""
    login = pending.login
    if pending.accepted is not None:
        if next_step(pending.accepted, state, site.now(), just_logged_in=True) == "issue":
            return await issue_code(site, request, browser, pending, state)
        return to_step(site, browser, advance(login, "consent"))
    if login.goal in {"account", "change"}:
        return to_step(site, browser, advance(login, "notice"))
    if login.is_for_the_user and not login.is_enrolment:
        if not login.user_code:
            return go_to(site, browser, "/activate")
        words = {"user_code": login.user_code}
        if login.typed_by == browser.session_hash:
            words["typed"] = typed_proof(site.hash_keys, login.user_code, browser.session_hash)
        return go_to(site, browser, f"/activate?{urlencode(words)}")
    return to_step(site, browser, advance(login, "allowed"))


def describe_pending(site: Site, request: Request, pending: ContinuedLogin) -> dict[str, object]:
    """Return the template values about the client and its request."""
    login = pending.login
    own: dict[str, object] = {"state": pending.token, "approves": pending.device is not None}
    own |= {"problem": login.problem, "count": login.count, "told": login.told}
    if pending.accepted is not None:
        return {**own, "goal": "client", **describe_asked(site, pending.accepted)}
    if pending.device is not None:
        return {**own, "goal": "client", **describe_device(site, request, pending.device)}
    return {**own, "goal": login.goal, "application": ""}


async def _begin_factor(
    site: Site, browser: BrowserRequest, pending: ContinuedLogin, user: User, *, has_one: bool, grant: str = "browser"
) -> BrowserLogin | None:
    """Store that the password was right, and return the login at the step of the second factor.

    Return None if the user was deleted, was blocked or got a new password since `user` was loaded.
    """
    now, factor_hash = site.now(), site.random(_FACTOR_BYTES)
    due = MfaLogin(factor_hash, user.user_id, pending.client_id, "", Scope(), grant, now, now + LOGIN_LIFETIME)
    if not await site.store.write(lambda transaction: save_factor_due(transaction, due, user)):
        return None
    step: Step = "factor" if has_one else "enrol"
    facts = Facts(session_hash=browser.session_hash, user_id=user.user_id, factor_hash=factor_hash)
    return advance(pending.login, step, **facts)


async def _check(site: Site, request: Request, fields: Fields, pending: ContinuedLogin) -> User | PasswordRefused:
    email = (fields.optional_text("email") or "").strip()[:LONGEST_EMAIL]
    password = Secret(fields.optional_text("password") or "")
    return await check_password(site, request, connections_of(site, pending), email, password)


def problem_of(refused: PasswordRefused) -> Facts:
    """Return the problem that the page shows for a refused password."""
    if refused.is_busy:
        return Facts(problem="busy", status=503)
    if refused.wait:
        return Facts(problem="too_many_passwords", count=int(refused.wait.total_seconds()) + 1, status=403)
    return Facts(problem=WRONG, status=403)
