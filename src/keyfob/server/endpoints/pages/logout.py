"""GET /v2/logout (Auth0), GET and POST /oidc/logout (OpenID Connect RP-Initiated Logout §2-4)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.address import is_web_url
from keyfob.protocol.claims import IdClaims
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import FORM, Request, Response, media_type
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.own_tokens import verify_own_jwt
from keyfob.server.endpoints.oauth.parameters import read_body, read_query
from keyfob.server.endpoints.pages.browser import (
    BrowserRequest,
    drop_cookie,
    error_page,
    go_to,
    page,
    page_headers,
    read_browser,
    read_own_form,
    sid_of,
)
from keyfob.server.site import Site

_DONE = "/oidc/logout/done"
_MISTAKE = "logout_mistake"
_UNLISTED = "The address to go to after the logout is not registered."
_UNREADABLE = "The request cannot be read."


async def v2_logout(site: Site, request: Request) -> Response:
    """End the session and redirect to a registered URL. As at Auth0, any query and fragment of the URL are accepted."""
    browser = await read_browser(site, request)
    try:
        fields = read_query(request)
        client_id, goal = fields.optional_text("client_id"), fields.optional_text("returnTo")
    except Malformed:
        return error_page(site, browser, _MISTAKE, detail=_UNREADABLE)
    application = site.config.application(client_id or "")
    if client_id is not None and application is None:
        return error_page(site, browser, _MISTAKE, detail="That program is not known to this tenant.")
    listed = site.config.logout_urls if application is None else application.logout_urls
    if goal is None and application is not None and listed:
        goal = listed[0]
    # The query of the URL is not checked, so it must not be able to end the header that contains the URL.
    if goal is not None and not is_web_url(goal):
        return error_page(site, browser, _MISTAKE, detail=_UNLISTED)
    if goal is not None and _bare(goal) not in {_bare(one) for one in listed}:
        return error_page(site, browser, _MISTAKE, detail=_UNLISTED)
    await _end(site, request, browser)
    if goal is None:
        return Response(200, (("content-type", "text/plain; charset=utf-8"), *drop_cookie(site)), b"OK")
    return Response(302, (("location", goal), *page_headers(), *drop_cookie(site)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A logout request.

    Attributes:
        goal: The URL to redirect to after the logout, or None.
        is_sure: Whether the ID token or `logout_hint` of the request belongs to the browser's session.
    """

    goal: str | None
    is_sure: bool


async def oidc_logout(site: Site, request: Request) -> Response:
    """End the session.

    If neither the ID token nor `logout_hint` in the request belongs to this session, let the user confirm first.
    """
    browser = await read_browser(site, request)
    try:
        is_form = request.method == "POST" and media_type(request.header("content-type")) == FORM
        fields = read_body(request) if is_form else read_query(request)
        asked = _read(site, browser, fields)
    except (Malformed, InvalidToken) as problem:
        return error_page(site, browser, _MISTAKE, detail=problem.message)
    pressed = read_own_form(site, request, browser) if request.method == "POST" else None
    if pressed is not None and pressed.optional_text("button") == "stay":
        return go_to(site, browser, _DONE)
    if pressed is None and not asked.is_sure and browser.record is not None:
        kept = {name: str(value) for name, value in fields.values.items() if name not in {"csrf", "button"}}
        return page(site, browser, "logout.html", {"kept": kept}, form_to=asked.goal)
    await _end(site, request, browser)
    if asked.goal is None:
        return Response(303, (("location", _DONE), *page_headers(), *drop_cookie(site)))
    status = 303 if request.method == "POST" else 302
    return Response(status, (("location", asked.goal), *page_headers(), *drop_cookie(site)))


async def done(site: Site, request: Request) -> Response:
    """GET /oidc/logout/done: show whether a user is logged in at this browser."""
    browser = await read_browser(site, request)
    return page(site, browser, "logged_out.html", {"is_known": browser.record is not None})


def _read(site: Site, browser: BrowserRequest, fields: Fields) -> _Asked:
    """Return the logout request.

    Raises:
        Malformed: A parameter is malformed, or the `post_logout_redirect_uri` is not registered.
        InvalidToken: This server did not issue the ID token, or did not issue it to the client `client_id`.
    """
    client_id, goal = fields.optional_text("client_id"), fields.optional_text("post_logout_redirect_uri")
    hint, sid = fields.optional_text("id_token_hint"), fields.optional_text("logout_hint")
    if hint is not None:
        claims = _verify_id_token(site, Secret(hint))
        if client_id not in {None, *claims.audience}:
            raise InvalidToken("The ID token is another program's.")
        client_id, sid = claims.audience[0], claims.session_id or sid
    application = site.config.application(client_id or "")
    if goal is not None and (application is None or goal not in application.logout_urls):
        raise Malformed(_UNLISTED, field="post_logout_redirect_uri")
    state = fields.optional_text("state")
    if goal is not None and state is not None:
        goal += ("&" if "?" in goal else "?") + urlencode({"state": state})
    return _Asked(goal, is_sure=sid is not None and sid == sid_of(site, browser.session_hash))


def _verify_id_token(site: Site, token: Secret) -> IdClaims:
    """Return the claims of an ID token of this server. The token may have expired.

    Raises:
        InvalidToken: The token is not an ID token of this server.
    """
    claims = IdClaims.read(verify_own_jwt(site, token, frozenset({"jwt"})))
    if claims.issuer != site.config.issuer or len(claims.audience) != 1:
        raise InvalidToken("The ID token is not ours.")
    return claims


async def _end(site: Site, request: Request, browser: BrowserRequest) -> None:
    if browser.record is not None:
        await site.store.write(lambda transaction: transaction.drop_session(browser.session_hash))
        site.note("slo", request, user_id=browser.record.user_id, session_id=sid_of(site, browser.session_hash))


def _bare(address: str) -> str:
    return address.partition("#")[0].partition("?")[0]
