"""GET and POST /u/login: a user logs in, for a device login or an authorization request.

NIST SP 800-63B-4 §3.1.1, RFC 8628 §3.3, OpenID Connect Core §3.1.2.3.
"""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.decide.authorization_facts import LoginState
from keyfob.server.decide.authorization_request import next_step
from keyfob.server.decide.device import approve, confirm, move
from keyfob.server.decide.limits import LONGEST_EMAIL
from keyfob.server.decide.multifactor import LOGIN_LIFETIME, is_due
from keyfob.server.endpoints.pages.activate import TOO_OLD, describe, pending_of, settle
from keyfob.server.endpoints.pages.authorize import error_page, issue_code, refuse
from keyfob.server.endpoints.pages.browser import BrowserRequest, go_to, new_browser, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.consent import LOST, describe_asked, state_of
from keyfob.server.endpoints.pages.pending_request import PendingRequest, resume, sid_of
from keyfob.server.endpoints.password_check import PasswordRefused, check_password
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, MfaLogin, User
from keyfob.server.site import Site

# The same text for an unknown user, a wrong password and a blocked user (OWASP ASVS 6.3.8).
WRONG = "Wrong e-mail or password."
BUSY = "Too many people are logging in at this moment. Please try again in a few seconds."
Pending = DeviceLogin | PendingRequest


async def show(site: Site, request: Request) -> Response:
    """Show the login page, if the session has confirmed a user code or has an authorization request."""
    browser = await read_browser(site, request)
    pending = await pending_login(site, browser, state_of(request))
    if pending is None:
        return _nothing_pending(site, browser, state_of(request))
    hint = pending.accepted.asked.login_hint or "" if isinstance(pending, PendingRequest) else ""
    return _page(site, browser, pending, hint[:LONGEST_EMAIL], "", 200)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    state = None if fields is None else fields.optional_text("state")
    pending = await pending_login(site, browser, state)
    if fields is None or pending is None:
        if state is not None or state_of(request) is not None:
            return error_page(site, browser, LOST)
        return page(site, browser, "enter.html", {"typed": "", "problem": TOO_OLD}, 403)
    if fields.optional_text("button") == "decline":
        return await decline(site, request, browser, pending)
    user, problem = await _check(site, request, fields, pending)
    if user is None:
        email = fields.optional_text("email") or ""
        shown = _page(site, browser, pending, email[:LONGEST_EMAIL], problem, 503 if problem == BUSY else 403)
        return replace(shown, headers=(*shown.headers, ("retry-after", "2"))) if problem == BUSY else shown
    factors = await site.store.read(lambda transaction: transaction.authenticators(user.user_id))
    if not is_due(site.config.mfa, (one for one in factors if one.is_active)):
        return await complete(site, request, browser, pending, user)
    now = site.now()
    due = MfaLogin(browser.session_hash, user.user_id, "", "", Scope(), "browser", now, now + LOGIN_LIFETIME)
    await site.store.write(lambda transaction: transaction.save_mfa_login(due))
    return go_to(site, browser, "/u/mfa" if state is None else f"/u/mfa?state={state}")


async def pending_login(site: Site, browser: BrowserRequest, state: str | None) -> Pending | None:
    """Return what the user logs in for: an authorization request or a device login."""
    if state is not None:
        return resume(site, state)
    now = site.now()
    return await site.store.read(lambda transaction: pending_of(transaction, browser.record, now))


async def decline(site: Site, request: Request, browser: BrowserRequest, pending: Pending) -> Response:
    if isinstance(pending, PendingRequest):
        return refuse(site, request, browser, pending, "access_denied", "User did not authorize the request")
    await site.store.write(lambda transaction: _decline(transaction, site, browser))
    site.note("fdecc", request, client_id=pending.client_id)
    return go_to(site, browser, "/activate/done")


async def complete(site: Site, request: Request, browser: BrowserRequest, pending: Pending, user: User) -> Response:
    """Begin a new session for an authenticated user, and continue the pending login."""
    fresh, now = new_browser(site), site.now()
    session = BrowserSession(fresh.session_hash, now, now, user.user_id, now)
    if isinstance(pending, DeviceLogin):
        if not await site.store.write(lambda transaction: _approve(transaction, site, browser, session, user)):
            return page(site, browser, "enter.html", {"typed": "", "problem": TOO_OLD}, 400)
        site.note("s", request, user_id=user.user_id, client_id=pending.client_id)
        return go_to(site, fresh, "/activate/done")

    def begin(transaction: Transaction) -> LoginState:
        transaction.drop_session(browser.session_hash)
        transaction.save_session(session)
        accepted = pending.accepted
        audience = accepted.access.api.audience
        consent = transaction.consent(user.user_id, accepted.application.client_id, audience)
        return LoginState(user.user_id, now, consent)

    login = await site.store.write(begin)
    known = replace(fresh, record=session)
    if next_step(pending.accepted, login, now, just_logged_in=True) == "issue":
        return await issue_code(site, request, known, pending, login)
    return go_to(site, known, f"/u/consent?state={pending.token}")


def connections_of(site: Site, pending: Pending) -> tuple[str, ...]:
    """Return the connections whose users may log in."""
    if isinstance(pending, PendingRequest):
        named = pending.accepted.asked.connection
        return (named,) if named else pending.accepted.application.connections
    application = site.config.application(pending.client_id)
    return application.connections if application else ()


def describe_pending(site: Site, pending: Pending) -> dict[str, object]:
    """Return the page's values about the client and its request."""
    if isinstance(pending, PendingRequest):
        return {"state": pending.token, "approves": False, **describe_asked(pending)}
    return {"state": "", "approves": True, **describe(site, pending, "")}


def callback_of(pending: Pending) -> str | None:
    """Return the redirect URI that the page's form may lead to."""
    return pending.accepted.asked.redirect_uri if isinstance(pending, PendingRequest) else None


def _page(site: Site, browser: BrowserRequest, pending: Pending, email: str, problem: str, status: int) -> Response:
    words = {"email": email, "problem": problem, **describe_pending(site, pending)}
    return page(site, browser, "login.html", words, status, form_to=callback_of(pending))


def _nothing_pending(site: Site, browser: BrowserRequest, state: str | None) -> Response:
    return error_page(site, browser, LOST) if state is not None else go_to(site, browser, "/activate")


async def _check(site: Site, request: Request, fields: Fields, pending: Pending) -> tuple[User | None, str]:
    """Return the user, or the text of the problem."""
    email = (fields.optional_text("email") or "").strip()[:LONGEST_EMAIL]
    password = Secret(fields.optional_text("password") or "")
    found = await check_password(site, request, connections_of(site, pending), email, password)
    if not isinstance(found, PasswordRefused):
        return found, ""
    if found.is_busy:
        return None, BUSY
    if found.wait:
        return None, f"Too many wrong passwords. Please try again in {int(found.wait.total_seconds()) + 1} s."
    return None, WRONG


def _approve(
    transaction: Transaction, site: Site, browser: BrowserRequest, session: BrowserSession, user: User
) -> bool:
    """Approve the device login in a new session, which replaces the old one (session fixation)."""
    now = session.created_at
    login = pending_of(transaction, transaction.session(browser.session_hash), now)
    if login is None:
        return False
    transaction.drop_session(browser.session_hash)
    approved = approve(confirm(login, session.session_hash), user.user_id, now)
    settle(transaction, replace(approved, sid=sid_of(site, session.session_hash)), session, now)
    return True


def _decline(transaction: Transaction, site: Site, browser: BrowserRequest) -> None:
    session, now = transaction.session(browser.session_hash), site.now()
    login = pending_of(transaction, session, now)
    if login is not None and session is not None:
        settle(transaction, move(login, "denied"), session, now)
