"""HTTP requests and responses as values: the interface between logic and IO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode, urlsplit

from keyfob.light import light_dataclass
from keyfob.protocol.json_text import write_json

Headers = tuple[tuple[str, str], ...]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
NO_STORE: Final[Headers] = (("cache-control", "no-store"), ("pragma", "no-cache"))


@light_dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: The method in upper case.
        url: At the client, the absolute URL. At the server, the path and the query, not decoded.
        headers: All headers in order, including repeated headers. The names are in lower case.
        body: The body, whose size the IO layer limits.
        peer: The IP address of the sender, as determined by the IO layer; "" at the client.
        certificate: The client certificate in DER, if the IO layer terminated TLS and the client sent one; else b"".
        request_id: The ID that the server assigned to the request, for its logs and a response header; "" at the
            client.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    peer: str = ""
    certificate: bytes = b""
    request_id: str = ""

    @property
    def path(self) -> str:
        """The path without the query."""
        if self.url.startswith("/"):
            return self.url.partition("?")[0]
        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> str:
        """The query without the question mark; "" if the URL has no query."""
        return self.url.partition("?")[2].partition("#")[0]

    def header(self, name: str) -> str | None:
        """Return the value of the first header with a name, or None if there is none. The name is in lower case."""
        return _first(self.headers, name)

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return the values of all headers with a name. The name is in lower case."""
        return tuple([value for key, value in self.headers if key == name])  # a list, which takes half as long


@light_dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. The headers are in order, with names in lower case."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the value of the first header with a name, or None if there is none. The name is in lower case."""
        return _first(self.headers, name)

    def header_values(self, name: str) -> tuple[str, ...]:
        """Return the values of all headers with a name. The name is in lower case."""
        return tuple([value for key, value in self.headers if key == name])  # a list, which takes half as long


def form_request(url: str, parameters: Mapping[str, str], *, headers: Headers = ()) -> Request:
    """Create a POST of form parameters in UTF-8 (RFC 6749 §3.2, App. B)."""
    fixed = (("content-type", FORM), ("accept", JSON))
    return Request("POST", url, fixed + headers, urlencode(parameters).encode("ascii"))


def json_request(url: str, members: Mapping[str, object], *, headers: Headers = ()) -> Request:
    """Create a POST of a JSON object in UTF-8. `headers` are additional headers."""
    return Request("POST", url, (("content-type", JSON), ("accept", JSON), *headers), write_json(members))


def json_response(
    status: int, members: Mapping[str, object] | Sequence[object], *, headers: Headers = NO_STORE
) -> Response:
    """Create a JSON response. The media type has no charset parameter (RFC 8259 §11), as at Auth0."""
    return Response(status, (("content-type", JSON), *headers), write_json(members))


def media_type(content_type: str | None) -> str:
    """Return the media type in lower case and without parameters; "" if there is none."""
    if content_type in {FORM, JSON}:  # a fast path for the usual media types
        return content_type
    return (content_type or "").partition(";")[0].strip().lower()


def _first(headers: Headers, name: str) -> str | None:
    for key, value in headers:
        if key == name:
            return value
    return None
