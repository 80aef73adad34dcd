"""The short ways of the hot path give what the long ones give. The long ones are written here, as oracles."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import Fields, read_form
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import FORM, JSON, Request, media_type
from keyfob.server.endpoints.response_policy import named
from keyfob.server.io.asgi import _read

NAMES = st.sampled_from(["grant_type", "client_id", "device_code", "scope", "client_secret", "token"])
VALUES = st.sampled_from([DEVICE_CODE, "token", "scope", "a b", "ä+%", "read:orders"]) | st.text(min_size=1)
TEXTS = VALUES.filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))


@given(st.dictionaries(NAMES | TEXTS, TEXTS))
def test_a_form_is_read_as_the_standard_library_reads_it(parameters: dict[str, str]) -> None:
    body = urlencode(parameters).encode()

    assert read_form(body, "request").values == dict(parse_qsl(body.decode(), strict_parsing=bool(body)))


@given(st.sampled_from(["app", ""]), st.sampled_from(["Bearer abc", "Basic", "Digest a", None]))
def test_a_public_client_is_read_alike_with_and_without_empty_credentials(client_id: str, header: str | None) -> None:
    """The short way needs the absence of each name. A null, or a header of another scheme, is no credential either."""
    bare = Credentials.read(None, Fields({"client_id": client_id}, "request"))
    null = Credentials.read(None, Fields({"client_id": client_id, "client_secret": None}, "request"))

    assert bare == null == Credentials("none", client_id)
    if header != "Basic":
        assert Credentials.read(header, Fields({"client_id": client_id}, "request")) == bare


@given(st.text())
def test_a_media_type_is_read_alike_by_both_ways(parameter: str) -> None:
    for usual in (FORM, JSON):
        assert media_type(usual) == media_type(f"{usual.upper()} ; {parameter}") == usual


def test_a_named_request_differs_in_its_id_alone() -> None:
    """Every field that a request ever gets is copied."""
    request = Request("POST", "/a?b", (("host", "a"),), b"body", "192.0.2.1", b"der", "before")
    assert all(getattr(request, one.name) != one.default for one in fields(Request))

    assert named(request, "after") == replace(request, request_id="after")


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=6))
def test_a_body_is_the_same_in_one_message_and_in_many(parts: list[bytes]) -> None:
    incoming: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    del incoming[-1]["more_body"]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    assert asyncio.run(_read(receive)) == b"".join(parts)
    assert incoming == []
