"""A client that polls on one connection and never opens a second, as golang x/oauth2 does between two polls."""

from __future__ import annotations

import json
import select
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from keyfob.protocol.grants import DEVICE_CODE
from tests.wild.stage import NATIVE, Stage

# The interval where the server names none (RFC 8628 §3.2), at which uvicorn's default closes, and a longer one.
PAUSES_S = (5, 8)


@pytest.mark.parametrize("theatre", ["auth0"], indirect=True, scope="session")
def test_a_client_that_never_connects_again_polls_until_the_login_ends(stage: Stage) -> None:
    """[FI-01]: the server closed the connection as the next poll was sent, and the login ended with `EOF`.

    The pauses are real. How much longer the server waits is tested in tests/attacks/real/test_connections.py.
    """
    parts = urlsplit(stage.issuer)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=10)) as connection:

        def post(path: str, **fields: str) -> dict[str, str]:
            form = {"content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urlencode(fields), form)
            connection.auto_open = 0  # from the first request on: a closed connection is an error
            found: dict[str, str] = json.loads(connection.getresponse().read())
            return found

        def poll() -> dict[str, str]:
            return post("/oauth/token", grant_type=DEVICE_CODE, client_id=NATIVE["client_id"], device_code=code)

        codes = post("/oauth/device/code", **NATIVE)
        code = codes["device_code"]
        for pause in PAUSES_S:
            assert poll()["error"] == "authorization_pending"
            assert not select.select([connection.sock], [], [], pause)[0], "the server closed the connection"
        stage.activate(codes)
        assert poll()["access_token"]
