"""GET and POST /u/end: a user ends a login by a link, since somebody else logged in or the approval was a mistake.

The link is the credential, so no session is needed. The link is on the page after the approval and in the e-mail to the
user. Anyone who has the link can end this login, but can do nothing else. A second use has no effect.
"""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.http import Request, Response
from keyfob.server.decide.device import move
from keyfob.server.endpoints.pages.browser import error_page, go_to, page, read_browser, read_own_form
from keyfob.server.endpoints.pages.sealed_login import EndLink, query_text, read_end_link
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, RefreshLogin
from keyfob.server.site import Site

OVER = "end_over"


async def show(site: Site, request: Request) -> Response:
    """Ask whether to end the login, or show that it has ended.

    Opening the link does not end the login, since mail programs open links too.
    """
    browser, token = await read_browser(site, request), query_text(request, "link")
    link = read_end_link(site, token)
    if link is None:
        return error_page(site, browser, OVER)
    device, login = await site.store.read(lambda transaction: _load(transaction, link))
    client_id = device.client_id if device else login.client_id if login else ""
    application, device_name = site.config.application(client_id), device.device_name if device else ""
    words: dict[str, object] = {
        "link": token,
        "application": application.name if application else client_id,
        "device": login.device_name if login else device_name,
        "has_ended": not _is_alive(device, login),
    }
    return page(site, browser, "end_login.html", words)


async def act(site: Site, request: Request) -> Response:
    """End the login that the link belongs to, unless it has ended already."""
    browser = await read_browser(site, request)
    fields = read_own_form(site, request, browser)
    token = None if fields is None else fields.optional_text("link")
    link = read_end_link(site, token)
    if link is None:
        return error_page(site, browser, OVER)

    async def end(transaction: Transaction) -> tuple[str, str] | None:
        device, login = await _load(transaction, link)
        if not _is_alive(device, login):
            return None
        if login is not None:
            await transaction.save_refresh(replace(login, has_ended=True))
            return login.client_id, login.user_id
        assert device is not None, "a login that is alive has a record"  # noqa: S101
        await transaction.save_device(move(device, "denied"))
        return device.client_id, device.user_id or ""

    ended = await site.store.write(end)
    if ended is not None:
        who = {"client_id": ended[0], "user_id": ended[1], "login_id": link.login_id.hex()}
        site.note("keyfob_login_ended", request, **who)
    return go_to(site, browser, f"/u/end?link={token}")


async def _load(transaction: Transaction, link: EndLink) -> tuple[DeviceLogin | None, RefreshLogin | None]:
    device = await transaction.device_by_code(link.device_hash)
    is_its = device is not None and device.login_id == link.login_id
    return device if is_its else None, await transaction.refresh_by_id(link.login_id)


def _is_alive(device: DeviceLogin | None, login: RefreshLogin | None) -> bool:
    """Return whether there is a login to end: one with issued tokens, or an approval that is not yet redeemed."""
    if login is not None:
        return not login.has_ended
    return device is not None and device.stage == "approved"
