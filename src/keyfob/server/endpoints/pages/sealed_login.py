"""The encrypted state of a login in a browser. The pages carry the state, so that the server stores nothing for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Unpack

from keyfob.errors import Malformed
from keyfob.jose.sealed import NONCE_BYTES, seal, unseal_any
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.authorization_facts import AcceptedRequest
from keyfob.server.decide.authorization_request import check_request
from keyfob.server.decide.browser_login import (
    PAGE_OF,
    BrowserLogin,
    Facts,
    Step,
    advance,
    begin_for_user,
    belongs_to,
    ending,
    has_lapsed,
)
from keyfob.server.decide.device import is_open, may_approve
from keyfob.server.endpoints.oauth.parameters import read_body, read_query
from keyfob.server.endpoints.pages.browser import BrowserRequest, go_to
from keyfob.server.keyed_hash import read_token_bytes
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, User
from keyfob.server.site import Site

LONGEST: Final = 16 * 1024
# The keys of the texts of problems.
LOST: Final = "lost"
LAPSED: Final = "lapsed"
_CONTEXT: Final = "browser login"
_END: Final = "end of a login"


@dataclass(frozen=True, slots=True)
class ContinuedLogin:
    """A browser login that has passed the checks of `resume`.

    Attributes:
        token: The encrypted login, for the form.
        accepted: The login's authorization request, checked again, since the settings may have changed; None if the
            login serves no authorization request.
        device: The login's device login; None if the login serves no device login.
    """

    login: BrowserLogin
    token: str
    accepted: AcceptedRequest | None = None
    device: DeviceLogin | None = None

    @property
    def client_id(self) -> str:
        """The client id, or "" if the login has no client."""
        if self.accepted is not None:
            return self.accepted.application.client_id
        return self.device.client_id if self.device is not None else ""

    @property
    def callback(self) -> str | None:
        """The redirect URI that the page's form may lead to; None if no authorization request is pending."""
        return None if self.accepted is None else self.accepted.asked.redirect_uri


def seal_login(site: Site, login: BrowserLogin) -> str:
    return seal_members(site, login.write(), _CONTEXT)


@dataclass(frozen=True, slots=True)
class EndLink:
    """A link by which a user ends one login, for example after a mistaken approval."""

    login_id: bytes
    device_hash: bytes
    expires_at: datetime


def seal_end_link(site: Site, link: EndLink) -> str:
    members = {
        "login": base64url(link.login_id),
        "device": base64url(link.device_hash),
        "expires": link.expires_at.timestamp(),
    }
    return seal_members(site, members, _END)


def read_end_link(site: Site, token: str | None) -> EndLink | None:
    """Decrypt a link. Return None if this server did not write the link, or the link has expired."""
    try:
        fields = unseal_members(site, token or "", _END)
        login_id, device_hash = read_token_bytes(fields.text("login")), read_token_bytes(fields.text("device"))
        link = EndLink(login_id, device_hash, fields.time("expires"))
    except (ValueError, Malformed):
        return None
    return link if site.now() < link.expires_at else None


def seal_members(site: Site, members: Mapping[str, object], context: str) -> str:
    """Encrypt JSON members for a URL or a form. `unseal_members` needs the same `context`."""
    nonce = site.random(NONCE_BYTES)
    return base64url(seal(json.dumps(members).encode(), site.hash_keys.pages[0], nonce=nonce, context=context))


def unseal_members(site: Site, token: str, context: str) -> Fields:
    """Decrypt JSON members.

    Raises:
        ValueError: This server did not encrypt the members, or encrypted them for another context.
        Malformed: The members are not a JSON object.
    """
    return read_json(unseal_any(read_token_bytes(token), site.hash_keys.pages, context=context), "page")


def to_step(site: Site, browser: BrowserRequest, login: BrowserLogin) -> Response:
    """Redirect to the page of the login's step."""
    return go_to(site, browser, f"{PAGE_OF[login.step]}?state={seal_login(site, login)}")


def again(site: Site, browser: BrowserRequest, pending: ContinuedLogin, **facts: Unpack[Facts]) -> Response:
    """Redirect to the page of the login's present step. `facts` are shown there, such as a problem.

    The redirect keeps reload and "back" from sending the form a second time.
    """
    return to_step(site, browser, advance(pending.login, pending.login.step, **facts))


async def resume(
    site: Site, browser: BrowserRequest, token: str | None, *steps: Step
) -> ContinuedLogin | BrowserLogin | str:
    """Decrypt the login of a page. Check that the login is at one of the steps, and that this session may continue it.

    Returns:
        If the user of this session has already decided, a `BrowserLogin` at the step that shows the decision. If the
        checks pass, a `ContinuedLogin`. If a check fails, the key of the problem's text.
    """
    login, now = _unseal(site, token), site.now()
    if login is None or login.step not in steps:
        return LOST
    device_hash = login.device_hash
    device = None if device_hash is None else await site.store.read(lambda store: store.device_by_code(device_hash))
    ended = None if device is None else ending(login, device, browser.session_hash, now)
    if ended is not None and login.step != "recovery":
        return ended
    if has_lapsed(login, now):
        return LOST if device_hash is None else LAPSED
    if not belongs_to(login, browser.session_hash):
        return LOST
    if login.request is not None:
        accepted = check_request(site.config, Fields(dict(login.request), "page"))
        return ContinuedLogin(login, token or "", accepted) if isinstance(accepted, AcceptedRequest) else LOST
    if device_hash is None or login.step == "recovery":
        return ContinuedLogin(login, token or "", device=device)
    is_ours = is_open(device, now) if login.step == "compare" else may_approve(device, browser.session_hash, now)
    if device is None or not is_ours or site.config.application(device.client_id) is None:
        return LOST
    return ContinuedLogin(login, token or "", device=device)


def tell(site: Site, browser: BrowserRequest, path: str, **facts: Unpack[Facts]) -> Response:
    """Redirect to a page that shows a notice, so that reload and "back" do not send the form a second time."""
    notice = replace(begin_for_user("notice", site.now()), session_hash=browser.session_hash)
    token = seal_login(site, replace(notice, **facts))
    return go_to(site, browser, f"{path}{'&' if '?' in path else '?'}state={token}")


def read_notice(site: Site, browser: BrowserRequest, request: Request) -> BrowserLogin:
    """Return the notice in the URL of a page. If it does not belong to this session, return a notice without a text.

    A notice is a `BrowserLogin` at the step `notice`.
    """
    found = read_ending(site, state_of(request), "notice")
    is_own = found is not None and belongs_to(found, browser.session_hash)
    return found if found is not None and is_own else begin_for_user("notice", site.now())


def read_ending(site: Site, token: str | None, *steps: Step) -> BrowserLogin | None:
    """Decrypt a login. Return it if it is at one of the steps and has not expired, else None."""
    login = _unseal(site, token)
    return None if login is None or login.step not in steps or has_lapsed(login, site.now()) else login


def stale_login(site: Site, request: Request) -> BrowserLogin | None:
    """Return the login of a form that does not belong to this session, or None if the form contains no valid login.

    A user can send such a form after a login in another tab, which gave this browser a new session. But an attacker who
    knows the URL of a page could have sent it too. So the form must have no effect: the caller may only show the first
    page of this login again.
    """
    if request.header("sec-fetch-site") not in {None, "same-origin"}:
        return None
    try:
        login = _unseal(site, read_body(request).optional_text("state"))
    except Malformed:
        return None
    return None if login is None or has_lapsed(login, site.now()) else login


def state_of(request: Request) -> str | None:
    """Return the encrypted login in the query, or None if there is none."""
    return query_text(request, "state")


def query_text(request: Request, name: str) -> str | None:
    """Return a parameter of the query; None if the parameter is absent, or the query is malformed."""
    try:
        return read_query(request).optional_text(name)
    except Malformed:
        return None


def connections_of(site: Site, pending: ContinuedLogin) -> tuple[str, ...]:
    """Return the connections whose users may log in for the pending login."""
    if pending.accepted is not None:
        return connections_of_request(pending.accepted)
    if pending.device is not None:
        return connections_of_device(site, pending.device)
    return tuple(one.name for one in site.config.connections) if pending.login.is_for_the_user else ()


def connections_of_request(accepted: AcceptedRequest) -> tuple[str, ...]:
    """Return the connection that the request names, or else the connections of the client."""
    named = accepted.asked.connection
    return (named,) if named else accepted.application.connections


def connections_of_device(site: Site, device: DeviceLogin) -> tuple[str, ...]:
    """Return the connections of the client of a device login."""
    application = site.config.application(device.client_id)
    return application.connections if application else ()


async def allowed_user(transaction: Transaction, connections: tuple[str, ...], user_id: str) -> User | None:
    """Return the user, or None if the user was deleted, is blocked, or belongs to none of the connections."""
    user = await transaction.user_by_id(user_id)
    return None if user is None or user.is_blocked or user.connection not in connections else user


def _unseal(site: Site, token: str | None) -> BrowserLogin | None:
    if token is None or len(token) > LONGEST:
        return None
    try:
        return BrowserLogin.read(unseal_members(site, token, _CONTEXT))
    except (ValueError, Malformed):
        return None
