"""GET and POST /activate: a user enters and compares a user code, then decides (RFC 8628 §3.3, §5.4, RFC 10027 §6.1).

A GET changes nothing. Only a form can approve a login.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal

from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.approval import scope_of
from keyfob.server.decide.browser_login import BrowserLogin, advance, begin_device, begin_for_user, belongs_to, ending
from keyfob.server.decide.device import confirm, is_open, move
from keyfob.server.decide.throttle import CODES, MOST_FROM_ONE_ADDRESS, GuessLimit, network_of
from keyfob.server.decide.user_code import LONGEST_TYPED, read_user_code
from keyfob.server.endpoints.budget import Budget
from keyfob.server.endpoints.pages.browser import BrowserRequest, go_to, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.client_words import client_words
from keyfob.server.endpoints.pages.device_approval import PreparedApproval, decide_here, nearness_to, prepare, tell_user
from keyfob.server.endpoints.pages.sealed_login import (
    LAPSED,
    ContinuedLogin,
    allowed_user,
    connections_of_device,
    query_text,
    read_ending,
    resume,
    seal_login,
    stale_login,
    state_of,
    to_step,
)
from keyfob.server.keyed_hash import keyed_hash, link_proof, typed_proof
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, User
from keyfob.server.settings.device_rules import DeviceRules
from keyfob.server.site import Site

# The same text for a code that is wrong, expired, used or declined, so that it does not help an attacker to guess.
UNKNOWN: Final = "unknown_code"
REFUSED_FROM_HERE: Final = "refused_from_here"
TYPE_IT: Final = "type_it"


async def show(site: Site, request: Request) -> Response:
    """Show the page that the URL leads to.

    The code of an undecided login leads to the page to compare the code. No code or a wrong code leads to the page to
    enter a code. If the login is at another step, redirect to the page of that step.
    """
    browser, token = await read_browser(site, request), state_of(request)
    if token is None:
        login = await _open_link(site, request, browser, query_text(request, "user_code"))
    else:
        pending = await resume(site, browser, token, "enter", "compare")
        login = pending.login if isinstance(pending, ContinuedLogin) else _refused(site, pending)
    match login:
        case None:
            return _enter_page(site, browser, begin_for_user("enter", site.now()))
        case BrowserLogin(step="compare"):
            return await _compare_page(site, request, browser, login)
        case BrowserLogin(step="enter"):
            return _enter_page(site, browser, login)
        case _:
            return to_step(site, browser, login)


async def act(site: Site, request: Request) -> Response:
    """Handle a form: look up a typed code, confirm the code, or decline the login."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return start_again(site, request, browser)
    token, button = fields.optional_text("state"), fields.optional_text("button")
    if token is None:
        return await _enter(site, request, browser, fields)
    pending = await resume(site, browser, token, "compare")
    if not isinstance(pending, ContinuedLogin):
        return to_step(site, browser, _refused(site, pending))
    device = pending.device
    if (
        button not in {"confirm", "other", "decline"}
        or device is None
        or _must_type(site, browser, pending.login, device)
    ):
        return to_step(site, browser, pending.login)
    prepared = prepare(site, pending.login.device_hash or b"", pending.client_id)
    after = await _decide(site, request, browser, pending, button, prepared)
    if after is None:
        return to_step(site, browser, _refused(site, UNKNOWN))
    if after.step == "denied":
        site.note("fdecc", request, client_id=pending.client_id)
    if after.step == "compare":
        note_refusal(site, request, pending)
    if after.step == "allowed" and after.device_hash is not None:
        tell_user(site, request, after.device_hash, prepared.link)
    return to_step(site, browser, after)


async def done(site: Site, request: Request) -> Response:
    """GET /activate/done: show that the user has approved the login, or that the user has declined it."""
    browser = await read_browser(site, request)
    login = read_ending(site, state_of(request), "allowed", "denied")
    if login is None:
        return go_to(site, browser, "/activate")
    if login.step == "allowed" and login.is_enrolment:
        return page(site, browser, "enrolled.html", {})
    words = await _about_ending(site, request, browser, login)
    is_own = belongs_to(login, browser.session_hash)  # the address may be in the history of another session's browser
    words |= {"number": login.number if is_own else "", "end_link": login.end_link if is_own else ""}
    return page(site, browser, f"{login.step}.html", words)


async def _about_ending(
    site: Site, request: Request, browser: BrowserRequest, login: BrowserLogin
) -> dict[str, object]:
    """Return the template values about the client, the device and the user of a decided login.

    If another session decided about the login, the values are empty.
    """
    device_hash = login.device_hash
    plain: dict[str, object] = {"application": "", "email": "", "peer": ""}
    if device_hash is None or not belongs_to(login, browser.session_hash):
        return plain

    async def load(transaction: Transaction) -> tuple[DeviceLogin | None, User | None]:
        device = await transaction.device_by_code(device_hash)
        is_ours = device is not None and device.session_hash == browser.session_hash
        user_id = device.user_id if device is not None and is_ours else None
        return (device if is_ours else None), None if user_id is None else await transaction.user_by_id(user_id)

    device, user = await site.store.read(load)
    if device is None:
        return plain
    return {**describe_device(site, request, device), "email": user.email if user else ""}


def note_refusal(site: Site, request: Request, pending: ContinuedLogin, why: str = REFUSED_FROM_HERE) -> None:
    """Write an audit event if `why` says that the device is in another network. For another reason, write nothing."""
    if why == REFUSED_FROM_HERE:
        site.note("keyfob_far_login_refused", request, client_id=pending.client_id)


async def start(site: Site, request: Request) -> Response:
    """GET /: show the start page, which lists what a user can do here."""
    browser = await read_browser(site, request)
    is_known = browser.record is not None
    return page(site, browser, "start.html", {"is_known": is_known, "may_sign_up": site.may_sign_up})


def start_again(site: Site, request: Request, browser: BrowserRequest) -> Response:
    """Respond to a form that does not belong to this session.

    If the form belongs to a device login, the user compares the code again. Otherwise, the user enters a code.
    """
    stale = stale_login(site, request)
    if stale is not None and stale.device_hash is not None:
        fresh = BrowserLogin(
            step="compare", began_at=stale.began_at, expires_at=stale.expires_at, device_hash=stale.device_hash,
            user_code=stale.user_code,
        )  # fmt: skip
        return to_step(site, browser, fresh)
    refused = replace(begin_for_user("enter", site.now()), problem="page_too_old", status=403)
    return _enter_page(site, browser, refused)


def describe_device(site: Site, request: Request, device: DeviceLogin) -> dict[str, object]:
    """Return the template values about the client and its device login (RFC 8628 §5.4, RFC 10027 §6.1)."""
    application, api = site.config.application(device.client_id), site.config.target(device.audience)
    scopes = api.scopes if api else {}
    rules, nearness = site.config.device_rules(application), nearness_to(request, device)
    scope = scope_of(rules, nearness, device.scope)
    return {
        **client_words(site, device.client_id),
        "api": api.name if api else device.audience,
        "peer": device.peer,
        "place": site.place_of(device.peer),
        "device": " · ".join(filter(None, (device.device_name, device.device_system))),
        # Behind a proxy that is not trusted, no address is known. A warning at every login would then mean nothing.
        "nearness": "" if rules.nearness == "off" or (rules.nearness == "warn" and not device.peer) else nearness,
        "is_refused": decide_here(site, request, device, None) == "refuse",
        "lasts": _lasts(rules) if nearness != "same" else [],
        "started": device.created_at,
        "minutes": int((site.now() - device.created_at).total_seconds() // 60),
        "scopes": [scopes[name] for name in sorted(scope.names) if name in scopes],
        "knows_person": "profile" in scope or "email" in scope,
        "stays": "offline_access" in scope,
        "back": "",
    }


def _lasts(rules: DeviceRules) -> list[tuple[int, str]]:
    """Return the special lifetime of logins from another network, as pairs of number and unit; [] if there is none."""
    if rules.far_lifetime is None:
        return []
    hours, minutes = divmod(int(rules.far_lifetime.total_seconds()) // 60, 60)
    days, rest = divmod(hours, 24)
    parts = ((days, "day"), (rest, "hour"), (minutes, "minute"))
    return [(number, unit) for number, unit in parts if number] or [(0, "minute")]


def _enter_page(site: Site, browser: BrowserRequest, login: BrowserLogin) -> Response:
    is_known = browser.record is not None
    words = {
        # A code from another session or from a link is not prefilled. Otherwise the user could approve it by one click.
        "typed": login.user_code[:40] if login.typed_by == browser.session_hash else "",
        "problem": login.problem,
        "count": login.count,
        "may_log_in": login.status == 429 and not is_known,
    }
    return page(site, browser, "enter.html", words, login.status)


async def _compare_page(site: Site, request: Request, browser: BrowserRequest, login: BrowserLogin) -> Response:
    device_hash = login.device_hash or b""

    async def load(transaction: Transaction) -> tuple[DeviceLogin | None, User | None]:
        device = await transaction.device_by_code(device_hash)
        return device, None if device is None else await _logged_in(site, transaction, browser, device)

    device, user = await site.store.read(load)
    if device is None:
        return _enter_page(site, browser, _refused(site, UNKNOWN))
    if _must_type(site, browser, login, device):
        return _enter_page(site, browser, replace(begin_for_user("enter", site.now()), problem=TYPE_IT))
    words = {"email": user.email if user else "", "user_code": login.user_code, "state": seal_login(site, login)}
    return page(site, browser, "confirm.html", {**words, **describe_device(site, request, device)})


async def _enter(site: Site, request: Request, browser: BrowserRequest, fields: Fields) -> Response:
    typed = (fields.optional_text("user_code") or "")[:LONGEST_TYPED]
    if fields.optional_text("button") == "first":
        return to_step(site, browser, begin_for_user("login", site.now(), typed, typed_by=browser.session_hash))
    return to_step(site, browser, await _look_up(site, request, browser, typed, is_typed=True))


async def _open_link(site: Site, request: Request, browser: BrowserRequest, typed: str | None) -> BrowserLogin | None:
    """Return the login for a URL that contains a user code, or None if `typed` is None.

    A URL that this server wrote contains a keyed hash of the code as a proof, so opening the URL does not count as a
    guess. If the user typed the code and then had to log in, the next URL contains a second proof: that the code was
    typed in this session.
    """
    if typed is None:
        return None
    code, keys = read_user_code(typed) or "", site.hash_keys
    is_ours = hmac.compare_digest((query_text(request, "proof") or "").encode(), link_proof(keys, code).encode())
    proof = typed_proof(keys, typed, browser.session_hash)
    is_typed = hmac.compare_digest((query_text(request, "typed") or "").encode(), proof.encode())
    return await _look_up(site, request, browser, typed, is_typed=is_typed, is_proven=is_ours)


def _must_type(site: Site, browser: BrowserRequest, login: BrowserLogin, device: DeviceLogin) -> bool:
    """Return whether the client's rules require a typed code, but the code was not typed in this session.

    A code in a URL does not suffice, since an attacker can send a user the URL of any page, with a user code or with
    the state of the attacker's session.
    """
    rules = site.config.device_rules(site.config.application(device.client_id))
    return not rules.complete_links and login.typed_by != browser.session_hash


async def _look_up(
    site: Site, request: Request, browser: BrowserRequest, typed: str, *, is_typed: bool, is_proven: bool = False
) -> BrowserLogin:
    """Return the login for a user code at its next step.

    - If the code belongs to an undecided login, the user compares the code.
    - If this session has already decided, the user sees the result.
    - If too many codes are live, the user must log in first.
    - In every other case, the user sees a problem and may enter another code.

    A code that exists does not count as a guess, even if its login has ended, since a user may open an old link.
    """
    now, code = site.now(), read_user_code(typed)
    typed_by = browser.session_hash if is_typed else None
    entered = replace(begin_for_user("enter", now, typed[:LONGEST_TYPED], typed_by=typed_by), status=400)
    if not typed.strip():
        return replace(entered, problem="no_code")
    if code is None:
        return replace(entered, problem=UNKNOWN)  # not a possible code, so it does not count as a guess
    found = await _try_code(site, request, browser, keyed_hash(site.hash_keys.codes, code), is_proven=is_proven)
    if found == "login":
        return begin_for_user("login", now, typed[:LONGEST_TYPED], typed_by=typed_by)
    if isinstance(found, timedelta):
        site.limited("user-codes", request)
        minutes = int(found.total_seconds() // 60) + 1
        problem = "too_many_codes" if browser.record is not None else "too_many_codes_log_in"
        return replace(entered, problem=problem, count=minutes, status=429)
    if found is None:
        site.note("fdeac", request, description="code unknown")
        return replace(entered, problem=UNKNOWN)
    device = found
    login = begin_device(device, code, now, typed_by)
    if is_open(device, now):
        return login
    is_own = device.session_hash == browser.session_hash
    return ending(login, device, browser.session_hash, now) or replace(entered, problem=LAPSED if is_own else UNKNOWN)


async def _try_code(
    site: Site, request: Request, browser: BrowserRequest, user_code_hash: bytes, *, is_proven: bool
) -> DeviceLogin | timedelta | Literal["login"] | None:
    """Return the device login of a user code, or the reason why there is none.

    None means that the code is wrong, which counts as a guess. A duration is the time to wait, since a budget of
    guesses is used up. "login" means that too many codes are live, so an unauthenticated caller must log in first.

    All unauthenticated callers share one budget, and any of them can use it up. A user who is logged in has a separate
    budget. With `is_proven`, the code comes from a URL that this server wrote, so no budget applies.
    """
    now, span, record = site.now(), site.config.device_lifetime, browser.record
    key, size, limit = site.hash_keys.codes, MOST_FROM_ONE_ADDRESS, GuessLimit.of(site.config.guess_odds, span)

    async def work(transaction: Transaction) -> tuple[DeviceLogin | timedelta | Literal["login"] | None, int]:
        user = None if record is None else await transaction.user_by_id(record.user_id)
        own = Budget(keyed_hash(key, f"user codes of {user.user_id}" if user else ""), size, span)
        network = keyed_hash(key, f"user codes of network {network_of(request.peer)}")
        costs, live = [(own, 1)], 0
        if is_proven:
            costs = []
        elif user is None or user.is_blocked:
            live = await transaction.live_codes(now, limit.most_live + 1)
            everybody = Budget(keyed_hash(key, "user codes"), limit.size, limit.span)
            costs = [(Budget(network, size, span, of_stranger=True), 1), (everybody, limit.cost(live))]
        wait = max([await budget.wait(transaction, now, cost) for budget, cost in costs], default=timedelta())
        if live > limit.most_live:
            return "login", 0
        device = None if wait else await transaction.device_by_user_code(user_code_hash)
        if wait or device is not None:
            return wait or device, 0
        for budget, cost in costs:
            await budget.spend(transaction, now, cost)
        return None, live

    found, guessed_at = await site.store.write(work)
    site.meter.guessed(guessed_at / CODES)
    return found


def _refused(site: Site, found: BrowserLogin | str) -> BrowserLogin:
    """Return `found` if it is a login. If it is the key of a problem, return a new login that shows this problem.

    The caller passes a login only if this session has already decided.
    """
    if isinstance(found, BrowserLogin):
        return found
    return replace(begin_for_user("enter", site.now()), problem=LAPSED if found == LAPSED else UNKNOWN, status=400)


async def _decide(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    pending: ContinuedLogin,
    button: str,
    prepared: PreparedApproval,
) -> BrowserLogin | None:
    """Decline or approve the device login, as the user has decided. Return the browser login at its next step.

    If the user must log in before the approval, only confirm the code for this session. If the client's rules refuse an
    approval from this network, change nothing and return the login at its present step. Return None if the device login
    is already decided or has expired.
    """
    now, login, device_hash = site.now(), pending.login, pending.login.device_hash or b""

    async def work(transaction: Transaction) -> BrowserLogin | None:
        device = await transaction.device_by_code(device_hash)
        if device is None or not is_open(device, now):
            return None
        if button == "decline":
            await transaction.save_device(replace(move(device, "denied"), session_hash=browser.session_hash))
            return advance(login, "denied", session_hash=browser.session_hash)
        user, session = await _logged_in(site, transaction, browser, device), browser.record
        may_use = button == "confirm" and user is not None and session is not None
        decision = decide_here(site, request, device, session.auth_time if may_use and session else None)
        if decision == "refuse":
            return login
        if decision == "approve" and user is not None and session is not None:
            session_hash = browser.session_hash
            approved = prepared.apply(site, request, device, session_hash, user.user_id, session.auth_time)
            await transaction.save_device(approved)
            await transaction.save_session(replace(session, seen_at=now))
            return advance(login, "allowed", session_hash=session_hash, number=prepared.number, end_link=prepared.link)
        await transaction.save_device(confirm(device, browser.session_hash))
        return advance(login, "login", session_hash=browser.session_hash)

    return await site.store.write(work)


async def _logged_in(site: Site, transaction: Transaction, browser: BrowserRequest, device: DeviceLogin) -> User | None:
    """Return the user who is logged in at this browser; None if there is none, or the client refuses the user."""
    if browser.record is None or await transaction.session(browser.session_hash) is None:
        return None
    return await allowed_user(transaction, connections_of_device(site, device), browser.record.user_id)
