"""GET and POST /activate: a person enters a code, compares, decides, logs in (RFC 8628 §3.3, §5.4, RFC 10027 §6.1).

A GET changes nothing, whoever opens the address; nothing is approved without a press of a button.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyfob.errors import Malformed
from keyfob.protocol.fields import read_form
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
from keyfob.server.endpoints.pages.browser import Visit, go_to, page, read_own_form, visit
from keyfob.server.endpoints.pages.pending_request import sid_of
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import BrowserSession, DeviceLogin, User
from keyfob.server.site import Site

# One sentence for a code that is wrong, lapsed, used or declined: which of them it is helps only a guesser.
UNKNOWN = "That code is not waiting for anybody. Look at it again, or start again in your program."
TOO_OLD = "That page was too old. Please start again."


async def show(site: Site, request: Request) -> Response:
    """The page to enter a code; with a code in the address, the page to compare it."""
    who = await visit(site, request)
    try:
        typed = read_form(request.query.encode(), "address").optional_text("user_code")
    except Malformed:
        typed = None
    if typed is None:
        return page(site, who, "enter.html", {"typed": "", "problem": ""})
    return await _compare(site, request, who, typed)


async def act(site: Site, request: Request) -> Response:
    """A button was pressed: continue with a code, confirm it, or decline."""
    who = await visit(site, request)
    fields = read_own_form(site, request, who)
    if fields is None:
        return page(site, who, "enter.html", {"typed": "", "problem": TOO_OLD}, 403)
    button, typed = fields.optional_text("button"), fields.optional_text("user_code") or ""
    if button not in {"confirm", "other", "decline"}:
        return await _compare(site, request, who, typed)
    login = await _find(site, request, typed)
    if isinstance(login, str):
        return page(site, who, "enter.html", {"typed": typed[:40], "problem": login}, 400)
    decided = await _decide(site, who, login, button)
    if decided is None:
        return page(site, who, "enter.html", {"typed": typed[:40], "problem": UNKNOWN}, 400)
    if button == "decline":
        site.note("fdecc", request, client_id=login.client_id)
        return go_to(site, who, "/activate/done")
    return go_to(site, who, "/activate/done" if decided.stage == "approved" else "/u/login")


async def done(site: Site, request: Request) -> Response:
    """How it ended, for the browser that decided."""
    who = await visit(site, request)
    if who.record is None or not who.record.outcome:
        return go_to(site, who, "/activate")
    return page(site, who, f"{who.record.outcome}.html", {})


async def _compare(site: Site, request: Request, who: Visit, typed: str) -> Response:
    login = await _find(site, request, typed)
    if isinstance(login, str):
        return page(site, who, "enter.html", {"typed": typed[:40], "problem": login}, 400)
    user = await site.store.read(lambda transaction: _logged_in(site, transaction, who.record, login))
    words = {"email": user.email if user else "", **describe(site, login, read_user_code(typed) or "")}
    return page(site, who, "confirm.html", words)


def describe(site: Site, login: DeviceLogin, user_code: str) -> dict[str, object]:
    """What a person is told of the program that asks (RFC 8628 §5.4)."""
    application, api = site.config.application(login.client_id), site.config.target(login.audience)
    scopes = api.scopes if api else {}
    return {
        "application": application.name if application else login.client_id,
        "api": api.name if api else login.audience,
        "user_code": user_code,
        "peer": login.peer or "an unknown address",
        "started": _ago(site.now(), login.created_at),
        "scopes": [scopes[name] for name in sorted(login.scope.names) if name in scopes],
        "knows_person": "profile" in login.scope or "email" in login.scope,
        "stays": "offline_access" in login.scope,
        "back": "",
    }


async def _find(site: Site, request: Request, typed: str) -> DeviceLogin | str:
    """The login that a code belongs to, or what to say instead. Wrong codes are paid for."""
    code = read_user_code(typed)
    if not typed.strip():
        return "Please enter the code that your program shows."
    if code is None:
        return UNKNOWN  # cannot be any code, so it is no guess
    span, now = site.config.device_lifetime, site.now()
    sizes = {network_of(request.peer): MOST_FROM_ONE_ADDRESS, "": guess_budget(site.config.guess_odds)}
    buckets = {who: refill(site.guesses.get(who), size, span, now) for who, size in sizes.items()}
    waits = [time_until_try(buckets[who], size, span) for who, size in sizes.items()]
    if any(waits):
        minutes = int(max(waits).total_seconds() // 60) + 1
        return f"Too many wrong codes were entered. Please try again in {minutes} min."
    hashed = keyed_hash(site.hash_keys.codes, code)
    login = await site.store.read(lambda transaction: transaction.device_by_user_code(hashed))
    if login is not None and is_open(login, now):
        return login
    for who, bucket in buckets.items():
        site.guesses.put(who, spend(bucket))
    site.note("fdeac", request, description="code unknown")
    return UNKNOWN


async def _decide(site: Site, who: Visit, found: DeviceLogin, button: str) -> DeviceLogin | None:
    now = site.now()

    def work(transaction: Transaction) -> DeviceLogin | None:
        login = transaction.device_by_code(found.device_code_hash)
        if login is None or not is_open(login, now):
            return None
        session = who.record or BrowserSession(who.session_hash, now, now)
        if button == "decline":
            return settle(transaction, move(login, "denied"), session, now)
        login = confirm(login, who.session_hash)
        user = _logged_in(site, transaction, session, login)
        if button == "confirm" and user is not None and session.auth_time is not None:
            approved = replace(approve(login, user.user_id, session.auth_time), sid=sid_of(site, who.session_hash))
            return settle(transaction, approved, session, now)
        transaction.save_device(login)
        transaction.save_session(replace(session, seen_at=now, device_code_hash=login.device_code_hash, outcome=""))
        return login

    return await site.store.write(work)


def _logged_in(site: Site, transaction: Transaction, session: BrowserSession | None, login: DeviceLogin) -> User | None:
    """Who is logged in at that browser, if the program is for people of their directory."""
    user = None if session is None or session.user_id is None else transaction.user_by_id(session.user_id)
    application = site.config.application(login.client_id)
    if user is None or user.is_blocked or application is None or user.connection not in application.connections:
        return None
    return user


def settle(transaction: Transaction, login: DeviceLogin, session: BrowserSession, now: datetime) -> DeviceLogin:
    """Save a decision, and how it ended for the session that made it."""
    transaction.save_device(login)
    ended = replace(session, seen_at=now, device_code_hash=None, outcome="denied")
    transaction.save_session(replace(ended, outcome="allowed") if login.stage == "approved" else ended)
    return login


def pending_of(transaction: Transaction, session: BrowserSession | None, now: datetime) -> DeviceLogin | None:
    """The login that this session has confirmed and may still approve."""
    if session is None or session.device_code_hash is None:
        return None
    login = transaction.device_by_code(session.device_code_hash)
    return login if may_approve(login, session.session_hash, now) else None


def _ago(now: datetime, then: datetime) -> str:
    minutes = int((now - then).total_seconds() // 60)
    shown = "less than a minute ago" if minutes < 1 else "1 minute ago" if minutes == 1 else f"{minutes} minutes ago"
    return f"{shown}, at {then:%H:%M} UTC"
