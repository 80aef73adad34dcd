"""GET and POST /u/consent: a person who is logged in lets a program in, or does not (RFC 6749 §10.2, RFC 8252 §8.6)."""

from __future__ import annotations

from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.fields import read_form
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.authorization_facts import LoginState, is_verifiable
from keyfob.server.endpoints.pages.authorize import error_page, issue_code, login_state, refuse
from keyfob.server.endpoints.pages.browser import go_to, page, read_own_form, visit
from keyfob.server.endpoints.pages.pending_request import PendingRequest, resume
from keyfob.server.site import Site

LOST = "This page was too old, or did not come from us. Please start again in your program."


async def show(site: Site, request: Request) -> Response:
    """What the program wants, and who would let it in. Changes nothing."""
    who = await visit(site, request)
    pending = resume(site, state_of(request))
    if pending is None:
        return error_page(site, who, LOST)
    login = await login_state(site, who, pending.accepted)
    if not _is_fresh(pending, login):
        return go_to(site, who, f"/u/login?state={pending.token}")
    user_id = login.user_id or ""
    user = await site.store.read(lambda store: store.user_by_id(user_id))
    words = {"email": user.email if user else "", "state": pending.token, **describe_asked(pending)}
    return page(site, who, "consent.html", words, form_to=pending.accepted.asked.redirect_uri)


async def act(site: Site, request: Request) -> Response:
    """A button was pressed."""
    who = await visit(site, request)
    fields = read_own_form(site, request, who)
    pending = None if fields is None else resume(site, fields.optional_text("state"))
    if fields is None or pending is None:
        return error_page(site, who, LOST)
    button = fields.optional_text("button")
    if button == "other":
        return go_to(site, who, f"/u/login?state={pending.token}")
    if button != "approve":
        return refuse(site, request, who, pending, "access_denied", "User did not authorize the request")
    login = await login_state(site, who, pending.accepted)
    if not _is_fresh(pending, login):
        return go_to(site, who, f"/u/login?state={pending.token}")
    return await issue_code(site, request, who, pending, login, consented=True)


def _is_fresh(pending: PendingRequest, login: LoginState) -> bool:
    """Whether the login is new enough for what the program wants."""
    if login.user_id is None or login.auth_time is None:
        return False
    if login.auth_time >= pending.began_at:
        return True
    asked = pending.accepted.asked
    if {"login", "select_account"} & set(asked.prompt):
        return False
    return asked.max_age is None or pending.began_at - login.auth_time <= asked.max_age


def state_of(request: Request) -> str | None:
    """The page's sealed request, from its address."""
    try:
        return read_form(request.query.encode(), "address").optional_text("state")
    except Malformed:
        return None


def describe_asked(pending: PendingRequest) -> dict[str, object]:
    """What a person is told of the program that asks."""
    accepted = pending.accepted
    api, scope, back = accepted.reach.api, accepted.reach.scope, urlsplit(accepted.asked.redirect_uri)
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
