"""Guard any WSGI application (PEP 3333): only calls with a fitting token come through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from keyfob.protocol.certificate import der_of_pem
from keyfob.protocol.http import Request, Response
from keyfob.resource.judge import Judge
from keyfob.resource.once import Needs, check_once
from keyfob.resource.published import Published
from keyfob.resource.require import Denial

# What stands in a path as it is (RFC 3986 §3.3); the rest a server has undone before an application sees it.
_LITERAL: Final = "/!$&'()*+,;=:@~"


def guarded(app: WSGIApplication, judge: Judge, needs: Needs, published: Published | None = None) -> WSGIApplication:
    """The same application behind a guard. Who calls is put in `environ["keyfob.principal"]`.

    Where the API has an address, its metadata is served too, to everybody: who has no token needs it most.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = request_of(environ)
        metadata = None if published is None else published.answer(request)
        if metadata is not None:
            return _answer(metadata, start_response, request.method)
        found = check_once(judge, request, needs, environ, certificate_of(environ))
        if isinstance(found, Denial):
            return _answer(found.response(), start_response, request.method)
        return app(environ, start_response)

    return run


def request_of(environ: Mapping[str, Any]) -> Request:
    """What a guard looks at: not `Host`, nor `X-Forwarded-*`; an API that has an address was told it.

    A header that came more than once has been joined with commas by the server; two tokens so make none.
    """
    headers = tuple(
        (name.removeprefix("HTTP_").replace("_", "-").lower(), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    )
    # Paths are bytes in the clothes of latin-1 (PEP 3333, "Unicode Issues").
    path = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}".encode("latin-1", "replace")
    query = environ.get("QUERY_STRING", "")
    url = f"{quote(path, safe=_LITERAL) or '/'}{'?' + query if query else ''}"
    return Request(environ["REQUEST_METHOD"], url, headers, peer=environ.get("REMOTE_ADDR", ""))


def certificate_of(environ: Mapping[str, Any]) -> bytes | None:
    """The caller's certificate, where the server ended TLS itself and tells (mod_ssl's `ExportCertData`)."""
    pem = environ.get("SSL_CLIENT_CERT")
    return der_of_pem(pem) if isinstance(pem, str) and pem else None


def _answer(response: Response, start_response: StartResponse, method: str) -> Iterable[bytes]:
    headers = [*response.headers, ("content-length", str(len(response.body)))]
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return [] if method == "HEAD" else [response.body]
