"""GET and POST /u/consent: a user who is logged in allows or denies a client (RFC 6749 §10.2, RFC 8252 §8.6)."""

from __future__ import annotations

from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.authorization_facts import LoginState, is_verifiable
from keyfob.server.endpoints.oauth.parameters import read_query
from keyfob.server.endpoints.pages.authorize import error_page, issue_code, login_state, refuse
from keyfob.server.endpoints.pages.browser import go_to, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.pending_request import PendingRequest, resume
from keyfob.server.site import Site

LOST = "This page was too old, or did not come from us. Please start again in your program."


async def show(site: Site, request: Request) -> Response:
    """Show the client, its request and the user's account."""
    browser = await read_browser(site, request)
    pending = resume(site, state_of(request))
    if pending is None:
        return error_page(site, browser, LOST)
    login = await login_state(site, browser, pending.accepted)
    if not _is_fresh(pending, login):
        return go_to(site, browser, f"/u/login?state={pending.token}")
    user_id = login.user_id or ""
    user = await site.store.read(lambda store: store.user_by_id(user_id))
    words = {"email": user.email if user else "", "state": pending.token, **describe_asked(pending)}
    return page(site, browser, "consent.html", words, form_to=pending.accepted.asked.redirect_uri)


async def act(site: Site, request: Request) -> Response:
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    pending = None if fields is None else resume(site, fields.optional_text("state"))
    if fields is None or pending is None:
        return error_page(site, browser, LOST)
    button = fields.optional_text("button")
    if button == "other":
        return go_to(site, browser, f"/u/login?state={pending.token}")
    if button != "approve":
        return refuse(site, request, browser, pending, "access_denied", "User did not authorize the request")
    login = await login_state(site, browser, pending.accepted)
    if not _is_fresh(pending, login):
        return go_to(site, browser, f"/u/login?state={pending.token}")
    return await issue_code(site, request, browser, pending, login, consented=True)


def _is_fresh(pending: PendingRequest, login: LoginState) -> bool:
    """Return whether the login is recent enough for the request."""
    if login.user_id is None or login.auth_time is None:
        return False
    if login.auth_time >= pending.began_at:
        return True
    asked = pending.accepted.asked
    if {"login", "select_account"} & set(asked.prompt):
        return False
    return asked.max_age is None or pending.began_at - login.auth_time <= asked.max_age


def state_of(request: Request) -> str | None:
    """Return the encrypted request from the query."""
    try:
        return read_query(request).optional_text("state")
    except Malformed:
        return None


def describe_asked(pending: PendingRequest) -> dict[str, object]:
    """Return the page's values about the client and its request."""
    accepted = pending.accepted
    api, scope, back = accepted.access.api, accepted.access.scope, urlsplit(accepted.asked.redirect_uri)
    return {
        "application": accepted.application.name,
        "api": api.name,
        "peer": "",
        "started": "",
        "back": f"{back.scheme}://{back.netloc}" if back.netloc else f"{back.scheme}:",
        "is_verifiable": is_verifiable(accepted.asked.redirect_uri),
        "scopes": [api.scopes[name] for name in sorted(scope.names) if name in api.scopes],
        "knows_person": "profile" in scope or "email" in scope,
        "stays": "offline_access" in scope and api.allow_offline_access,
    }
