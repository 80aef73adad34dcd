"""GET and POST /account/passkey: a user adds a passkey to the account (W3C WebAuthn Level 3 §7.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial

from keyfob.jose.passkey import verify_registration
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.browser_login import begin_for_user
from keyfob.server.decide.multifactor import RECOVERY_LENGTH, write_recovery_code
from keyfob.server.decide.passkey import LONGEST_NAME, MOST, id_of, read_passkey_name, write_creation
from keyfob.server.endpoints.account_mail import tell_owner
from keyfob.server.endpoints.oauth.factors import recovery_of
from keyfob.server.endpoints.pages.account import (
    PASSKEY_PATH,
    PATH,
    AccountRecords,
    end_others,
    is_fresh,
    load_account,
    log_in_again,
)
from keyfob.server.endpoints.pages.browser import BrowserRequest, go_to, new_browser, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.new_password import notice_words
from keyfob.server.endpoints.pages.passkey_login import ceremony_of, spend_challenge
from keyfob.server.endpoints.pages.sealed_login import read_ending, read_notice, state_of, tell, to_step
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, BrowserSession
from keyfob.server.site import Site


async def show(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    account = await _load(site, browser)
    if isinstance(account, Response):
        return account
    token, notice = state_of(request), read_notice(site, browser, request)
    if token is None or notice.session_hash is None:  # the page was opened by its address, or is too old
        return tell(site, browser, PASSKEY_PATH)
    known = [one.credential_id for one in account.factors if one.credential_id is not None]
    asked = ceremony_of(site, browser, token)
    words: dict[str, object] = {
        **notice_words(notice),
        "state": token,
        "passkey": write_creation(asked, site.config.name, account.user, known),
        "longest": LONGEST_NAME,
    }
    return page(site, browser, "new_passkey.html", words, notice.status, has_script=True)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    account = await _load(site, browser)
    if isinstance(account, Response):
        return account
    token = None if fields is None else fields.optional_text("state")
    notice = read_ending(site, token, "notice")
    if fields is None or token is None or notice is None or notice.session_hash != browser.session_hash:
        return tell(site, browser, PASSKEY_PATH, problem="page_too_old", status=403)
    asked, user = ceremony_of(site, browser, token), account.user
    found = verify_registration(fields.optional_text("passkey") or "", asked)
    if found is None:
        why = "the answer of the authenticator does not fit the challenge or the page"
        site.note("gd_webauthn_enrollment_failed", request, user_id=user.user_id, description=why)
        return tell(site, browser, PASSKEY_PATH, problem="passkey_not_made", status=400)
    added = Authenticator(
        id_of(found.credential_id), user.user_id, "passkey", found.public_key, site.now(), is_active=True,
        name=read_passkey_name(fields.optional_text("name")), credential_id=found.credential_id,
        sign_count=found.sign_count,
    )  # fmt: skip
    spend = partial(spend_challenge, site, asked=asked, until=notice.expires_at)
    return await _add(site, request, browser, account, added, spend)


async def _add(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    account: AccountRecords,
    added: Authenticator,
    spend: Callable[[Transaction], Awaitable[bool]],
) -> Response:
    """Add a verified passkey, and mark its challenge as used."""
    user = account.user
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    recovery, fresh = recovery_of(site, user.user_id, code, site.now(), is_active=True), new_browser(site, request)

    async def save(transaction: Transaction) -> tuple[str, bool]:
        """Add the passkey. Return the key of a problem or "", and whether a recovery code was added too."""
        stored = await transaction.authenticators(user.user_id)
        known = [one for one in stored if one.is_active]
        is_known = await transaction.authenticator(added.authenticator_id) is not None
        is_alive = await transaction.session(browser.session_hash) is not None
        problem = _problem(known, is_known=is_known)
        problem = problem or ("" if is_alive and await spend(transaction) else "page_too_old")
        if problem:
            return problem, False
        for one in stored:
            if not one.is_active:  # an attacker could have begun the enrolment
                await transaction.drop_authenticator(one.authenticator_id)
        await transaction.save_authenticator(added)
        has_code = "recovery-code" in site.config.factors and all(one.factor != "recovery-code" for one in known)
        if has_code:
            await transaction.save_authenticator(recovery)
        ends_others = not known and site.config.enrolment_ends_logins
        await _continue(transaction, account.session, fresh, ends_others=ends_others)
        return "", has_code

    problem, has_code = await site.store.write(save)
    if problem:
        site.note("gd_webauthn_enrollment_failed", request, user_id=user.user_id, description=problem)
        return tell(site, browser, PATH, problem=problem, status=400)
    site.note("gd_enrollment_complete", request, user_id=user.user_id, description="passkey")
    tell_owner(site, request, user, "passkey_added", added.name)
    if has_code:
        return tell(site, fresh, PATH, told="passkey_added", recovery_code=Secret(code))
    return tell(site, fresh, PATH, told="passkey_added")


async def _continue(
    transaction: Transaction, session: BrowserSession, fresh: BrowserRequest, *, ends_others: bool
) -> None:
    """Give the session a new id, and record that the user has proven a factor.

    With `ends_others`, end all other sessions and logins of the user.
    """
    proven = replace(session, has_factor=True)
    if ends_others:
        await end_others(transaction, proven, fresh)
    else:
        await transaction.drop_session(session.session_hash)
        await transaction.save_session(replace(proven, session_hash=fresh.session_hash))


async def _load(site: Site, browser: BrowserRequest) -> AccountRecords | Response:
    """Return the account if this session may add a passkey, otherwise a redirect.

    The redirect leads to the login if the user is not logged in or must log in again. It leads to the account page if
    browsers support no passkeys for this tenant's address.
    """
    account = await load_account(site, browser)
    if account is None:
        return to_step(site, browser, begin_for_user("login", site.now(), goal="account"))
    if not site.rp_id:
        return go_to(site, browser, PATH)
    return account if is_fresh(site, account) else log_in_again(site, browser, account)


def _problem(known: Iterable[Authenticator], *, is_known: bool) -> str:
    """Return the key of the reason why a passkey may not be added, or "".

    Args:
        known: The active second factors of the user.
        is_known: Whether the passkey is already registered for any user (WebAuthn §7.1 step 26).
    """
    if is_known:
        return "known_passkey"
    return "too_many_passkeys" if sum(one.factor == "passkey" for one in known) >= MOST else ""
