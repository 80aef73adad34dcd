"""Verify a request's token only once if several guards check it, since a DPoP proof is valid once (RFC 9449 §11.1).

For example, one guard protects the whole application and another guard protects one endpoint. The first result is
stored with the request, in the ASGI scope or the WSGI environment, to which a caller cannot write.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from keyfob.protocol.http import Request
from keyfob.resource.judge import Verifier
from keyfob.resource.require import Denial, Requirement
from keyfob.resource.verify import Principal

PRINCIPAL: Final = "keyfob.principal"
_VERIFIED: Final = "keyfob.verified"

RequestState = MutableMapping[str, Any]
Needs = tuple[Requirement, ...]


def check_once(
    verifier: Verifier, request: Request, needs: Needs, state: RequestState, certificate: bytes | None = None
) -> Principal | Denial:
    """Return the caller, or the denial to send. The call may block.

    The result is stored in `state`, which belongs to the request, so that the next guard can use it.
    """
    known = _known(verifier, state)
    if known is not None:
        return verifier.allow(request, known, needs)
    return _store(verifier, state, verifier.check(request, needs, certificate))


async def check_once_async(
    verifier: Verifier, request: Request, needs: Needs, state: RequestState, certificate: bytes | None = None
) -> Principal | Denial:
    """Return the caller, or the denial to send, without blocking the event loop."""
    known = _known(verifier, state)
    if known is not None:
        return verifier.allow(request, known, needs)
    return _store(verifier, state, await verifier.check_async(request, needs, certificate))


def _known(verifier: Verifier, state: RequestState) -> Principal | None:
    by, principal = state.get(_VERIFIED, (None, None))
    return principal if by is verifier else None


def _store(verifier: Verifier, state: RequestState, found: Principal | Denial) -> Principal | Denial:
    if isinstance(found, Principal):
        state[_VERIFIED] = (verifier, found)
        state[PRINCIPAL] = found
    return found
