"""Judge a request once, however many checks stand in its way: a proof of possession is good for one (RFC 9449 §11.1).

A guard around a whole application and another check at one endpoint then cost one signature. What was found lies with
the request, in the scope of ASGI or the environment of WSGI, where nothing that a caller sends can get.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from keyfob.protocol.http import Request
from keyfob.resource.judge import Judge
from keyfob.resource.require import Denial, Requirement
from keyfob.resource.verify import Principal

PRINCIPAL: Final = "keyfob.principal"
_JUDGED: Final = "keyfob.judged"

Kept = MutableMapping[str, Any]
Needs = tuple[Requirement, ...]


def check_once(
    judge: Judge, request: Request, needs: Needs, kept: Kept, certificate: bytes | None = None
) -> Principal | Denial:
    """Who calls, or the answer to give; may block on the network. `kept` lives as long as the request does."""
    held = _held(judge, kept)
    if held is not None:
        return judge.allow(request, held, needs)
    return _keep(judge, kept, judge.check(request, needs, certificate))


async def check_once_async(
    judge: Judge, request: Request, needs: Needs, kept: Kept, certificate: bytes | None = None
) -> Principal | Denial:
    """As `check_once`, without blocking the event loop."""
    held = _held(judge, kept)
    if held is not None:
        return judge.allow(request, held, needs)
    return _keep(judge, kept, await judge.check_async(request, needs, certificate))


def _held(judge: Judge, kept: Kept) -> Principal | None:
    by, principal = kept.get(_JUDGED, (None, None))
    return principal if by is judge else None


def _keep(judge: Judge, kept: Kept, found: Principal | Denial) -> Principal | Denial:
    if isinstance(found, Principal):
        kept[_JUDGED] = (judge, found)
        kept[PRINCIPAL] = found
    return found
