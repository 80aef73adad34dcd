"""GET and POST /u/forgot, /u/reset: choose a new password by a link in an e-mail (NIST SP 800-63B-4 §3.1.1.2, §4.2)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import urlencode

from keyfob.errors import Misuse
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.browser_login import BrowserLogin, Facts, begin_for_user
from keyfob.server.decide.limits import LONGEST_EMAIL, LONGEST_PASSWORD
from keyfob.server.decide.throttle import network_of
from keyfob.server.endpoints.account_mail import WrittenMail, send_later, tell_owner
from keyfob.server.endpoints.pages.browser import error_page, go_to, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.mail_link import (
    LIFETIME,
    MailLink,
    link_for,
    password_mark,
    read_link,
    spend_mail,
    use_link,
    write_link_mail,
)
from keyfob.server.endpoints.pages.sealed_login import LOST, query_text, read_notice, tell, to_step
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.settings.password_rules import check_new_password
from keyfob.server.site import Site

BAD_LINK: Final = "bad_link"


async def show_forgot(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    if site.mailer is None:
        return error_page(site, browser, "mail_off")
    notice = read_notice(site, browser, request)
    return page(site, browser, "forgot.html", notice_words(notice), notice.status)


async def act_forgot(site: Site, request: Request) -> Response:
    """Send a link to the typed address if it belongs to a user. The response is the same for every address."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    email = "" if fields is None else read_email(fields.optional_text("email"))
    if site.mailer is None or fields is None:
        return tell(site, browser, "/u/forgot", problem="page_too_old", status=403)
    if not email:
        return tell(site, browser, "/u/forgot", problem="bad_email", status=400)
    spent = await spend_mail(site, request, email)
    if spent == "refuse":
        site.limited("e-mails", request)
        return tell(site, browser, "/u/forgot", problem="too_many_mails", email=email, status=429)
    user = await site.store.read(lambda transaction: user_of(site, transaction, email))
    is_known = user is not None and not user.is_blocked
    site.note("scpr" if is_known else "fcpr", request, user_name=email, user_id=user.user_id if user else "")
    to, user_id = (user.email, user.user_id) if user is not None and is_known else ("", "")

    def write() -> WrittenMail:
        return write_link_mail(site, "/u/reset", browser.language, link_for(site, "reset", to or email, user))

    if spent == "send":
        send_later(site, request, to, write, user_id)
    return tell(site, browser, "/u/sent", email=email)


async def show_sent(site: Site, request: Request) -> Response:
    """GET /u/sent: show where the user finds the link."""
    browser = await read_browser(site, request)
    email = read_notice(site, browser, request).email
    if not email:
        return go_to(site, browser, "/")
    return page(site, browser, "sent.html", {"email": email, "minutes": int(LIFETIME.total_seconds() // 60)})


async def show_reset(site: Site, request: Request) -> Response:
    """Show the form for a new password. A GET does not mark the link as used, since mail scanners open links."""
    browser, token = await read_browser(site, request), query_text(request, "link")
    found = await _user_of_link(site, read_link(site, token, "reset"))
    if found is None:
        return error_page(site, browser, BAD_LINK)
    notice = read_notice(site, browser, request)
    words = {**notice_words(notice), "email": found.email, "link": token, "length": site.config.password_length}
    return page(site, browser, "reset.html", words, notice.status)


async def act_reset(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return error_page(site, browser, LOST, 403)
    token, password = fields.optional_text("link"), Secret(fields.optional_text("password") or "")
    link = read_link(site, token, "reset")
    user = await _user_of_link(site, link)
    if user is None or link is None:
        return error_page(site, browser, BAD_LINK)
    hashed = await hash_new_password(site, request, password, user.email, user.name)
    if not isinstance(hashed, str):
        return tell(site, browser, f"/u/reset?{urlencode({'link': token or ''})}", **hashed)

    async def save(transaction: Transaction) -> bool:
        stored = await transaction.user_by_id(user.user_id)
        if stored is None or not _fits(site, link, stored) or not await use_link(site, transaction, link):
            return False
        # The link has proven the address too.
        changed = replace(stored, password_hash=hashed, email_verified=True, updated_at=site.now())
        await transaction.save_user(changed)
        await transaction.end_logins(user.user_id)
        return True

    if not await site.store.write(save):
        return error_page(site, browser, BAD_LINK)
    site.note("scp", request, user_id=user.user_id)
    tell_owner(site, request, user, "changed")
    login = begin_for_user("login", site.now(), goal="account")
    return to_step(site, browser, replace(login, told="password_reset", email=user.email))


async def hash_new_password(site: Site, request: Request, password: Secret, *own_words: str) -> str | Facts:
    """Return the hash of a new password, or the problem that the page shows.

    The problem is that the password is refused, or that the server is too busy to hash it.
    """
    length = site.config.password_length
    if len(password) < length:
        return Facts(problem="short_password", count=length, status=400)
    if len(password) > LONGEST_PASSWORD:
        return Facts(problem="long_password", count=LONGEST_PASSWORD, status=400)
    check = partial(check_new_password, password, site.config, *own_words)
    try:
        hashed = await site.passwords.hash_new(password, check, network_of(request.peer))
    except Misuse:
        return Facts(problem="weak_password", status=400)
    if hashed is None:
        site.limited("passwords-waiting", request)
        return Facts(problem="busy", status=503)
    return hashed


def read_email(typed: str | None) -> str:
    """Return a typed e-mail address, or "" if it cannot be one."""
    email = (typed or "").strip()
    name, _, host = email.rpartition("@")
    is_one = name and host and "@" not in name and email.isprintable() and not any(map(str.isspace, email))
    return email if is_one and len(email) <= LONGEST_EMAIL else ""


async def user_of(site: Site, transaction: Transaction, email: str) -> User | None:
    """Return the user with an e-mail address. The connections are searched in the order of the settings.

    Return None if no connection has such a user.
    """
    for connection in site.config.connections:
        found = await transaction.user_by_email(email, connection.name)
        if found is not None:
            return found
    return None


def notice_words(notice: BrowserLogin) -> dict[str, object]:
    """Return the template values for a notice from `read_notice`."""
    return {
        "problem": notice.problem,
        "count": notice.count,
        "told": notice.told,
        "email": notice.email,
        "name": notice.name,
    }


async def _user_of_link(site: Site, link: MailLink | None) -> User | None:
    if link is None:
        return None
    user = await site.store.read(lambda transaction: transaction.user_by_id(link.user_id))
    return user if user is not None and _fits(site, link, user) else None


def _fits(site: Site, link: MailLink, user: User) -> bool:
    is_same = user.email == link.email and password_mark(site, user) == link.password_mark
    return is_same and not user.is_blocked
