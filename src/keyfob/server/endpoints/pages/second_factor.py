"""GET and POST /u/mfa: the second factor of a login in the browser (NIST SP 800-63B-4 §3.1.4, RFC 6238)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keyfob.jose.sealed import unseal_any
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.authorization_facts import LoginState
from keyfob.server.decide.browser_login import AFTER_PASSWORD
from keyfob.server.decide.multifactor import (
    ANOTHER,
    RECOVERY_LENGTH,
    FactorWrong,
    base32,
    enrolment_address,
    find_login,
    write_recovery_code,
)
from keyfob.server.endpoints.account_mail import tell_owner
from keyfob.server.endpoints.oauth.factor_tries import give_back_tries, message_wait, spend_try
from keyfob.server.endpoints.oauth.factors import (
    binding_hash,
    check_otp,
    check_recovery,
    enrol,
    recovery_of,
    send_message,
)
from keyfob.server.endpoints.pages.authorize import state_of_request
from keyfob.server.endpoints.pages.browser import BrowserRequest, error_page, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.login import after_factor, decline, describe_pending, go_on, not_here
from keyfob.server.endpoints.pages.passkey_login import prove, request_words
from keyfob.server.endpoints.pages.sealed_login import (
    LOST,
    ContinuedLogin,
    again,
    allowed_user,
    connections_of,
    resume,
    state_of,
)
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, MfaLogin, User
from keyfob.server.site import Site

# The events of the audit log, by the kind of the factor.
_CODES: Final = {
    "otp": "gd_auth_succeed",
    "email": "gd_auth_succeed",
    "enrolled": "gd_enrollment_complete",
    "added": "gd_enrollment_complete",
    "recovery": "gd_recovery_succeed",
}


@dataclass(frozen=True, slots=True)
class _Due:
    """A login that requires a second factor, the login's user, and the factors that the user may choose.

    Attributes:
        active: The accepted kinds of factors; empty if the login adds an authenticator.
        unproven: The authenticator whose enrolment this login has begun; None if it has begun none.
        passkeys: The user's passkeys.
        has_recovery: Whether the user has a recovery code.
    """

    login: MfaLogin
    user: User
    active: frozenset[str]
    unproven: Authenticator | None
    passkeys: tuple[Authenticator, ...]
    has_recovery: bool

    @property
    def ways(self) -> frozenset[str]:
        """The kinds of factors that the page offers as a choice.

        Recovery codes are left out, since a recovery code is typed in the field for other codes.
        """
        return self.active - {"recovery-code"}


async def show(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    pending = await resume(site, browser, state_of(request), *AFTER_PASSWORD)
    if not isinstance(pending, ContinuedLogin):
        return not_here(site, browser, pending)
    if pending.login.recovery_code is not None:
        user_id = pending.login.user_id
        user = await site.store.read(lambda transaction: transaction.user_by_id(user_id))
        words = {**describe_pending(site, request, pending), "email": user.email if user else ""}
        words["code"] = grouped(pending.login.recovery_code.reveal())
        return page(site, browser, "recovery.html", words, form_to=pending.callback)
    due = await site.store.read(lambda transaction: _due(site, transaction, pending))
    return error_page(site, browser, LOST) if due is None else _page(site, request, browser, pending, due)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return error_page(site, browser, LOST)
    pending = await resume(site, browser, fields.optional_text("state"), *AFTER_PASSWORD)
    if not isinstance(pending, ContinuedLogin):
        return not_here(site, browser, pending)
    if pending.login.step == "recovery":
        return await _after_recovery(site, request, browser, pending)
    due = await site.store.read(lambda transaction: _due(site, transaction, pending))
    if due is None:
        return error_page(site, browser, LOST)
    return await _press(site, request, browser, pending, due, fields)


async def _press(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, due: _Due, fields: Fields
) -> Response:
    match fields.optional_text("button"):
        case "decline":
            return await decline(site, request, browser, pending)
        case "email" if "email" in due.active:
            return await _send_code(site, request, browser, pending, due)
        case "passkey" if "passkey" in due.active:
            return await _check_passkey(site, request, browser, pending, due, fields)
        case ("otp" | "recovery-code") as way if way in due.active:
            return again(site, browser, pending, way=way)
        case "other":
            return again(site, browser, pending, way="")
        case "enrol" if pending.login.step == "enrol":
            if due.unproven is None:  # pressed again, or after "back": the shown secret stays valid
                await enrol(site, due.user, "otp", due.login, with_recovery=False)
            return again(site, browser, pending)
        case _:
            return await _verify(site, request, browser, pending, due, fields)


async def _send_code(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, due: _Due
) -> Response:
    if site.mailer is None:
        return again(site, browser, pending, problem="no_mail", status=400)
    if await message_wait(site, due.login, request.peer):
        return again(site, browser, pending, problem="too_many_messages", status=429)
    match await send_message(site, request, due.login, due.user, ""):
        case Secret():
            return again(site, browser, pending, told="code_sent", way="email")
        case "mail_unsent":
            return again(site, browser, pending, problem="mail_unsent", status=503)
        case _:
            return error_page(site, browser, LOST)


async def _verify(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, due: _Due, fields: Fields
) -> Response:
    now, user_id, typed = site.now(), due.user.user_id, fields.optional_text("code") or ""
    if not await spend_try(site, user_id, request.peer, now):
        site.limited("second-factors", request, client_id=pending.client_id, user_id=user_id)
        return again(site, browser, pending, problem="too_many_factors", status=429)
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, user_id, code, now, is_active=True)
    kind = await site.store.write(lambda transaction: _check(site, transaction, pending, typed, fresh, now))
    if not kind:
        site.note("gd_auth_failed", request, client_id=pending.client_id, user_id=user_id)
        return again(site, browser, pending, problem="wrong_factor", status=403)
    await give_back_tries(site, user_id, request.peer, now)
    site.note(_CODES[kind], request, client_id=pending.client_id, user_id=user_id)
    if kind in {"enrolled", "added", "recovery"}:
        tell_owner(site, request, due.user, "recovery_used" if kind == "recovery" else "factor_added")
    is_shown = kind == "recovery" or (kind == "enrolled" and "recovery-code" in site.config.factors)
    return await after_factor(site, request, browser, pending, due.user, Secret(code) if is_shown else None)


async def _check_passkey(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, due: _Due, fields: Fields
) -> Response:
    if await prove(site, request, browser, pending, fields, due.user.user_id) is None:
        return again(site, browser, pending, problem="wrong_passkey", status=403)

    async def spend(transaction: Transaction) -> bool:
        current = await _due(site, transaction, pending)
        if current is not None:
            await transaction.save_mfa_login(replace(current.login, is_spent=True))
        return current is not None

    if not await site.store.write(spend):
        return error_page(site, browser, LOST)
    return await after_factor(site, request, browser, pending, due.user)


async def _after_recovery(site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin) -> Response:
    """Continue after the user has noted the recovery code. The user is already logged in."""
    record = browser.record
    if record is None or record.user_id != pending.login.user_id or record.auth_time < pending.login.began_at:
        return error_page(site, browser, LOST)
    state = LoginState(record.user_id, record.auth_time)
    if pending.accepted is not None:
        state = await state_of_request(site, browser, pending.accepted)
        if state.user_id is None:
            return error_page(site, browser, LOST)
    return await go_on(site, request, browser, pending, state)


async def _check(
    site: Site, transaction: Transaction, pending: ContinuedLogin, typed: str, fresh: Authenticator, now: datetime
) -> str:
    """Check a code. If it is right, mark code and login as used, and return the kind of the factor; else return ""."""
    due = await _due(site, transaction, pending)
    if due is None:
        return ""
    login, kind = due.login, ""
    if await check_otp(site, transaction, login, typed, now):
        kind = "otp" if due.active else "added" if due.has_recovery else "enrolled"
        if kind == "enrolled" and "recovery-code" in site.config.factors:
            await transaction.save_authenticator(fresh)
    elif _is_message_code(site, login, typed, now):
        kind = "email"
    elif await check_recovery(site, transaction, login, typed, fresh):
        kind = "recovery"
    if kind:
        await transaction.save_mfa_login(replace(login, is_spent=True))
    return kind


def _is_message_code(site: Site, login: MfaLogin, typed: str, now: datetime) -> bool:
    if login.binding_hash is None or login.oob_expires_at is None or now >= login.oob_expires_at:
        return False
    return hmac.compare_digest(login.binding_hash, binding_hash(site, login.token_hash, typed))


async def _due(site: Site, transaction: Transaction, pending: ContinuedLogin) -> _Due | None:
    """Load the login that requires a second factor, and its user.

    Return None if the login is spent or has expired, or if the user may no longer log in.
    """
    now = site.now()
    found = find_login(await transaction.mfa_login(pending.login.factor_hash or b""), pending.client_id, now)
    if isinstance(found, FactorWrong) or found.user_id != pending.login.user_id:
        return None
    user = await allowed_user(transaction, connections_of(site, pending), found.user_id)
    if user is None:
        return None
    factors = await transaction.authenticators(user.user_id)
    unproven = (one for one in factors if one.factor == "otp" and one.is_unproven_of(found.token_hash, now))
    passkeys = tuple(one for one in factors if one.factor == "passkey")
    kinds = frozenset(one.factor for one in factors if one.is_active)
    active = frozenset[str]() if found.grant == ANOTHER else kinds
    return _Due(found, user, active, next(unproven, None), passkeys, "recovery-code" in kinds)


def grouped(text: str) -> str:
    """Return a secret in groups of four characters, to be copied by hand."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _page(site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, due: _Due) -> Response:
    login = pending.login
    words = describe_pending(site, request, pending)
    words |= {"has_otp": "otp" in due.active, "has_email": "email" in due.active}
    words |= {"has_recovery": "recovery-code" in due.active, "secret": "", "qr": "", "address": ""}
    words |= {"way": login.way, "has_others": "passkey" in due.active or len(due.ways) > 1, "passkey": ""}
    if due.unproven is not None:
        name = due.unproven.authenticator_id
        secret = unseal_any(due.unproven.secret, site.hash_keys.factors, context=f"factor {name}")
        address = enrolment_address(site.config.name, due.user.email, secret)
        words |= {"secret": grouped(base32(secret)), "qr": site.draw(address), "address": address}
    name = "factor.html" if due.active else "enrol.html"
    if words["has_others"] and login.way not in due.active:
        name = "choose.html"
        words |= request_words(site, browser, pending.token, due.passkeys) if due.passkeys else {}
    has_script = bool(words["passkey"])
    return page(site, browser, name, words, login.status, form_to=pending.callback, has_script=has_script)
