"""A dependency for FastAPI, and the same check for Starlette endpoints."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest

from keyfob.protocol.http import Request
from keyfob.protocol.scope import Scope
from keyfob.resource.io.guard import Judge
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal

# FastAPI resolves the annotations of what it injects, so they are real here, not postponed.


def requires(judge: Judge, needed: Scope) -> Callable[[StarletteRequest], Awaitable[Principal]]:
    """An awaitable check of a request; raises Starlette's HTTPException with the right challenge."""

    async def principal(request: StarletteRequest) -> Principal:
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        found = await judge.check_async(Request(request.method, request.url.path, headers), needed)
        if isinstance(found, Denial):
            raise HTTPException(found.status, found.description, dict(found.headers()))
        return found

    return principal
