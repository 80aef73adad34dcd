"""Request and Response: the only shapes that cross the line between logic and IO."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

Headers = tuple[tuple[str, str], ...]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
NO_STORE: Final[Headers] = (("cache-control", "no-store"), ("pragma", "no-cache"))


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        method: Upper case.
        url: Absolute at the client; at the server the path with its query, undecoded.
        headers: Names in lower case, in order, repeats kept.
        body: At most what the IO layer allows.
        peer: The address it came from, as the IO layer trusts it; "" at the client.
        certificate: What its connection has shown, in DER, where the IO layer ended TLS itself and asked; b"" else.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    peer: str = ""
    certificate: bytes = b""

    @property
    def path(self) -> str:
        """The path alone, without query."""
        if self.url.startswith("/"):
            return self.url.partition("?")[0]
        return urlsplit(self.url).path or "/"

    @property
    def query(self) -> str:
        """What follows the first question mark, or ""."""
        return self.url.partition("?")[2].partition("#")[0]

    def header(self, name: str) -> str | None:
        """The first header of that (lower case) name."""
        return _first(self.headers, name)

    def header_values(self, name: str) -> tuple[str, ...]:
        """All headers of that (lower case) name."""
        return tuple([value for key, value in self.headers if key == name])  # a list, which takes half as long


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; headers as in `Request`."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of that (lower case) name."""
        return _first(self.headers, name)

    def header_values(self, name: str) -> tuple[str, ...]:
        """All headers of that (lower case) name."""
        return tuple([value for key, value in self.headers if key == name])  # a list, which takes half as long


def form_request(url: str, parameters: Mapping[str, str], *, headers: Headers = ()) -> Request:
    """A POST of form parameters, UTF-8, nothing in the URL (RFC 6749 §3.2, App. B)."""
    fixed = (("content-type", FORM), ("accept", JSON))
    return Request("POST", url, fixed + headers, urlencode(parameters).encode("ascii"))


def json_request(url: str, members: Mapping[str, object], *, headers: Headers = ()) -> Request:
    """A POST of a JSON object."""
    return Request("POST", url, (("content-type", JSON), ("accept", JSON), *headers), _ENCODE(members).encode())


def json_response(
    status: int, members: Mapping[str, object] | Sequence[object], *, headers: Headers = NO_STORE
) -> Response:
    """A JSON body. The media type has no charset parameter, as RFC 8259 §11 and Auth0's token endpoint have it."""
    return Response(status, (("content-type", JSON), *headers), _ENCODE(members).encode())


def media_type(content_type: str | None) -> str:
    """The media type without its parameters, lower case; "" when there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def _first(headers: Headers, name: str) -> str | None:
    for key, value in headers:
        if key == name:
            return value
    return None
