"""GET and POST /account: users see and change their profile, and sign out apps, devices and browsers.

OWASP ASVS 6.2.2, 6.2.3, 7.4.3, 7.5.2; NIST SP 800-63B-4 §4.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.server.decide.browser_login import begin_for_user
from keyfob.server.decide.multifactor import RECOVERY_LENGTH, write_recovery_code
from keyfob.server.endpoints.account_mail import send_later, tell_owner
from keyfob.server.endpoints.oauth.factors import recovery_of
from keyfob.server.endpoints.pages.browser import (
    BrowserRequest,
    drop_cookie,
    go_to,
    new_browser,
    page,
    page_headers,
    read_browser,
    read_own_form,
    sid_of,
)
from keyfob.server.endpoints.pages.client_words import client_words
from keyfob.server.endpoints.pages.login import problem_of
from keyfob.server.endpoints.pages.mail_link import link_for, spend_mail, write_link_mail
from keyfob.server.endpoints.pages.new_password import hash_new_password, notice_words
from keyfob.server.endpoints.pages.sealed_login import read_notice, tell, to_step
from keyfob.server.endpoints.pages.second_factor import grouped
from keyfob.server.endpoints.pages.sign_up import read_name
from keyfob.server.endpoints.password_check import PasswordRefused, check_password
from keyfob.server.ports import Transaction, Work
from keyfob.server.records import Authenticator, BrowserSession, RefreshLogin, User
from keyfob.server.site import Site

T = TypeVar("T")

PATH: Final = "/account"
PASSKEY_PATH: Final = "/account/passkey"
MOST_SHOWN: Final = 50
# The account's credentials can be changed only this long after a login (OWASP ASVS 7.5.1).
FRESH_FOR: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AccountRecords:
    """The records of the user who is logged in.

    Attributes:
        session: The session of this browser.
    """

    user: User
    session: BrowserSession
    factors: tuple[Authenticator, ...]
    logins: tuple[RefreshLogin, ...]
    sessions: tuple[BrowserSession, ...]


@dataclass(frozen=True, slots=True)
class _Act:
    """A form of the account page that the user has sent."""

    site: Site
    request: Request
    browser: BrowserRequest
    account: AccountRecords
    fields: Fields


async def show(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    account = await load_account(site, browser)
    if account is None:
        return to_step(site, browser, begin_for_user("login", site.now(), goal="account"))
    notice = read_notice(site, browser, request)
    user, code = account.user, notice.recovery_code
    words: dict[str, object] = {
        **notice_words(notice),
        "name": user.name,
        "email": user.email,
        "is_confirmed": user.email_verified,
        "may_confirm": site.mailer is not None,
        "length": site.config.password_length,
        "factors": [one for one in account.factors if one.is_active],
        "may_recover": "recovery-code" in site.config.factors,
        "may_add_passkey": bool(site.rp_id),
        "may_add_otp": "otp" in site.config.factors and all(one.factor != "otp" for one in account.factors),
        "code": "" if code is None else grouped(code.reveal()),
        "apps": [
            {**client_words(site, one.client_id), "id": one.login_id.hex(), "login": one, "place": _place(site, one)}
            for one in account.logins[:MOST_SHOWN]
        ],
        "sessions": [
            {"id": one.session_hash.hex(), "session": one, "is_this": one.session_hash == browser.session_hash}
            for one in account.sessions[:MOST_SHOWN]
        ],
        "most": MOST_SHOWN if max(len(account.logins), len(account.sessions)) > MOST_SHOWN else 0,
    }
    return page(site, browser, "account.html", words, notice.status, has_script=bool(site.rp_id))


def is_fresh(site: Site, account: AccountRecords) -> bool:
    """Return whether this session may change the account's credentials (OWASP ASVS 7.5.1).

    The login must be recent. A user who has a second factor must have proven the factor, even if the tenant's `mfa`
    setting does not require this.
    """
    session = account.session
    has_proven = session.has_factor or not any(one.is_active for one in account.factors)
    return has_proven and site.now() < session.auth_time + FRESH_FOR


def log_in_again(site: Site, browser: BrowserRequest, account: AccountRecords) -> Response:
    """Redirect to a new login, so that the session may change the account's credentials afterwards."""
    login = begin_for_user("login", site.now(), goal="change")
    return to_step(site, browser, replace(login, told="fresh", email=account.user.email))


def _place(site: Site, login: RefreshLogin) -> str:
    """Return the network from which an app was signed in, and the network's city and country if they are known."""
    network = login.network or ""
    return ", ".join(filter(None, (network, site.place_of(network.partition("/")[0]))))


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    account = await load_account(site, browser)
    if account is None:
        return to_step(site, browser, begin_for_user("login", site.now(), goal="account"))
    if fields is None:
        return tell(site, browser, PATH, problem="page_too_old", status=403)
    button = fields.optional_text("button") or ""
    chosen = _ACTS.get(button)
    if chosen is None:
        return go_to(site, browser, PATH)
    if button in _FRESH and not is_fresh(site, account):
        return log_in_again(site, browser, account)
    return await chosen(_Act(site, request, browser, account, fields))


async def load_account(site: Site, browser: BrowserRequest) -> AccountRecords | None:
    """Return the records of the user who is logged in at this browser.

    Return None if no user is logged in, or if the user has been deleted or blocked since the login.
    """
    record, now = browser.record, site.now()
    if record is None:
        return None

    async def load(transaction: Transaction) -> AccountRecords | None:
        user = await transaction.user_by_id(record.user_id)
        if user is None or user.is_blocked:
            return None
        factors = await transaction.authenticators(user.user_id)
        logins = await transaction.logins(now, MOST_SHOWN + 1, user_id=user.user_id)
        sessions = await transaction.sessions(MOST_SHOWN + 1, user_id=user.user_id)
        return AccountRecords(user, record, factors, logins, tuple(one for one in sessions if is_alive(site, one)))

    return await site.store.read(load)


def is_alive(site: Site, session: BrowserSession) -> bool:
    """Return whether a session has not expired."""
    config, now = site.config, site.now()
    return now < session.created_at + config.session_absolute and now < session.seen_at + config.session_idle


async def _write(act: _Act, work: Work[T]) -> T | None:
    """Run `work` in one transaction. If the browser's session has ended, change nothing and return None."""

    async def guarded(transaction: Transaction) -> T | None:
        return None if await transaction.session(act.browser.session_hash) is None else await work(transaction)

    return await act.site.store.write(guarded)


async def _save_name(act: _Act) -> Response:
    site, user_id = act.site, act.account.user.user_id
    name = read_name(act.fields.optional_text("name"))
    if not name:
        return tell(site, act.browser, PATH, problem="no_name", status=400)

    async def save(transaction: Transaction) -> bool:
        stored = await transaction.user_by_id(user_id)
        if stored is not None:
            await transaction.save_user(replace(stored, name=name, updated_at=site.now()))
        return stored is not None

    if not await _write(act, save):
        return go_to(site, act.browser, PATH)
    site.note("scu", act.request, user_id=user_id)
    return tell(site, act.browser, PATH, told="name_saved")


async def _confirm_email(act: _Act) -> Response:
    """Send the link that confirms the user's e-mail address."""
    site, user = act.site, act.account.user
    if site.mailer is None:
        return tell(site, act.browser, PATH, problem="mail_off", status=400)
    if await spend_mail(site, act.request, user.email) != "send":
        site.limited("e-mails", act.request, user_id=user.user_id)
        return tell(site, act.browser, PATH, problem="too_many_mails", status=429)
    link = link_for(site, "verify", user.email, user)
    write = partial(write_link_mail, site, "/u/verify", act.browser.language, link)
    send_later(site, act.request, user.email, write, user.user_id)
    return tell(site, act.browser, PATH, told="link_sent")


async def _change_password(act: _Act) -> Response:
    """Change the password, and end all logins and sessions of the user except this session."""
    site, request, browser, user = act.site, act.request, act.browser, act.account.user
    current = Secret(act.fields.optional_text("current") or "")
    password = Secret(act.fields.optional_text("password") or "")
    known = await check_password(site, request, (user.connection,), user.email, current)
    if isinstance(known, PasswordRefused):
        problem = problem_of(known)
        if problem.get("problem") == "wrong_password":
            problem["problem"] = "wrong_current"
        return tell(site, browser, PATH, **problem)
    if current == password:
        return tell(site, browser, PATH, problem="same_password", status=400)
    hashed = await hash_new_password(site, request, password, user.email, user.name)
    if not isinstance(hashed, str):
        return tell(site, browser, PATH, **hashed)

    fresh = new_browser(site, request)

    async def save(transaction: Transaction) -> bool:
        stored = await transaction.user_by_id(user.user_id)
        if stored is None or stored.password_hash != known.password_hash:
            return False
        await transaction.save_user(replace(stored, password_hash=hashed, updated_at=site.now()))
        return await end_others(transaction, act.account.session, fresh)

    if not await _write(act, save):  # another request has changed the password, or ended the session
        return tell(site, browser, PATH, problem="wrong_current", status=403)
    site.note("scp", request, user_id=user.user_id)
    tell_owner(site, request, user, "changed")
    return tell(site, fresh, PATH, told="password_changed")


async def end_others(transaction: Transaction, session: BrowserSession, fresh: BrowserRequest) -> bool:
    """End all other logins and sessions of the user, and return True.

    This session gets a new id, since an attacker may have stolen the old one.
    """
    await transaction.end_logins(session.user_id)
    await transaction.save_session(replace(session, session_hash=fresh.session_hash))
    return True


async def _remove_factor(act: _Act) -> Response:
    """Remove a second factor. If only recovery codes are left, remove them too."""
    site, user_id, chosen = act.site, act.account.user.user_id, act.fields.optional_text("id")

    async def remove(transaction: Transaction) -> Authenticator | None:
        factors = await transaction.authenticators(user_id)
        found = next((one for one in factors if one.is_active and one.authenticator_id == chosen), None)
        if found is None:
            return None
        left = [one for one in factors if one.is_active and one.authenticator_id != chosen]
        gone = [one for one in factors if one.authenticator_id == chosen]
        if all(one.factor == "recovery-code" for one in left):
            gone += left
        for one in gone:
            await transaction.drop_authenticator(one.authenticator_id)
        return found

    removed = await _write(act, remove)
    if removed is None:
        return go_to(site, act.browser, PATH)
    is_passkey = removed.factor == "passkey"
    site.note("gd_unenroll", act.request, user_id=user_id, description=removed.factor)
    tell_owner(site, act.request, act.account.user, "passkey_removed" if is_passkey else "factor_removed", removed.name)
    return tell(site, act.browser, PATH, told="passkey_removed" if is_passkey else "factor_removed")


async def _new_recovery_code(act: _Act) -> Response:
    """Replace the recovery code by a new one, and show the new code once.

    If the user has no second factor besides a recovery code, change nothing.
    """
    site, user_id = act.site, act.account.user.user_id
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, user_id, code, site.now(), is_active=True)

    async def save(transaction: Transaction) -> bool:
        active = [one for one in await transaction.authenticators(user_id) if one.is_active]
        if all(one.factor == "recovery-code" for one in active) or "recovery-code" not in site.config.factors:
            return False
        for one in active:
            if one.factor == "recovery-code":
                await transaction.drop_authenticator(one.authenticator_id)
        await transaction.save_authenticator(fresh)
        return True

    if await _write(act, save):
        site.note("gd_enrollment_complete", act.request, user_id=user_id, description="recovery-code")
        tell_owner(site, act.request, act.account.user, "recovery_made")
        return tell(site, act.browser, PATH, recovery_code=Secret(code))
    return go_to(site, act.browser, PATH)


async def _add_passkey(act: _Act) -> Response:
    """Redirect to the page that adds a passkey, with a new state, from which the page's challenge is derived."""
    return tell(act.site, act.browser, PASSKEY_PATH)


async def _end(act: _Act) -> Response:
    """Sign out one app, device or browser. A signed-out app needs the user's consent again."""
    site, user_id = act.site, act.account.user.user_id
    try:
        raw = bytes.fromhex(act.fields.optional_text("id") or "")
    except ValueError:
        raw = b""
    if raw == act.browser.session_hash:
        return await _log_out(act)

    async def end(transaction: Transaction) -> bool:
        login = await transaction.refresh_by_id(raw)
        if login is not None and login.user_id == user_id:
            await transaction.save_refresh(replace(login, has_ended=True))
            consent = await transaction.consent(user_id, login.client_id, login.audience)
            if consent is not None:  # so that the app needs consent again
                await transaction.save_consent(replace(consent, scope=Scope()))
            return True
        session = await transaction.session(raw)
        if session is None or session.user_id != user_id:
            return False
        await transaction.drop_session(raw)
        return True

    if await _write(act, end):
        site.note("srrt", act.request, user_id=user_id)
        return tell(site, act.browser, PATH, told="signed_out")
    return go_to(site, act.browser, PATH)


async def _end_all(act: _Act) -> Response:
    """Sign out all apps and devices, and all browsers except this one."""
    site, account, fresh = act.site, act.account, new_browser(act.site, act.request)
    if not await _write(act, lambda transaction: end_others(transaction, account.session, fresh)):
        return go_to(site, act.browser, PATH)
    site.note("srrt", act.request, user_id=account.user.user_id)
    return tell(site, fresh, PATH, told="signed_out_all")


async def _log_out(act: _Act) -> Response:
    site, browser = act.site, act.browser
    await site.store.write(lambda transaction: transaction.drop_session(browser.session_hash))
    sid = sid_of(site, browser.session_hash)
    site.note("slo", act.request, user_id=act.account.user.user_id, session_id=sid)
    return Response(303, (("location", "/oidc/logout/done"), *page_headers(), *drop_cookie(site)))


_ACTS: Final[Mapping[str, Callable[[_Act], Awaitable[Response]]]] = {
    "name": _save_name,
    "confirm": _confirm_email,
    "password": _change_password,
    "remove": _remove_factor,
    "recovery": _new_recovery_code,
    "passkey": _add_passkey,
    "end": _end,
    "end_all": _end_all,
    "logout": _log_out,
}
_FRESH: Final = frozenset({"remove", "recovery", "passkey"})
