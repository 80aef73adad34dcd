"""GET and POST /u/login: a person logs in, and so approves what they confirmed (NIST SP 800-63B-4 §3.1.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.device import approve, confirm, move
from keyfob.server.decide.throttle import Failures, network_of, password_wait
from keyfob.server.endpoints.activate import TOO_OLD, describe, pending_of, settle
from keyfob.server.endpoints.browser import Visit, go_to, new_visit, page, read_own_form, visit
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, User
from keyfob.server.site import Site

# One sentence for an unknown person, a wrong password and a blocked account (OWASP ASVS 6.3.8).
WRONG = "Wrong e-mail or password."
_LONGEST_PASSWORD = 1024


async def show(site: Site, request: Request) -> Response:
    """The page to log in; only for a session that has confirmed a code."""
    who = await visit(site, request)
    login = await _pending(site, who)
    if login is None:
        return go_to(site, who, "/activate")
    return page(site, who, "login.html", {"email": "", "problem": "", **describe(site, login, "")})


async def act(site: Site, request: Request) -> Response:
    """Log in, or cancel."""
    who = await visit(site, request)
    fields, login = read_own_form(site, request, who), await _pending(site, who)
    if fields is None or login is None:
        return page(site, who, "enter.html", {"typed": "", "problem": TOO_OLD}, 403)
    if fields.optional_text("button") == "decline":
        await site.store.write(lambda transaction: _decline(transaction, who, site.now()))
        site.note("fdecc", request, client_id=login.client_id)
        return go_to(site, who, "/activate/done")
    email, password = fields.optional_text("email") or "", fields.optional_text("password") or ""
    user, problem = await _check(site, request, email.strip()[:320], Secret(password))
    if user is None:
        shown = describe(site, login, "")
        return page(site, who, "login.html", {"email": email[:320], "problem": problem, **shown}, 403)
    fresh = new_visit(site)
    if not await site.store.write(lambda transaction: _approve(transaction, who, fresh, user, site.now())):
        return page(site, who, "enter.html", {"typed": "", "problem": TOO_OLD}, 400)
    site.note("s", request, user_id=user.user_id, client_id=login.client_id)
    return go_to(site, fresh, "/activate/done")


async def _pending(site: Site, who: Visit) -> DeviceLogin | None:
    now = site.now()
    return await site.store.read(lambda transaction: pending_of(transaction, who.record, now))


async def _check(site: Site, request: Request, email: str, password: Secret) -> tuple[User | None, str]:
    """Who it is, or what to say. An unknown e-mail costs as much time as a known one."""
    account, now = (email.lower(), network_of(request.peer)), site.now()
    failures = site.failures.get(account)
    wait = password_wait(failures, now)
    if wait:
        return None, f"Too many wrong passwords. Please try again in {int(wait.total_seconds()) + 1} s."
    # Counted before the slow part, so that a hundred tries at once are a hundred tries.
    site.failures.put(account, Failures((failures.count if failures else 0) + 1, now))
    user = await site.store.read(lambda transaction: transaction.user_by_email(email))
    fits = len(password.reveal()) <= _LONGEST_PASSWORD and await site.passwords.verify(
        password, user.password_hash if user else None
    )
    if user is None or not fits or user.is_blocked:
        site.note("fp", request, user_name=email, description="wrong e-mail or password")
        return None, WRONG
    site.failures.drop(account)
    if site.passwords.is_outdated(user.password_hash):
        stronger = replace(user, password_hash=await site.passwords.hash(password))
        await site.store.write(lambda transaction: transaction.save_user(stronger))
    return user, ""


def _approve(transaction: Transaction, who: Visit, fresh: Visit, user: User, now: datetime) -> bool:
    """A new session id at login: one that somebody planted before is worth nothing afterwards."""
    login = pending_of(transaction, transaction.session(who.session_hash), now)
    if login is None:
        return False
    transaction.drop_session(who.session_hash)
    session = BrowserSession(fresh.session_hash, now, now, user.user_id, now)
    settle(transaction, approve(confirm(login, fresh.session_hash), user.user_id, now), session, now)
    return True


def _decline(transaction: Transaction, who: Visit, now: datetime) -> None:
    session = transaction.session(who.session_hash)
    login = pending_of(transaction, session, now)
    if login is not None and session is not None:
        settle(transaction, move(login, "denied"), session, now)
