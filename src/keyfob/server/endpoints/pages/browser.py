"""Requests of browsers and responses to them: session cookie, CSRF token, security headers (RFC 6749 §10.12)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import FORM, Headers, Request, Response, media_type
from keyfob.protocol.language import LANGUAGES, Language, accepted_language
from keyfob.protocol.secret import Secret
from keyfob.server.endpoints.oauth.parameters import read_body
from keyfob.server.endpoints.pages.images import image_address
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.records import BrowserSession
from keyfob.server.site import Site

SESSION_BYTES: Final = 32
FORM_POST_SCRIPT: Final = "document.forms[0].submit()"
PASSKEY_SCRIPT: Final = "/assets/passkey.js"
_LONGEST_COOKIE: Final = 100
# A square in the tenant's colour.
_FAVICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http%3A//www.w3.org/2000/svg' viewBox='0 0 8 8'%3E"
    "%3Crect width='8' height='8' rx='2' fill='%23{colour}'/%3E%3C/svg%3E"
)


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """The browser session that a request belongs to.

    Attributes:
        session_id: The value of the cookie, or a new id if the session is new.
        is_new: Whether the response must set the cookie.
        record: The stored session; None before a login.
        language: The language of the pages.
        request_id: The id of the request, for pages that report an error.
    """

    session_id: Secret
    session_hash: bytes
    is_new: bool
    record: BrowserSession | None
    language: Language = LANGUAGES[0]
    request_id: str = ""


async def read_browser(site: Site, request: Request) -> BrowserRequest:
    """Return the session of a request. If the request has no session, or an expired one, return a new session."""
    cookie = _cookie(site, request)
    if cookie is None:
        return new_browser(site, request)
    hashed = keyed_hash(site.hash_keys.sessions, cookie)
    record = await site.store.read(lambda transaction: transaction.session(hashed))
    config, now = site.config, site.now()
    if record and (now >= record.created_at + config.session_absolute or now >= record.seen_at + config.session_idle):
        return new_browser(site, request)
    return _browser(request, cookie, hashed, is_new=False, record=record)


def new_browser(site: Site, request: Request) -> BrowserRequest:
    """Return a new session with a new id.

    An attacker may have planted the old id in the browser (session fixation). The old id gives no access to the new
    session.
    """
    fresh = base64url(site.random(SESSION_BYTES))
    return _browser(request, fresh, keyed_hash(site.hash_keys.sessions, fresh), is_new=True)


def _browser(
    request: Request, session_id: str, session_hash: bytes, *, is_new: bool, record: BrowserSession | None = None
) -> BrowserRequest:
    return BrowserRequest(Secret(session_id), session_hash, is_new, record, language_of(request), request.request_id)


def language_of(request: Request) -> Language:
    """Return the language that the browser prefers."""
    return accepted_language(request.header("accept-language") or "")


def sid_of(site: Site, session_hash: bytes) -> str:
    """Return the `sid` of a browser session for ID tokens. A `sid` gives no access to the session."""
    return base64url(keyed_hash(site.hash_keys.codes, b"sid " + session_hash)[:16])


def csrf_of(site: Site, browser: BrowserRequest) -> str:
    """Return the CSRF token of a session, which every form contains."""
    return base64url(keyed_hash(site.hash_keys.csrf, browser.session_id))


def read_own_form(site: Site, request: Request, browser: BrowserRequest) -> Fields | None:
    """Return the form of a POST, or None if it was not sent by a page of this server in this session."""
    origin, fetch_site = request.header("origin"), request.header("sec-fetch-site")
    # The pages have the referrer policy `no-referrer`, so browsers send the origin of forms on them as "null".
    if origin not in {None, "null", site.config.origin} or fetch_site not in {None, "same-origin"}:
        return None
    if media_type(request.header("content-type")) != FORM or browser.is_new:
        return None
    try:
        fields = read_body(request)
        csrf = fields.optional_text("csrf") or ""
    except Malformed:
        return None
    return fields if hmac.compare_digest(csrf.encode(), csrf_of(site, browser).encode()) else None


def page(
    site: Site,
    browser: BrowserRequest,
    name: str,
    words: Mapping[str, object],
    status: int = 200,
    *,
    form_to: str | None = None,
    has_script: bool = False,
) -> Response:
    """Return a page.

    Args:
        site: The tenant.
        browser: The browser session that the page is for.
        name: The name of the template.
        words: The values of the template. A value `lang` replaces the browser's language.
        status: The status of the response.
        form_to: A redirect URI that the page's form may lead to, for the content security policy; None if it may lead
            only to this server.
        has_script: Whether the page contains the script for passkeys. If so, the content security policy allows this
            script only. Otherwise, it allows no script.
    """
    shown = {**page_words(site, browser.language, browser.request_id), "csrf": csrf_of(site, browser), **words}
    content = site.render(name, {**shown, "script": PASSKEY_SCRIPT if has_script else ""})
    source = f"{site.config.origin}{PASSKEY_SCRIPT}" if has_script else ""
    return Response(status, (*page_headers(form_to=form_to, script=source), *_set_cookie(site, browser)), content)


def callback_page(site: Site, browser: BrowserRequest, callback: str, parameters: Mapping[str, str]) -> Response:
    """Return a page whose form is posted to a client by a script or a button (OAuth 2.0 Form Post Response Mode)."""
    content = site.render(
        "form_post.html",
        {
            **page_words(site, browser.language, browser.request_id),
            "callback": callback,
            "parameters": parameters,
            "script": FORM_POST_SCRIPT,
        },
    )
    digest = base64.b64encode(hashlib.sha256(FORM_POST_SCRIPT.encode()).digest()).decode("ascii")
    headers = page_headers(form_to=callback, script=f"'sha256-{digest}'")
    return Response(200, (*headers, *_set_cookie(site, browser)), content)


def callback_headers(site: Site, browser: BrowserRequest, address: str) -> Headers:
    """Return the headers of a redirect to a client."""
    return (("location", address), *page_headers(), *_set_cookie(site, browser))


def drop_cookie(site: Site) -> Headers:
    """Return the header that deletes the session cookie."""
    secure = "; Secure" if site.config.is_https else ""
    return (("set-cookie", f"{_cookie_name(site)}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0"),)


def go_to(site: Site, browser: BrowserRequest, path: str) -> Response:
    """Redirect to another page with status 303, so that the browser does not send a password again (RFC 9700 §4.12)."""
    return Response(303, (("location", path), *page_headers(), *_set_cookie(site, browser)))


def page_headers(*, form_to: str | None = None, script: str = "") -> Headers:
    """Return the headers of every page.

    Args:
        form_to: A redirect URI that the page's form may lead to; None if it may lead only to this server.
        script: The CSP source expression of the only allowed script; "" if no script is allowed.
    """
    targets = "'self'" if form_to is None else f"'self' {_source(form_to)}"
    policy = f"default-src 'none'; style-src 'self'; img-src 'self' data: https:; form-action {targets}"
    if script:
        policy += f"; script-src {script}"
    return (
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("content-security-policy", f"{policy}; base-uri 'none'; frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    )


def _source(callback: str) -> str:
    """Return a redirect URI as a CSP source expression: its origin, or only its scheme.

    Only the scheme is used if CSP cannot express the origin: that of an IPv6 address, or of a private-use scheme.
    """
    parts = urlsplit(callback)
    if parts.scheme not in {"http", "https"} or "[" in parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def page_words(site: Site, language: Language, request_id: str) -> Mapping[str, object]:
    """Return the template values that every page needs."""
    config = site.config
    return {
        "lang": language,
        "request_id": request_id,
        "tenant": config.name,
        "logo": image_address("logo", config.logo),
        "logo_dark": image_address("logo_dark", config.logo_dark),
        "favicon": image_address("favicon", config.favicon) or _FAVICON.format(colour=config.colour[1:]),
        "support": config.support,
        "privacy": config.privacy,
        "terms": config.terms,
        "host": config.origin.partition("://")[2],
        "problem": "",
        "count": 0,
        "told": "",
        "script": "",
    }


def error_page(
    site: Site, browser: BrowserRequest, problem: str, status: int = 400, *, detail: str = "", headers: Headers = ()
) -> Response:
    """Return a page that reports an error and offers no further step.

    Args:
        site: The tenant.
        browser: The browser session that the page is for.
        problem: The key of the error text.
        status: The status of the response.
        detail: A text for the operator, which the page shows with the request's id (RFC 9700 §4.11.2).
        headers: Additional headers.
    """
    found = page(site, browser, "problem.html", {"problem": problem, "detail": detail}, status)
    return Response(found.status, (*found.headers, *headers), found.body)


def _cookie_name(site: Site) -> str:
    # For a cookie with the prefix `__Host-`, browsers require Secure, this host and the path /. Over plain http, they
    # reject such a cookie.
    name = "__Host-keyfob" if site.config.is_https else "keyfob"
    port = urlsplit(site.config.issuer).port  # browsers send a cookie to all ports of a host
    return name if port is None else f"{name}-{port}"


def _set_cookie(site: Site, browser: BrowserRequest) -> Headers:
    if not browser.is_new:
        return ()
    secure = "; Secure" if site.config.is_https else ""
    value = f"{_cookie_name(site)}={browser.session_id.reveal()}; Path=/; HttpOnly; SameSite=Lax{secure}"
    return (("set-cookie", value),)


def _cookie(site: Site, request: Request) -> str | None:
    for header in request.header_values("cookie"):
        for pair in header.split(";"):
            # Not str.strip(), which removes U+00A0 too. For a browser, U+00A0 is part of the cookie's name, so the
            # browser would not enforce the rules of the prefix `__Host-`.
            name, _, value = pair.strip(" \t").partition("=")
            if name == _cookie_name(site) and 0 < len(value) <= _LONGEST_COOKIE:
                return value
    return None
