"""A browser at the tenant's pages: its session, the proof that a form is ours, and safe answers (RFC 6749 §10.12)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.address import is_loopback
from keyfob.protocol.fields import Fields, read_form
from keyfob.protocol.http import FORM, Headers, Request, Response, media_type
from keyfob.protocol.secret import Secret
from keyfob.server.keyed_hash import keyed_hash, write_token
from keyfob.server.records import BrowserSession
from keyfob.server.site import Site

SESSION_BYTES: Final = 32
FORM_POST_SCRIPT: Final = "document.forms[0].submit()"
_LONGEST_COOKIE: Final = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a browser.

    Attributes:
        session_id: What its cookie says, or a new one; a row exists only once a form was sent.
        is_new: Whether the cookie is still to be set.
    """

    session_id: Secret
    session_hash: bytes
    is_new: bool
    record: BrowserSession | None


async def visit(site: Site, request: Request) -> Visit:
    """Who comes. A lapsed session counts as a new one."""
    shown = _cookie(site, request)
    if shown is None:
        return new_visit(site)
    hashed = keyed_hash(site.hash_keys.sessions, shown)
    record = await site.store.read(lambda transaction: transaction.session(hashed))
    config, now = site.config, site.now()
    if record and (now >= record.created_at + config.session_absolute or now >= record.seen_at + config.session_idle):
        return new_visit(site)
    return Visit(Secret(shown), hashed, is_new=False, record=record)


def new_visit(site: Site) -> Visit:
    """A browser that starts anew: nothing that somebody planted in it before counts (session fixation)."""
    fresh = write_token(site.surroundings.random(SESSION_BYTES))
    return Visit(Secret(fresh), keyed_hash(site.hash_keys.sessions, fresh), is_new=True, record=None)


def csrf_of(site: Site, who: Visit) -> str:
    """What every form carries: only a page that we gave to this very session can know it."""
    return write_token(keyed_hash(site.hash_keys.csrf, who.session_id))


def read_own_form(site: Site, request: Request, who: Visit) -> Fields | None:
    """A form that one of our pages sent from this session; None for any other.

    Args:
        site: The tenant.
        request: A POST.
        who: Whose it is.
    """
    origin, fetched = request.header("origin"), request.header("sec-fetch-site")
    # Our own pages say `no-referrer`, and browsers then write the origin of their forms as "null".
    if origin not in {None, "null", site.config.origin} or fetched not in {None, "same-origin"}:
        return None
    if media_type(request.header("content-type")) != FORM or who.is_new:
        return None
    try:
        fields = read_form(request.body, "form")
        proof = fields.optional_text("csrf") or ""
    except Malformed:
        return None
    return fields if hmac.compare_digest(proof.encode(), csrf_of(site, who).encode()) else None


def page(
    site: Site, who: Visit, name: str, words: Mapping[str, object], status: int = 200, *, form_to: str | None = None
) -> Response:
    """A page of ours. `form_to`: a callback that pressing a button may lead to, which browsers must be told of."""
    content = site.render(name, {**_words(site), "csrf": csrf_of(site, who), **words})
    return Response(status, (*page_headers(site, form_to=form_to), *_set_cookie(site, who)), content)


def callback_page(site: Site, who: Visit, callback: str, parameters: Mapping[str, str]) -> Response:
    """A form that sends itself to a program (OAuth 2.0 Form Post Response Mode); without JavaScript by a press."""
    content = site.render(
        "form_post.html", {**_words(site), "callback": callback, "parameters": parameters, "script": FORM_POST_SCRIPT}
    )
    headers = page_headers(site, form_to=callback, script=FORM_POST_SCRIPT)
    return Response(200, (*headers, *_set_cookie(site, who)), content)


def callback_headers(site: Site, who: Visit, address: str) -> Headers:
    """What goes with a redirect to a program."""
    return (("location", address), *page_headers(site), *_set_cookie(site, who))


def drop_cookie(site: Site) -> Headers:
    """Make the browser forget its session."""
    secure = "; Secure" if site.config.is_https else ""
    return (("set-cookie", f"{_cookie_name(site)}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0"),)


def go_to(site: Site, who: Visit, path: str) -> Response:
    """On to another page of ours; 303, so that a password is never sent again (RFC 9700 §4.12)."""
    return Response(303, (("location", path), *page_headers(site), *_set_cookie(site, who)))


def page_headers(site: Site, *, form_to: str | None = None, script: str | None = None) -> Headers:
    """What every page says to the browser about itself."""
    goal = "'self'" if form_to is None else f"'self' {_source(form_to)}"
    policy = f"default-src 'none'; style-src 'self'; img-src 'self' data: https:; form-action {goal}"
    if script is not None:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    headers = (
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", f"{policy}; base-uri 'none'; frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    )
    # A browser would hold `localhost` to https for a year, with everything else that is developed there.
    if not site.config.is_https or is_loopback(site.config.issuer):
        return headers
    return (*headers, ("strict-transport-security", "max-age=31536000"))


def _source(callback: str) -> str:
    """A callback as a content security policy names it; its grammar has no IPv6 addresses."""
    parts = urlsplit(callback)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def _words(site: Site) -> Mapping[str, object]:
    config = site.config
    return {"tenant": config.name, "logo": config.logo, "host": config.origin.partition("://")[2]}


def _cookie_name(site: Site) -> str:
    # The prefix makes browsers insist on Secure, this host and this path; over plain http on loopback they refuse it.
    return "__Host-keyfob" if site.config.is_https else "keyfob"


def _set_cookie(site: Site, who: Visit) -> Headers:
    if not who.is_new:
        return ()
    secure = "; Secure" if site.config.is_https else ""
    value = f"{_cookie_name(site)}={who.session_id.reveal()}; Path=/; HttpOnly; SameSite=Lax{secure}"
    return (("set-cookie", value),)


def _cookie(site: Site, request: Request) -> str | None:
    for header in request.header_values("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == _cookie_name(site) and 0 < len(value) <= _LONGEST_COOKIE:
                return value
    return None
