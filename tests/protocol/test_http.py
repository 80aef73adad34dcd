"""The two shapes that cross the line to IO."""

from __future__ import annotations

import pytest

from keyfob.protocol.http import Request, Response, media_type


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("/activate?user_code=A%20B&x=1", "/activate", "user_code=A%20B&x=1"),
        ("/a", "/a", ""),
        ("https://a.example/b/c?d=e#f", "/b/c", "d=e"),
        ("https://a.example", "/", ""),
    ],
)
def test_path_and_query_are_told_apart(url: str, path: str, query: str) -> None:
    request = Request("GET", url)
    assert (request.path, request.query) == (path, query)


def test_repeated_headers_are_kept() -> None:
    headers = (("set-cookie", "a=1"), ("set-cookie", "b=2"))
    response, request = Response(200, headers), Request("GET", "/", headers)
    assert response.header_values("set-cookie") == request.header_values("set-cookie") == ("a=1", "b=2")
    assert response.header("set-cookie") == request.header("set-cookie") == "a=1"
    assert response.header("x") is None


def test_a_media_type_is_read_without_its_parameters() -> None:
    assert media_type("Application/JSON; charset=utf-8") == "application/json"
    assert media_type(None) == ""
