"""A dependency for FastAPI, and the same check for Starlette endpoints."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest

from keyfob.resource.io.asgi import certificate_of, request_of
from keyfob.resource.io.guard import Judge
from keyfob.resource.require import Denial, Requirement
from keyfob.resource.verify import Principal

# FastAPI resolves the annotations of what it injects, so they are real here, not postponed.


def requires(judge: Judge, needs: tuple[Requirement, ...]) -> Callable[[StarletteRequest], Awaitable[Principal]]:
    """An awaitable check of a request; raises Starlette's HTTPException with the right challenge."""

    async def principal(request: StarletteRequest) -> Principal:
        found = await judge.check_async(request_of(request.scope), needs, certificate_of(request.scope))
        if isinstance(found, Denial):
            raise HTTPException(found.status, found.description, dict(found.headers()))
        return found

    return principal
