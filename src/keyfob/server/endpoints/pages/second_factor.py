"""GET and POST /u/mfa: the second factor of a login in the browser (NIST SP 800-63B-4 §3.1.4, RFC 6238)."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime

from keyfob.jose.sealed import unseal
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.multifactor import (
    RECOVERY_LENGTH,
    FactorWrong,
    base32,
    enrolment_address,
    find_login,
    write_recovery_code,
)
from keyfob.server.endpoints.oauth.factors import (
    binding_hash,
    check_otp,
    check_recovery,
    enrol,
    message_wait,
    recovery_of,
    restore_tries,
    send_message,
    spend_try,
)
from keyfob.server.endpoints.pages.authorize import error_page
from keyfob.server.endpoints.pages.browser import BrowserRequest, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.consent import LOST, state_of
from keyfob.server.endpoints.pages.login import Pending, callback_of, complete, decline, describe_pending, pending_login
from keyfob.server.endpoints.pages.pending_request import PendingRequest
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, MfaLogin, User
from keyfob.server.site import Site

WRONG = "That code is wrong, too old, or was used before."
TOO_MANY = "Too many wrong codes. Please try again in a few minutes."
TOO_MANY_MESSAGES = "A code was sent already. Please look into your mailbox, or try again in a few minutes."
SENT = "A code was sent to your e-mail address. It is good for five minutes."


class _Due:
    """The user whose second factor is required, and the factors of the user."""

    def __init__(self, login: MfaLogin, user: User, factors: tuple[Authenticator, ...]) -> None:
        self.login = login
        self.user = user
        self.active = {one.factor for one in factors if one.is_active}
        self.waiting = next((one for one in factors if one.factor == "otp" and not one.is_active), None)


async def show(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    pending, due = await pending_login(site, browser, state_of(request)), await _due(site, browser)
    if pending is None or due is None:
        return error_page(site, browser, LOST)
    return _page(site, browser, pending, due, "")


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    pending = None if fields is None else await pending_login(site, browser, fields.optional_text("state"))
    due = await _due(site, browser)
    if fields is None or pending is None or due is None:
        return error_page(site, browser, LOST)
    match fields.optional_text("button"):
        case "decline":
            return await decline(site, request, browser, pending)
        case "email" if "email" in due.active:
            if await message_wait(site, due.login):
                return _page(site, browser, pending, due, TOO_MANY_MESSAGES, status=429)
            await send_message(site, request, due.login, due.user, "")
            return _page(site, browser, pending, due, "", told=SENT)
        case "enrol" if not due.active:
            await enrol(site, due.user, "otp", with_recovery=False)
            again = await _due(site, browser)
            return _page(site, browser, pending, again or due, "")
        case _:
            return await _verify(site, request, browser, pending, due, fields)


async def _verify(
    site: Site, request: Request, browser: BrowserRequest, pending: Pending, due: _Due, fields: Fields
) -> Response:
    now, typed = site.now(), fields.optional_text("code") or ""
    if not await spend_try(site, due.user.user_id, now):
        site.note("gd_otp_rate_limit_exceed", request, user_id=due.user.user_id)
        return _page(site, browser, pending, due, TOO_MANY, status=429)
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, due.user.user_id, code, now, is_active=True)
    kind = await site.store.write(lambda transaction: _check(site, transaction, browser, typed, fresh))
    if not kind:
        site.note("fp", request, user_id=due.user.user_id, description="wrong second factor")
        return _page(site, browser, pending, due, WRONG, status=403)
    await restore_tries(site, due.user.user_id)
    done = await complete(site, request, browser, pending, due.user)
    if kind == "recovery" or (kind == "enrolled" and "recovery-code" in site.config.factors):
        # The recovery code is shown only here, so this page replaces `done` and must set the cookie of the new session.
        onward = f"/u/consent?state={pending.token}" if isinstance(pending, PendingRequest) else "/activate/done"
        shown = page(site, browser, "recovery.html", {"code": code, "onward": onward}, form_to=callback_of(pending))
        return replace(
            shown, headers=(*shown.headers, *((name, value) for name, value in done.headers if name == "set-cookie"))
        )
    return done


def _check(site: Site, transaction: Transaction, browser: BrowserRequest, typed: str, fresh: Authenticator) -> str:
    """Check a code and spend it. Return the kind of the factor, or "" if the code is wrong."""
    now = site.now()
    login = find_login(transaction.mfa_login(browser.session_hash), "", now)
    if isinstance(login, FactorWrong):
        return ""
    before = {one.factor for one in transaction.authenticators(login.user_id) if one.is_active}
    kind = ""
    if check_otp(site, transaction, login.user_id, typed, now):
        kind = "otp" if before else "enrolled"
        if kind == "enrolled" and "recovery-code" in site.config.factors:
            transaction.save_authenticator(fresh)
    elif _is_message_code(site, login, typed, now):
        kind = "email"
    if not kind and check_recovery(site, transaction, login.user_id, typed, fresh):
        kind = "recovery"
    if kind:
        transaction.save_mfa_login(replace(login, is_spent=True))
    return kind


def _is_message_code(site: Site, login: MfaLogin, typed: str, now: datetime) -> bool:
    if login.binding_hash is None or login.oob_expires_at is None or now >= login.oob_expires_at:
        return False
    return hmac.compare_digest(login.binding_hash, binding_hash(site, login.token_hash, typed))


async def _due(site: Site, browser: BrowserRequest) -> _Due | None:
    now = site.now()

    def load(transaction: Transaction) -> _Due | None:
        login = find_login(transaction.mfa_login(browser.session_hash), "", now)
        if isinstance(login, FactorWrong):
            return None
        user = transaction.user_by_id(login.user_id)
        return None if user is None or user.is_blocked else _Due(login, user, transaction.authenticators(user.user_id))

    return await site.store.read(load)


def _page(
    site: Site, browser: BrowserRequest, pending: Pending, due: _Due, problem: str, *, told: str = "", status: int = 200
) -> Response:
    words: dict[str, object] = {"problem": problem, "told": told, **describe_pending(site, pending)}
    words |= {"has_otp": "otp" in due.active, "has_email": "email" in due.active}
    words |= {"has_recovery": "recovery-code" in due.active, "secret": "", "qr": ""}
    if not due.active and due.waiting is not None:
        name = due.waiting.authenticator_id
        secret = unseal(due.waiting.secret, site.hash_keys.factors, context=f"factor {name}")
        shown = " ".join(base32(secret)[at : at + 4] for at in range(0, 32, 4))
        words |= {"secret": shown, "qr": site.draw(enrolment_address(site.config.name, due.user.email, secret))}
    name = "factor.html" if due.active else "enrol.html"
    return page(site, browser, name, words, status, form_to=callback_of(pending))
