"""The limit of wrong user codes: one for all strangers, one for each user who is logged in (RFC 8628 §5.1)."""

from __future__ import annotations

from datetime import timedelta

from keyfob.protocol.http import Request
from keyfob.server.decide.throttle import (
    MOST_FROM_ONE_ADDRESS,
    guess_budget,
    network_of,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.endpoints.pages.browser import BrowserRequest
from keyfob.server.site import Site


async def wait_for_code(site: Site, request: Request, browser: BrowserRequest) -> timedelta:
    """Return the time until this browser may enter a code."""
    span, now, sizes = site.config.device_lifetime, site.now(), await _sizes(site, request, browser)
    buckets = {key: refill(site.user_code_tries.get(key), size, span, now) for key, size in sizes.items()}
    return max(time_until_try(buckets[key], size, span) for key, size in sizes.items())


async def count_wrong_code(site: Site, request: Request, browser: BrowserRequest) -> None:
    """Count a code that does not exist."""
    span, now = site.config.device_lifetime, site.now()
    for key, size in (await _sizes(site, request, browser)).items():
        site.user_code_tries.put(key, spend(refill(site.user_code_tries.get(key), size, span, now)))
    site.note("fdeac", request, description="code unknown")


async def _sizes(site: Site, request: Request, browser: BrowserRequest) -> dict[str, int]:
    """Return the budgets that a wrong code is taken from, with their sizes.

    Strangers share one, so any of them can use it up. A user who is logged in is known, and has one of their own.
    """
    record = browser.record
    if record is not None:
        user_id = record.user_id
        user = await site.store.read(lambda transaction: transaction.user_by_id(user_id))
        if user is not None and not user.is_blocked:
            return {f"user {user_id}": MOST_FROM_ONE_ADDRESS}
    return {network_of(request.peer): MOST_FROM_ONE_ADDRESS, "": guess_budget(site.config.guess_odds)}
