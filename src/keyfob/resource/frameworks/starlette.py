"""Guard the endpoints of Starlette."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from keyfob.protocol.http import Response
from keyfob.resource.frameworks.asgi import POLICY_VIOLATION, certificate_of, request_of
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs, check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal


class DenialHTTPException(HTTPException):
    """An exception with a denial.

    Starlette and FastAPI send the denial's status and challenge, with a body in the framework's format.
    """

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.status, denial.description, dict(denial.headers()))
        self.denial = denial


def requires(verifier: Verifier, needs: Needs) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """Return an async function that checks a request, or a WebSocket before it is accepted, and returns the caller."""

    async def principal(connection: HTTPConnection) -> Principal:
        return await check(verifier, needs, connection)

    return principal


async def check(verifier: Verifier, needs: Needs, connection: HTTPConnection) -> Principal:
    """Check the token of a request or a WebSocket, and return the caller.

    Raises:
        DenialHTTPException: The request is denied.
        WebSocketException: The WebSocket is denied. Starlette rejects its handshake.
    """
    scope = connection.scope
    found = await check_once_async(verifier, request_of(scope), needs, scope, certificate_of(scope))
    if isinstance(found, Principal):
        return found
    if scope["type"] == "websocket":
        raise WebSocketException(POLICY_VIOLATION, found.description)
    raise DenialHTTPException(found)


def answer_denials(app: Starlette) -> None:
    """Register a handler that answers each denial with the JSON body that keyfob's other guards send."""

    def denied(_: StarletteRequest, problem: Exception) -> StarletteResponse:
        return _to_starlette(cast("DenialHTTPException", problem).denial.response())

    app.add_exception_handler(DenialHTTPException, denied)


def serve_metadata(app: Starlette, published: Published) -> None:
    """Serve the API's metadata to requests without a token (RFC 9728 §3)."""

    async def metadata(request: StarletteRequest) -> StarletteResponse:
        answer = published.answer(request_of(request.scope))
        return StarletteResponse(status_code=404) if answer is None else _to_starlette(answer)

    app.add_route(published.path, metadata, include_in_schema=False)


def _to_starlette(response: Response) -> StarletteResponse:
    return StarletteResponse(response.body, response.status, dict(response.headers))
