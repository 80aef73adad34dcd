"""GET /v2/logout (Auth0), GET and POST /oidc/logout (OpenID Connect RP-Initiated Logout §2-4)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.claims import IdClaims
from keyfob.protocol.fields import Fields, read_form
from keyfob.protocol.http import FORM, Request, Response, media_type
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.own_tokens import signed_by_us
from keyfob.server.endpoints.pages.browser import Visit, drop_cookie, page, page_headers, read_own_form, visit
from keyfob.server.endpoints.pages.pending_request import sid_of
from keyfob.server.site import Site

_UNLISTED = "The address to go to after the logout is not registered."
_UNREADABLE = "The request cannot be read."


async def v2_logout(site: Site, request: Request) -> Response:
    """Auth0's: ends the session at once, and leads to a registered address only; query and hash do not count."""
    who = await visit(site, request)
    try:
        fields = read_form(request.query.encode(), "request")
        client_id, goal = fields.optional_text("client_id"), fields.optional_text("returnTo")
    except Malformed:
        return page(site, who, "problem.html", {"problem": _UNREADABLE}, 400)
    application = site.config.application(client_id or "")
    if client_id is not None and application is None:
        return page(site, who, "problem.html", {"problem": "That program is not known to this tenant."}, 400)
    listed = site.config.logout_urls if application is None else application.logout_urls
    if goal is None and application is not None and listed:
        goal = listed[0]
    if goal is not None and _bare(goal) not in {_bare(one) for one in listed}:
        return page(site, who, "problem.html", {"problem": _UNLISTED}, 400)
    await _end(site, request, who)
    if goal is None:
        return Response(200, (("content-type", "text/plain; charset=utf-8"), *drop_cookie(site)), b"OK")
    return Response(302, (("location", goal), *page_headers(site), *drop_cookie(site)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A logout that a program asks for. `is_sure`: it has shown an ID token of the session at hand."""

    goal: str | None
    is_sure: bool


async def oidc_logout(site: Site, request: Request) -> Response:
    """The standard's: without an ID token of this very session the person is asked first."""
    who = await visit(site, request)
    try:
        is_form = request.method == "POST" and media_type(request.header("content-type")) == FORM
        fields = read_form(request.body if is_form else request.query.encode(), "request")
        asked = _read(site, who, fields)
    except (Malformed, InvalidToken) as problem:
        return page(site, who, "problem.html", {"problem": problem.message}, 400)
    pressed = read_own_form(site, request, who) if request.method == "POST" else None
    if pressed is not None and pressed.optional_text("button") == "stay":
        return page(site, who, "problem.html", {"problem": "You are still logged in here."}, 200)
    if pressed is None and not asked.is_sure and who.record is not None and who.record.user_id is not None:
        kept = {name: str(value) for name, value in fields.values.items() if name not in {"csrf", "button"}}
        return page(site, who, "logout.html", {"kept": kept}, form_to=asked.goal)
    await _end(site, request, who)
    if asked.goal is None:
        words = {"problem": "You are logged out here."}
        response = page(site, who, "problem.html", words)
        return Response(200, (*response.headers, *drop_cookie(site)), response.body)
    status = 303 if request.method == "POST" else 302
    return Response(status, (("location", asked.goal), *page_headers(site), *drop_cookie(site)))


def _read(site: Site, who: Visit, fields: Fields) -> _Asked:
    """What is asked.

    Raises:
        Malformed: A parameter cannot be read, or the address to go to is not registered.
        InvalidToken: The ID token is not ours, or another program's than `client_id` says.
    """
    client_id, goal = fields.optional_text("client_id"), fields.optional_text("post_logout_redirect_uri")
    hint, sid = fields.optional_text("id_token_hint"), fields.optional_text("logout_hint")
    if hint is not None:
        claims = _believed(site, Secret(hint))
        if client_id not in {None, *claims.audience}:
            raise InvalidToken("The ID token is another program's.")
        client_id, sid = claims.audience[0], claims.session_id or sid
    application = site.config.application(client_id or "")
    if goal is not None and (application is None or goal not in application.logout_urls):
        raise Malformed(_UNLISTED, field="post_logout_redirect_uri")
    state = fields.optional_text("state")
    if goal is not None and state is not None:
        goal += ("&" if "?" in goal else "?") + urlencode({"state": state})
    return _Asked(goal, is_sure=sid is not None and sid == sid_of(site, who.session_hash))


def _believed(site: Site, token: Secret) -> IdClaims:
    """An ID token of ours; that it has lapsed does not matter.

    Raises:
        InvalidToken: It is not one.
    """
    claims = IdClaims.read(signed_by_us(site, token, frozenset({"jwt"})))
    if claims.issuer != site.config.issuer or len(claims.audience) != 1:
        raise InvalidToken("The ID token is not ours.")
    return claims


async def _end(site: Site, request: Request, who: Visit) -> None:
    if who.record is not None:
        await site.store.write(lambda transaction: transaction.drop_session(who.session_hash))
        site.note("slo", request, user_id=who.record.user_id or "")


def _bare(address: str) -> str:
    return address.partition("#")[0].partition("?")[0]
