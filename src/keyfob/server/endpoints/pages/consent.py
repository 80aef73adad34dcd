"""GET and POST /u/consent: a user who is logged in allows or denies a client (RFC 6749 §10.2, RFC 8252 §8.6)."""

from __future__ import annotations

from urllib.parse import urlsplit

from keyfob.protocol.http import Request, Response
from keyfob.protocol.language import wanted_language
from keyfob.server.decide.authorization_facts import AcceptedRequest, LoginState, is_verifiable
from keyfob.server.decide.browser_login import BrowserLogin, advance
from keyfob.server.endpoints.pages.authorize import issue_code, refuse, state_of_request
from keyfob.server.endpoints.pages.browser import BrowserRequest, error_page, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.client_words import client_words
from keyfob.server.endpoints.pages.sealed_login import LOST, ContinuedLogin, resume, state_of, to_step
from keyfob.server.site import Site


async def show(site: Site, request: Request) -> Response:
    """Show the client, its request and the user's account. If the user must log in first, redirect to the login."""
    browser = await read_browser(site, request)
    pending = await resume(site, browser, state_of(request), "login", "consent")
    if not isinstance(pending, ContinuedLogin) or pending.accepted is None:
        return error_page(site, browser, LOST)
    login = await state_of_request(site, browser, pending.accepted)
    if pending.login.step == "login" or not _is_fresh(pending.login, pending.accepted, login):
        return _to_login(site, browser, pending)
    user_id = login.user_id or ""
    user = await site.store.read(lambda store: store.user_by_id(user_id))
    words = {"email": user.email if user else "", "state": pending.token, **describe_asked(site, pending.accepted)}
    return page(site, browser, "consent.html", words, form_to=pending.callback)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    token = None if fields is None else fields.optional_text("state")
    pending = await resume(site, browser, token, "consent")
    if fields is None or not isinstance(pending, ContinuedLogin) or pending.accepted is None:
        return error_page(site, browser, LOST)
    button = fields.optional_text("button")
    if button == "other":
        return _to_login(site, browser, pending)
    if button != "approve":
        return refuse(site, request, browser, pending, "access_denied", "User did not authorize the request")
    login = await state_of_request(site, browser, pending.accepted)
    if not _is_fresh(pending.login, pending.accepted, login):
        return _to_login(site, browser, pending)
    return await issue_code(site, request, browser, pending, login, consented=True)


def _to_login(site: Site, browser: BrowserRequest, pending: ContinuedLogin) -> Response:
    login = pending.login
    return to_step(site, browser, login if login.step == "login" else advance(login, "login", session_hash=None))


def _is_fresh(pending: BrowserLogin, accepted: AcceptedRequest, login: LoginState) -> bool:
    """Return whether the user is logged in, and neither `max_age` nor `prompt` of the request requires a new login."""
    if login.user_id is None or login.auth_time is None:
        return False
    if login.auth_time >= pending.began_at:
        return True
    asked = accepted.asked
    if {"login", "select_account"} & set(asked.prompt):
        return False
    return asked.max_age is None or pending.began_at - login.auth_time <= asked.max_age


def describe_asked(site: Site, accepted: AcceptedRequest) -> dict[str, object]:
    """Return the template values about the client and its request."""
    api, scope, back = accepted.access.api, accepted.access.scope, urlsplit(accepted.asked.redirect_uri)
    wanted = wanted_language(accepted.asked.ui_locales)
    return {
        **({} if wanted is None else {"lang": wanted}),
        **client_words(site, accepted.application.client_id),
        "api": api.name,
        "peer": "",
        "place": "",
        "device": "",
        "nearness": "",
        "lasts": [],
        "minutes": 0,
        "started": "",
        "back": f"{back.scheme}://{back.netloc}" if back.netloc else f"{back.scheme}:",
        "is_verifiable": is_verifiable(accepted.asked.redirect_uri),
        "scopes": [api.scopes[name] for name in sorted(scope.names) if name in api.scopes],
        "knows_person": "profile" in scope or "email" in scope,
        "stays": "offline_access" in scope and api.allow_offline_access,
    }
