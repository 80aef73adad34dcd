"""The check for Starlette endpoints: raises what Starlette answers with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from keyfob.protocol.http import Response
from keyfob.resource.frameworks.asgi import POLICY_VIOLATION, certificate_of, request_of
from keyfob.resource.judge import Judge
from keyfob.resource.once import Needs, check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal


class Denied(HTTPException):
    """A denial on its way out. Starlette and FastAPI answer it in their own shapes, with its status and challenge."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.status, denial.description, dict(denial.headers()))
        self.denial = denial


def requires(judge: Judge, needs: Needs) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """An awaitable check of a request or a WebSocket that is not yet accepted."""

    async def principal(connection: HTTPConnection) -> Principal:
        return await check(judge, needs, connection)

    return principal


async def check(judge: Judge, needs: Needs, connection: HTTPConnection) -> Principal:
    """Who calls.

    Raises:
        Denied: It may not pass.
        WebSocketException: The same for a WebSocket, which is closed before it opens.
    """
    scope = connection.scope
    found = await check_once_async(judge, request_of(scope), needs, scope, certificate_of(scope))
    if isinstance(found, Principal):
        return found
    if scope["type"] == "websocket":
        raise WebSocketException(POLICY_VIOLATION, found.description)
    raise Denied(found)


def answer_denials(app: Starlette) -> None:
    """Answer each denial in this application with the body that all guards give."""

    def denied(_: StarletteRequest, problem: Exception) -> StarletteResponse:
        return _written(cast("Denied", problem).denial.response())

    app.add_exception_handler(Denied, denied)


def serve_metadata(app: Starlette, published: Published) -> None:
    """Serve the API's metadata, to everybody (RFC 9728 §3)."""

    async def metadata(request: StarletteRequest) -> StarletteResponse:
        answer = published.answer(request_of(request.scope))
        return StarletteResponse(status_code=404) if answer is None else _written(answer)

    app.add_route(urlsplit(published.url).path, metadata, include_in_schema=False)


def _written(response: Response) -> StarletteResponse:
    return StarletteResponse(response.body, response.status, dict(response.headers))
