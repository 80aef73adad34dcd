"""Put a guard in front of a WSGI application (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from keyfob.protocol.certificate import der_of_pem
from keyfob.protocol.http import Request, Response
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs, check_once
from keyfob.resource.published import Published
from keyfob.resource.require import Denial

# Characters that a path contains unescaped (RFC 3986 §3.3). The server has unescaped all others too.
_LITERAL: Final = "/!$&'()*+,;=:@~"


def guarded(
    app: WSGIApplication, verifier: Verifier, needs: Needs, published: Published | None = None
) -> WSGIApplication:
    """Return the application behind a guard, which stores the caller in `environ["keyfob.principal"]`.

    If the guard has an address, it also serves the API's metadata (RFC 9728 §3) to requests without a token.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = request_of(environ)
        metadata = None if published is None else published.answer(request)
        if metadata is not None:
            return _answer(metadata, start_response, request.method)
        found = check_once(verifier, request, needs, environ, certificate_of(environ))
        if isinstance(found, Denial):
            return _answer(found.response(), start_response, request.method)
        return app(environ, start_response)

    return run


def request_of(environ: Mapping[str, Any]) -> Request:
    """Convert a WSGI environment to a request. `Host` and `X-Forwarded-*` are not used.

    The WSGI server joins repeated headers with commas, so two Authorization headers become one malformed header.
    """
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    ]
    # Paths are bytes, decoded as latin-1 (PEP 3333, "Unicode Issues").
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1", "replace")
    query = environ.get("QUERY_STRING", "")
    url = f"{quote(path, safe=_LITERAL) or '/'}{'?' + query if query else ''}"
    return Request(environ["REQUEST_METHOD"], url, tuple(headers), peer=environ.get("REMOTE_ADDR", ""))


def certificate_of(environ: Mapping[str, Any]) -> bytes | None:
    """Return the caller's certificate if the server terminated TLS itself (mod_ssl's `ExportCertData`), else None."""
    pem = environ.get("SSL_CLIENT_CERT")
    return der_of_pem(pem) if isinstance(pem, str) and pem else None


def _answer(response: Response, start_response: StartResponse, method: str) -> Iterable[bytes]:
    headers = [*response.headers, ("content-length", str(len(response.body)))]
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return [] if method == "HEAD" else [response.body]
