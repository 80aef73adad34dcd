from collections.abc import Callable

import httpx2
import pytest

from keyfob.client.io.http.httpx2_auth import Httpx2Auth, call
from keyfob.client.io.http.httpx2_auth import client_of as client_of_calls
from keyfob.client.session.calls import Calls
from keyfob.errors import LoginRequired, Misuse, Unreachable
from keyfob.protocol.http import Request, Response
from tests.client.io.bearers import Tokens
from tests.loopback import Loopback, says, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def client_of(tokens: Tokens) -> httpx2.Client:
    return client_of_calls(Calls(tokens))


def brought(server: Loopback) -> list[str | None]:
    return [headers.get("authorization") for _, _, headers, _ in server.came]


def refusing(status: int) -> Callable[..., None]:
    return says(status, b"no", www_authenticate='Bearer error="invalid_token"')


def test_the_token_goes_into_the_header_and_nowhere_else() -> None:
    """[C-6750-02]"""
    with serving({"/": says(200, b"yes")}) as api, client_of(Tokens()) as client:
        assert client.get(f"{api.url}/").text == "yes"

    assert brought(api) == ["Bearer at-1"]
    assert [path for _, path, _, _ in api.came] == ["/"]


@pytest.mark.parametrize("follow", [True, False])
def test_the_token_does_not_follow_a_redirect_to_another_origin(follow: bool) -> None:
    """[C-6750-01]"""
    with serving({"/": says(200)}) as stranger, serving({"/": says(302, location=f"{stranger.url}/")}) as api:
        with client_of(Tokens()) as client:
            client.get(f"{api.url}/", follow_redirects=follow)

        assert brought(api) == ["Bearer at-1"]
        assert brought(stranger) == ([None] if follow else [])


def test_the_token_does_not_go_to_another_origin_by_hand_either() -> None:
    """[C-6750-01]"""
    with serving({"/": says(200)}) as api, serving({"/": says(200)}) as stranger, client_of(Tokens()) as client:
        client.get(f"{api.url}/")
        client.get(f"{stranger.url}/", headers={"authorization": "Bearer at-1"})
        client.get(f"{api.url}/")

        assert brought(api) == ["Bearer at-1", "Bearer at-1"]
        assert brought(stranger) == [None]


def test_the_token_is_not_sent_in_clear_beyond_this_machine() -> None:
    """[C-6750-01] [C-6749-01]"""
    tokens = Tokens()

    with client_of(tokens) as client, pytest.raises(Misuse):
        client.get("http://api.example/")


def test_a_401_is_tried_once_more_with_a_new_token() -> None:
    """[C-6750-03]"""
    tokens = Tokens()
    with serving({"/": refusing(401)}) as api, client_of(tokens) as client:
        assert client.get(f"{api.url}/").status_code == 401

    assert brought(api) == ["Bearer at-1", "Bearer at-2"]
    assert tokens.renewals == 1


def test_a_403_is_not_tried_again() -> None:
    """[C-6750-03]"""
    with serving({"/": refusing(403)}) as api, client_of(Tokens()) as client:
        assert client.get(f"{api.url}/").status_code == 403

    assert brought(api) == ["Bearer at-1"]


def test_where_no_new_token_can_be_had_the_api_has_the_last_word() -> None:
    with serving({"/": refusing(401)}) as api, client_of(Tokens(LoginRequired("not logged in"))) as client:
        assert client.get(f"{api.url}/").text == "no"

    assert len(api.came) == 1


def test_a_call_hands_on_head_and_body_of_any_length() -> None:
    long = b"x" * 3_000_000
    heads: list[Response] = []
    body = bytearray()

    with serving({"/": says(200, long, x_one="1")}) as api, client_of(Tokens()) as client:
        answer = call(client, Request("PUT", f"{api.url}/", (("x-two", "2"),), b"in"), body.extend, heads.append)

    assert (answer.status, answer.header("x-one")) == (200, "1")
    assert heads == [answer]
    assert bytes(body) == long
    [(method, _, headers, sent)] = api.came
    assert (method, headers["x-two"], sent) == ("PUT", "2", b"in")


def test_a_call_to_nobody_is_an_error_of_ours() -> None:
    with serving({}) as gone:
        url = gone.url

    with client_of(Tokens()) as client, pytest.raises(Unreachable):
        call(client, Request("GET", url), lambda _: None)


def test_an_origin_is_the_first_that_was_called() -> None:
    auth = Httpx2Auth(Calls(Tokens()))

    with serving({"/": says(200)}) as api, serving({"/": says(200)}) as stranger, client_of(Tokens()) as client:
        client.get(f"{api.url}/", auth=auth)
        client.get(f"{stranger.url}/", auth=auth)

        assert (brought(api), brought(stranger)) == (["Bearer at-1"], [None])
