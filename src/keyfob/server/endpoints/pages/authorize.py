"""GET and POST /authorize: the authorization endpoint (RFC 6749 §3.1, §4.1; RFC 9126 §4)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from keyfob.errors import Malformed
from keyfob.protocol.authorization import AuthorizationAnswer
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.authorization_facts import REQUEST_URI_PREFIX, AcceptedRequest, ArrivalFacts, LoginState
from keyfob.server.decide.authorization_request import (
    CallbackError,
    PageError,
    check_arrival,
    check_request,
    next_step,
)
from keyfob.server.decide.browser_login import advance, begin_request, belongs_to
from keyfob.server.endpoints.oauth.parameters import read_body, read_query
from keyfob.server.endpoints.pages.browser import (
    BrowserRequest,
    callback_headers,
    callback_page,
    error_page,
    read_browser,
    sid_of,
)
from keyfob.server.endpoints.pages.sealed_login import (
    LOST,
    ContinuedLogin,
    allowed_user,
    connections_of_request,
    read_ending,
    state_of,
    to_step,
)
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import AuthorizationCode, Consent, PushedRequest
from keyfob.server.site import Site

CODE_BYTES = 32
APP_MISTAKE: Final = "app_mistake"  # the redirect URI is not verified, so the user is told (RFC 9700 §4.11.2)


async def authorize(site: Site, request: Request) -> Response:
    """Check the request. Then issue a code, redirect the user to the next page, or send an error to the client.

    If the redirect URI is not verified, show the error on a page instead. The request is not stored: the URL of the
    next page contains it.
    """
    browser = await read_browser(site, request)
    arrival, fields = await _arrival(site, request)
    refused = check_arrival(arrival)
    if refused is None and arrival.pushed is not None:
        opened = await _spend(site, arrival.pushed)
        refused = check_arrival(replace(arrival, is_new=opened))
    if refused is not None:
        return error_page(site, browser, APP_MISTAKE, detail=refused.problem)
    checked = check_request(site.config, fields, is_pushed=arrival.is_pushed)
    if isinstance(checked, PageError):
        site.note("f", request, description=checked.problem)
        return error_page(site, browser, APP_MISTAKE, detail=checked.problem)
    if isinstance(checked, CallbackError):
        site.note("f", request, client_id=fields.text("client_id"), description=checked.error)
        return send_error(site, request, browser, checked)
    login = await state_of_request(site, browser, checked)
    step = next_step(checked, login, site.now())
    begun = begin_request(checked.asked.write(), "consent" if step == "consent" else "login", site.now())
    pending = ContinuedLogin(begun, "", checked)
    match step:
        case "login" | "consent":
            return to_step(site, browser, begun)
        case "issue":
            return await issue_code(site, request, browser, pending, login)
        case error:
            return refuse(site, request, browser, pending, error, error.replace("_", " ").capitalize())


async def _arrival(site: Site, request: Request) -> tuple[ArrivalFacts, Fields]:
    """Read the parameters of the request or, with a `request_uri`, of the pushed request (RFC 9126 §4)."""
    try:
        fields = read_body(request) if request.method == "POST" else read_query(request)
        address, client_id = fields.optional_text("request_uri"), fields.optional_text("client_id")
    except Malformed as problem:
        return ArrivalFacts(problem, None, is_pushed=False, pushed=None, now=site.now()), Fields({}, "request")
    if address is None or not address.startswith(REQUEST_URI_PREFIX):
        return ArrivalFacts(None, client_id, is_pushed=False, pushed=None, now=site.now()), fields
    hashed = keyed_hash(site.hash_keys.codes, address)
    found = await site.store.read(lambda transaction: transaction.pushed(hashed))
    if found is not None:
        fields = Fields(json.loads(found.parameters), "request")
    return ArrivalFacts(None, client_id, is_pushed=True, pushed=found, now=site.now()), fields


async def _spend(site: Site, pushed: PushedRequest) -> bool:
    """Mark a pushed request as used. Return False if it was used before (RFC 9126 §4)."""
    key, until = keyed_hash(site.hash_keys.codes, b"pushed " + pushed.uri_hash), pushed.expires_at
    return await site.store.write(lambda transaction: transaction.use_once(key, until))


async def state_of_request(site: Site, browser: BrowserRequest, accepted: AcceptedRequest) -> LoginState:
    """Load the user who is logged in at the browser, and the user's consent for the client.

    If no user is logged in, or if the user may not log in for this request, return an empty `LoginState`.
    """
    record = browser.record
    if record is None:
        return LoginState()
    user_id, api = record.user_id, accepted.access.api

    async def load(transaction: Transaction) -> LoginState:
        if await allowed_user(transaction, connections_of_request(accepted), user_id) is None:
            return LoginState()
        consent = await transaction.consent(user_id, accepted.application.client_id, api.audience)
        return LoginState(user_id, record.auth_time, consent)

    return await site.store.read(load)


async def issue_code(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    pending: ContinuedLogin,
    login: LoginState,
    *,
    consented: bool = False,
) -> Response:
    """Issue a code, and send it to the client through the browser."""
    accepted, now, code = pending.accepted, site.now(), base64url(site.random(CODE_BYTES))
    assert accepted is not None, "a code is only issued for an authorization request"  # noqa: S101
    asked, application = accepted.asked, accepted.application
    assert login.user_id is not None, "a code is only issued after a login"  # noqa: S101
    assert login.auth_time is not None  # noqa: S101
    record = AuthorizationCode(
        code_hash=keyed_hash(site.hash_keys.codes, code),
        client_id=application.client_id,
        redirect_uri=asked.redirect_uri,
        challenge=asked.code_challenge,
        audience=accepted.access.api.audience,
        scope=accepted.access.scope,
        user_id=login.user_id,
        auth_time=login.auth_time,
        created_at=now,
        expires_at=now + site.config.code_lifetime,
        nonce=asked.nonce,
        key_thumbprint=asked.key_thumbprint,
        sid=sid_of(site, browser.session_hash),
    )
    before = login.consent.scope.names if login.consent else frozenset[str]()
    consent = Consent(
        record.user_id, record.client_id, record.audience, replace(record.scope, names=record.scope.names | before), now
    )

    async def save(store: Transaction) -> bool:
        if await store.session(browser.session_hash) is None:
            return False
        await store.save_code(record)
        if consented:
            await store.save_consent(consent)
        return True

    if not await site.store.write(save):  # the user has logged out, or changed the password, in the meantime
        return refuse(site, request, browser, pending, "login_required", "Login required")
    who = {"client_id": record.client_id, "user_id": record.user_id, "audience": record.audience}
    if consented:
        site.note("keyfob_consent", request, **who, session_id=record.sid or "")
    site.note("ssa" if "none" in asked.prompt else "s", request, **who, session_id=record.sid or "")
    answer = AuthorizationAnswer(asked.state, code)
    return _answer(site, request, browser, asked.redirect_uri, asked.response_mode, answer, pending)


def refuse(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, error: str, description: str
) -> Response:
    """Send the client an error instead of a code."""
    assert pending.accepted is not None, "an error is only sent for an authorization request"  # noqa: S101
    asked = pending.accepted.asked
    site.note("fsa" if "none" in asked.prompt else "f", request, client_id=asked.client_id, description=error)
    found = CallbackError(asked.redirect_uri, asked.response_mode or "query", asked.state, error, description)
    return send_error(site, request, browser, found, pending)


def send_error(
    site: Site, request: Request, browser: BrowserRequest, found: CallbackError, pending: ContinuedLogin | None = None
) -> Response:
    """Send an error to a verified redirect URI."""
    answer = AuthorizationAnswer(found.state, None, found.error, found.description)
    return _answer(site, request, browser, found.redirect_uri, found.response_mode, answer, pending)


async def show_answer(site: Site, request: Request) -> Response:
    """GET /u/answer: show the form that posts the authorization response to the client (response mode `form_post`).

    The browser is redirected to this page after the last form of this server, such as the login.
    """
    browser = await read_browser(site, request)
    login = read_ending(site, state_of(request), "answered")
    if login is None or login.answer is None or login.request is None or not belongs_to(login, browser.session_hash):
        return error_page(site, browser, LOST)
    return callback_page(site, browser, login.request["redirect_uri"], login.answer)


def _answer(
    site: Site,
    request: Request,
    browser: BrowserRequest,
    redirect_uri: str,
    mode: str | None,
    answer: AuthorizationAnswer,
    pending: ContinuedLogin | None,
) -> Response:
    # RFC 9207 adds the issuer; Auth0 does not.
    full = replace(answer, issuer=site.config.issuer) if site.config.wire == "rfc" else answer
    if pending is not None:
        answered = advance(pending.login, "answered", answer=full.write(), session_hash=browser.session_hash)
        if mode == "form_post" and request.method == "POST":
            return to_step(site, browser, answered)
    if mode == "form_post":
        return callback_page(site, browser, redirect_uri, full.write())
    status = 303 if request.method == "POST" else 302  # 307 would forward a password (RFC 9700 §4.12)
    return Response(status, callback_headers(site, browser, full.address(redirect_uri)))
