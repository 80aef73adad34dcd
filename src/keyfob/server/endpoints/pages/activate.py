"""GET and POST /activate: a user enters a user code, compares it and decides (RFC 8628 §3.3, §5.4, RFC 10027 §6.1).

A GET changes nothing. A login is only approved by a form.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyfob.errors import Malformed
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.device import approve, confirm, is_open, may_approve, move
from keyfob.server.decide.throttle import (
    MOST_FROM_ONE_ADDRESS,
    guess_budget,
    network_of,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.decide.user_code import read_user_code
from keyfob.server.endpoints.oauth.parameters import read_query
from keyfob.server.endpoints.pages.browser import BrowserRequest, go_to, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.pending_request import sid_of
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, User
from keyfob.server.site import Site

# The same text for a code that is wrong, expired, used or declined, so that it does not help an attacker to guess.
UNKNOWN = "That code is not waiting for anybody. Look at it again, or start again in your program."
TOO_OLD = "That page was too old. Please start again."


async def show(site: Site, request: Request) -> Response:
    """Show the page to enter a code; with a code in the query, the page to compare it."""
    browser = await read_browser(site, request)
    try:
        typed = read_query(request).optional_text("user_code")
    except Malformed:
        typed = None
    if typed is None:
        return page(site, browser, "enter.html", {"typed": "", "problem": ""})
    return await _compare(site, request, browser, typed)


async def act(site: Site, request: Request) -> Response:
    """Look up the code, confirm it, or decline the login."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return page(site, browser, "enter.html", {"typed": "", "problem": TOO_OLD}, 403)
    button, typed = fields.optional_text("button"), fields.optional_text("user_code") or ""
    if button not in {"confirm", "other", "decline"}:
        return await _compare(site, request, browser, typed)
    login = await _find(site, request, typed)
    if isinstance(login, str):
        return page(site, browser, "enter.html", {"typed": typed[:40], "problem": login}, 400)
    decided = await _decide(site, browser, login, button)
    if decided is None:
        return page(site, browser, "enter.html", {"typed": typed[:40], "problem": UNKNOWN}, 400)
    if button == "decline":
        site.note("fdecc", request, client_id=login.client_id)
        return go_to(site, browser, "/activate/done")
    return go_to(site, browser, "/activate/done" if decided.stage == "approved" else "/u/login")


async def done(site: Site, request: Request) -> Response:
    """Show the result of the decision."""
    browser = await read_browser(site, request)
    if browser.record is None or not browser.record.outcome:
        return go_to(site, browser, "/activate")
    return page(site, browser, f"{browser.record.outcome}.html", {})


async def _compare(site: Site, request: Request, browser: BrowserRequest, typed: str) -> Response:
    login = await _find(site, request, typed)
    if isinstance(login, str):
        return page(site, browser, "enter.html", {"typed": typed[:40], "problem": login}, 400)
    user = await site.store.read(lambda transaction: _logged_in(site, transaction, browser.record, login))
    words = {"email": user.email if user else "", **describe(site, login, read_user_code(typed) or "")}
    return page(site, browser, "confirm.html", words)


def describe(site: Site, login: DeviceLogin, user_code: str) -> dict[str, object]:
    """Return the page's values about the client and its device login (RFC 8628 §5.4)."""
    application, api = site.config.application(login.client_id), site.config.target(login.audience)
    scopes = api.scopes if api else {}
    return {
        "application": application.name if application else login.client_id,
        "api": api.name if api else login.audience,
        "user_code": user_code,
        "peer": login.peer,
        "started": _ago(site.now(), login.created_at),
        "scopes": [scopes[name] for name in sorted(login.scope.names) if name in scopes],
        "knows_person": "profile" in login.scope or "email" in login.scope,
        "stays": "offline_access" in login.scope,
        "back": "",
    }


async def _find(site: Site, request: Request, typed: str) -> DeviceLogin | str:
    """Return the login of a user code, or the text of the problem. Count wrong codes."""
    code = read_user_code(typed)
    if not typed.strip():
        return "Please enter the code that your program shows."
    if code is None:
        return UNKNOWN  # not a possible code, so it does not count as a guess
    span, now = site.config.device_lifetime, site.now()
    sizes = {network_of(request.peer): MOST_FROM_ONE_ADDRESS, "": guess_budget(site.config.guess_odds)}
    buckets = {network: refill(site.user_code_tries.get(network), size, span, now) for network, size in sizes.items()}
    waits = [time_until_try(buckets[network], size, span) for network, size in sizes.items()]
    if any(waits):
        minutes = int(max(waits).total_seconds() // 60) + 1
        return f"Too many wrong codes were entered. Please try again in {minutes} min."
    hashed = keyed_hash(site.hash_keys.codes, code)
    login = await site.store.read(lambda transaction: transaction.device_by_user_code(hashed))
    if login is not None and is_open(login, now):
        return login
    for network, bucket in buckets.items():
        site.user_code_tries.put(network, spend(bucket))
    site.note("fdeac", request, description="code unknown")
    return UNKNOWN


async def _decide(site: Site, browser: BrowserRequest, found: DeviceLogin, button: str) -> DeviceLogin | None:
    now = site.now()

    def work(transaction: Transaction) -> DeviceLogin | None:
        login = transaction.device_by_code(found.device_code_hash)
        if login is None or not is_open(login, now):
            return None
        session = browser.record or BrowserSession(browser.session_hash, now, now)
        if button == "decline":
            return settle(transaction, move(login, "denied"), session, now)
        before, login = login.session_hash, confirm(login, browser.session_hash)
        user = _logged_in(site, transaction, session, login)
        if button == "confirm" and user is not None and session.auth_time is not None:
            approved = replace(approve(login, user.user_id, session.auth_time), sid=sid_of(site, browser.session_hash))
            return settle(transaction, approved, session, now)
        if before not in {None, browser.session_hash}:
            _drop_unused(transaction, before or b"", login)
        transaction.save_device(login)
        transaction.save_session(replace(session, seen_at=now, device_code_hash=login.device_code_hash, outcome=""))
        return login

    return await site.store.write(work)


def _drop_unused(transaction: Transaction, session_hash: bytes, login: DeviceLogin) -> None:
    """Delete the session without a user that confirmed the code before, so that each code keeps one at most."""
    session = transaction.session(session_hash)
    if session is not None and session.user_id is None and session.device_code_hash == login.device_code_hash:
        transaction.drop_session(session.session_hash)


def _logged_in(site: Site, transaction: Transaction, session: BrowserSession | None, login: DeviceLogin) -> User | None:
    """Return the user who is logged in, if the user's connection is enabled for the client."""
    user = None if session is None or session.user_id is None else transaction.user_by_id(session.user_id)
    application = site.config.application(login.client_id)
    if user is None or user.is_blocked or application is None or user.connection not in application.connections:
        return None
    return user


def settle(transaction: Transaction, login: DeviceLogin, session: BrowserSession, now: datetime) -> DeviceLogin:
    """Save a decision, and its result in the session that made it."""
    transaction.save_device(login)
    ended = replace(session, seen_at=now, device_code_hash=None, outcome="denied")
    transaction.save_session(replace(ended, outcome="allowed") if login.stage == "approved" else ended)
    return login


def pending_of(transaction: Transaction, session: BrowserSession | None, now: datetime) -> DeviceLogin | None:
    """Return the login that the session has confirmed and may still approve."""
    if session is None or session.device_code_hash is None:
        return None
    login = transaction.device_by_code(session.device_code_hash)
    return login if may_approve(login, session.session_hash, now) else None


def _ago(now: datetime, then: datetime) -> str:
    minutes = int((now - then).total_seconds() // 60)
    shown = "less than a minute ago" if minutes < 1 else "1 minute ago" if minutes == 1 else f"{minutes} minutes ago"
    return f"{shown}, at {then:%H:%M} UTC"
