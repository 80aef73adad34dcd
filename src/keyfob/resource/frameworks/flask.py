"""Guard blocking and async Flask views. The guard stores the caller in `g.principal`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, cast

from flask import Flask, g, request
from flask import Response as FlaskResponse

from keyfob.protocol.http import Response
from keyfob.resource.frameworks.wsgi import certificate_of, request_of
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs, check_once, check_once_async
from keyfob.resource.published import Published
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal

View = Callable[..., Any]


def requires(verifier: Verifier, needs: Needs) -> Callable[[View], View]:
    """Return a decorator for a view, to be placed below `@app.route`."""

    def decorated(view: View) -> View:
        @wraps(view)
        def plain(*args: object, **named: object) -> object:
            environ = request.environ
            found = check_once(verifier, request_of(environ), needs, environ, certificate_of(environ))
            return _denied(found) or view(*args, **named)

        @wraps(view)
        async def awaited(*args: object, **named: object) -> object:
            environ = request.environ
            found = await check_once_async(verifier, request_of(environ), needs, environ, certificate_of(environ))
            return _denied(found) or await view(*args, **named)

        return awaited if iscoroutinefunction(view) else plain

    return decorated


def serve_metadata(app: Flask, published: Published) -> None:
    """Serve the API's metadata to requests without a token (RFC 9728 §3)."""

    def metadata() -> FlaskResponse:
        answer = published.answer(request_of(request.environ))
        return FlaskResponse(status=404) if answer is None else _to_flask(answer)

    path = published.path
    app.add_url_rule(path, endpoint=f"keyfob-metadata{path.replace('.', '-')}", view_func=metadata)


def _denied(found: Principal | Denial) -> FlaskResponse | None:
    if isinstance(found, Principal):
        cast("Any", g).principal = found
        return None
    return _to_flask(found.response())


def _to_flask(response: Response) -> FlaskResponse:
    return FlaskResponse(response.body, response.status, list(response.headers))
