"""GET and POST /u/signup, /u/join, /u/verify: create an account, and confirm an e-mail address, by a link."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.browser_login import begin_for_user
from keyfob.server.endpoints.account_mail import WrittenMail, send_later, write_mail
from keyfob.server.endpoints.pages.browser import error_page, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.mail_link import link_for, read_link, spend_mail, use_link, write_link_mail
from keyfob.server.endpoints.pages.new_password import (
    BAD_LINK,
    hash_new_password,
    notice_words,
    read_email,
    user_of,
)
from keyfob.server.endpoints.pages.sealed_login import LOST, query_text, read_notice, tell, to_step
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.site import Site

LONGEST_NAME = 100
_USER_ID_BYTES = 12


async def show_signup(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    if not site.may_sign_up:
        return error_page(site, browser, "not_found", 404)
    notice = read_notice(site, browser, request)
    return page(site, browser, "signup.html", notice_words(notice), notice.status)


async def act_signup(site: Site, request: Request) -> Response:
    """E-mail a link or, if the account exists already, a text that says so. The response is the same in both cases."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if not site.may_sign_up:
        return error_page(site, browser, "not_found", 404)
    if fields is None:
        return tell(site, browser, "/u/signup", problem="page_too_old", status=403)
    email = read_email(fields.optional_text("email"))
    if not email:
        return tell(site, browser, "/u/signup", problem="bad_email", status=400)
    spent = await spend_mail(site, request, email)
    if spent == "refuse":
        site.limited("e-mails", request)
        return tell(site, browser, "/u/signup", problem="too_many_mails", email=email, status=429)
    user = await site.store.read(lambda transaction: user_of(site, transaction, email))

    def write() -> WrittenMail:
        if user is not None:
            return write_mail(site, "exists", "/account", browser.language)
        return write_link_mail(site, "/u/join", browser.language, link_for(site, "join", email))

    if spent == "send":
        send_later(site, request, email if user is None else user.email, write, user.user_id if user else "")
    return tell(site, browser, "/u/sent", email=email)


async def show_join(site: Site, request: Request) -> Response:
    browser, token = await read_browser(site, request), query_text(request, "link")
    link = read_link(site, token, "join") if site.may_sign_up else None
    if link is None or await site.store.read(lambda transaction: user_of(site, transaction, link.email)) is not None:
        return error_page(site, browser, BAD_LINK)
    notice = read_notice(site, browser, request)
    words = {**notice_words(notice), "email": link.email, "link": token, "length": site.config.password_length}
    return page(site, browser, "join.html", words, notice.status)


async def act_join(site: Site, request: Request) -> Response:
    """Create the account. The user then has to log in, so that every rule for logins applies."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return error_page(site, browser, LOST, 403)
    token, name = fields.optional_text("link"), read_name(fields.optional_text("name"))
    password = Secret(fields.optional_text("password") or "")
    link = read_link(site, token, "join") if site.may_sign_up else None
    if link is None:
        return error_page(site, browser, BAD_LINK)
    back = f"/u/join?{urlencode({'link': token or ''})}"
    if not name:
        return tell(site, browser, back, problem="no_name", status=400)
    now, hashed = site.now(), await hash_new_password(site, request, password, link.email, name)
    if not isinstance(hashed, str):
        hashed["name"] = name  # so that the user need not type the name again
        return tell(site, browser, back, **hashed)
    user_id = f"auth0|{site.random(_USER_ID_BYTES).hex()}"
    user = User(user_id, link.email, name, hashed, now, connection=site.config.connections[0].name)

    async def add(transaction: Transaction) -> bool:
        if await user_of(site, transaction, link.email) is not None or not await use_link(site, transaction, link):
            return False
        await transaction.save_user(user)
        return True

    if not await site.store.write(add):
        return error_page(site, browser, BAD_LINK)
    site.note("ss", request, user_id=user_id)
    login = begin_for_user("login", now, goal="account")
    return to_step(site, browser, replace(login, told="account_made", email=link.email))


async def show_verify(site: Site, request: Request) -> Response:
    """Show a button that confirms the address. A GET confirms nothing, since mail scanners open links."""
    browser, token = await read_browser(site, request), query_text(request, "link")
    link = read_link(site, token, "verify")
    user = None if link is None else await site.store.read(lambda transaction: transaction.user_by_id(link.user_id))
    if link is None or user is None or user.email != link.email or user.email_verified:
        return error_page(site, browser, BAD_LINK)
    return page(site, browser, "verify.html", {"email": link.email, "link": token})


async def act_verify(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    if fields is None:
        return error_page(site, browser, LOST, 403)
    link = read_link(site, fields.optional_text("link"), "verify")
    if link is None:
        return error_page(site, browser, BAD_LINK)

    async def save(transaction: Transaction) -> bool:
        user = await transaction.user_by_id(link.user_id)
        if user is None or user.email != link.email or not await use_link(site, transaction, link):
            return False
        await transaction.save_user(replace(user, email_verified=True, updated_at=site.now()))
        return True

    if not await site.store.write(save):
        return error_page(site, browser, BAD_LINK)
    site.note("sv", request, user_id=link.user_id)
    return tell(site, browser, "/u/verified", told="email_confirmed")


async def show_verified(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    return page(site, browser, "verified.html", notice_words(read_notice(site, browser, request)))


def read_name(typed: str | None) -> str:
    """Return a typed name, or "" if the text cannot be a name."""
    name = " ".join((typed or "").split())
    return name if len(name) <= LONGEST_NAME and name.isprintable() else ""
