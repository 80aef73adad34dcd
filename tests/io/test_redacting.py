"""The log of our HTTP library, and ours, at its most verbose."""

import io
import json
import logging
import sqlite3
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Misuse
from keyfob.io.http import HttpSender
from keyfob.io.redacting import Redacting, log_to
from keyfob.protocol.http import Request
from keyfob.protocol.redact import HIDDEN, NAMES, redact
from tests.loopback import says, serving

SECRET = "xyzzy-0123456789-plugh"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_secret_by_its_name_is_taken_out(name: str) -> None:
    """[C-ASVS-01]"""
    for text in (
        json.dumps({name: SECRET}), repr({name: SECRET}), urlencode({"x": "1", name: SECRET, "y": "2"}),
        f"GET /callback?{name}={SECRET}&state=1", repr({name: SECRET.encode()}),
    ):  # fmt: skip
        assert SECRET not in redact(text), text


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"[(b'authorization', b'DPoP {SECRET}')]",
        f"'authorization': 'Basic {SECRET}=='",
        f"[(b'set-cookie', b'session={SECRET}; Path=/'), (b'x', b'y')]",
        f"Cookie: session={SECRET}",
        f"Authorization: Bearer Fe26.2*{SECRET}",
        f"the token {JWT} was refused",
    ],
)
def test_what_is_secret_by_its_looks_is_taken_out(text: str) -> None:
    """[C-ASVS-01]"""
    clean = redact(text)

    assert SECRET not in clean
    assert JWT not in clean
    assert HIDDEN in clean


@pytest.mark.parametrize(
    "text",
    ['HTTP Request: POST http://127.0.0.1/oauth/token "HTTP/1.1 200 OK"', "user_code=WDJB-MJHT", "scope=openid", ""],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_can_be_cleaned_and_cleaned_again(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_an_error_that_is_logged_is_cleaned_too() -> None:
    try:
        raise ValueError(f"refresh_token={SECRET}")
    except ValueError as problem:
        record = logging.LogRecord("keyfob", logging.ERROR, "x", 1, "%s", (JWT,), (ValueError, problem, None))
    Redacting().filter(record)

    assert SECRET not in logging.Formatter().format(record)
    assert JWT not in logging.Formatter().format(record)


def test_an_error_that_is_logged_says_where_it_was_and_not_what_it_knew() -> None:
    """[C-ASVS-01]: its own words could be anything, and so could those of what it came from."""
    out = io.StringIO()
    with log_to(out):
        try:
            try:
                raise LookupError(SECRET)
            except LookupError as inner:
                raise RuntimeError(SECRET) from inner
        except RuntimeError:
            logging.getLogger("keyfob.serve").exception("it failed")
        for known in (Misuse("the port is taken"), OSError(28, SECRET), sqlite3.OperationalError(SECRET)):
            logging.getLogger("any.library").error("and", exc_info=known)

    said = out.getvalue()
    assert SECRET not in said
    assert said.index("RuntimeError") < said.index("came after") < said.index("LookupError")
    assert "test_redacting.py" in said
    assert "Misuse: the port is taken" in said
    assert "No space left" in said


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_http_library_is_as_verbose_as_it_can_be_and_tells_no_secret() -> None:
    """[C-ASVS-01]"""
    out = io.StringIO()
    cookie = says(200, b"{}", set_cookie=f"session={SECRET}")
    sender = HttpSender()
    with serving({f"/x?code={SECRET}": cookie}) as server, log_to(out):
        sender(Request("POST", f"{server.url}/x?code={SECRET}", (("authorization", f"Bearer {SECRET}"),), b"x"))
        sender.close()

    assert "receive_response_headers" in out.getvalue()
    assert SECRET not in out.getvalue()
