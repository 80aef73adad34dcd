"""Every adapter of the guard gives the same answer to the same call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keyfob.errors import Unreachable
from keyfob.guard import DpopSettings, Guard
from keyfob.protocol.challenge import Challenge
from keyfob.protocol.http import Request, Response
from keyfob.testing.flawed_tokens import FLAWS, TokenMaker

from .adapters import ADAPTERS, ADDRESS, Headers, issuer_of, proven
from .conftest import AUDIENCE, ISSUER, NOW

EVERY_ADAPTER = pytest.mark.parametrize("adapter", ADAPTERS)
ROW = Callable[[TokenMaker], tuple[str, Headers]]


def bearer(token: str, scheme: str = "Bearer") -> tuple[str, str]:
    return "authorization", f"{scheme} {token}"


def with_flaw(name: str) -> ROW:
    return lambda mint: ("/orders", [bearer(FLAWS[name](mint).reveal())])


def unscoped(mint: TokenMaker) -> tuple[str, Headers]:
    return "/orders", [bearer(mint.saying({"scope": "write:orders"}).reveal())]


# What is called, the status, and RFC 6750's code; None where the call passes, "" where it shows no token.
TABLE: dict[str, tuple[ROW, int, str | None]] = {
    "good": (lambda mint: ("/orders", [bearer(mint.good().reveal())]), 200, None),
    "lower-case scheme": (lambda mint: ("/orders", [bearer(mint.good().reveal(), "bearer")]), 200, None),
    "no token": (lambda _: ("/orders", []), 401, ""),
    "another scheme": (lambda _: ("/orders", [("authorization", "Basic YTpi")]), 401, ""),
    "in the query": (lambda mint: (f"/orders?access_token={mint.good().reveal()}", []), 401, ""),
    "two headers": (lambda mint: ("/orders", [bearer(mint.good().reveal())] * 2), 400, "invalid_request"),
    "two tokens": (
        lambda mint: ("/orders", [bearer(mint.good().reveal()), bearer(mint.good().reveal(), "bearer")]),
        400,
        "invalid_request",
    ),
    "no token after the scheme": (lambda _: ("/orders", [("authorization", "Bearer ")]), 400, "invalid_request"),
    "a letter that no token has": (lambda _: ("/orders", [("authorization", "Bearer é")]), 400, "invalid_request"),
    "scope missing": (unscoped, 403, "insufficient_scope"),
    **{name: (with_flaw(name), 401, "invalid_token") for name in FLAWS},
    # It is two words, and so no token at all.
    "white space in it": (with_flaw("white space in it"), 400, "invalid_request"),
}


@pytest.fixture(scope="session")
def guard(mint: TokenMaker) -> Guard:
    return Guard(issuer=ISSUER, audience=AUDIENCE, send=issuer_of(mint), clock=lambda: NOW)


@EVERY_ADAPTER
@pytest.mark.parametrize("row", TABLE)
def test_every_adapter_gives_the_same_answer(mint: TokenMaker, guard: Guard, adapter: str, row: str) -> None:
    """[RS-6750-01] [RS-6750-02] [RS-6750-03] [RS-6750-04] [RS-6750-05] [RS-9700-01]."""
    made, status, error = TABLE[row]
    target, headers = made(mint)
    answer = ADAPTERS[adapter](guard)(target, headers)
    assert answer.status == status
    assert answer.all("content-type")[0].split(";")[0] == "application/json"
    if error is None:
        assert answer.json == {"sub": "auth0|person", "client": "program"}
        assert answer.all("www-authenticate") == []
        return
    [challenge] = Challenge.read_all(answer.all("www-authenticate"))
    words = challenge.parameters.get("error_description", "This API needs an access token.")
    assert challenge.parameters["realm"] == "api"
    assert challenge.parameters.get("error", "") == error
    assert challenge.parameters.get("scope", "") == ("read:orders" if status == 403 or error == "" else "")
    assert answer.json == {"error": error or "unauthorized", "error_description": words}
    # The same, letter for letter, as the guard says it with no framework at all.
    plain = guard.check(Request("GET", target, tuple(headers)), "read:orders").response()  # type: ignore[union-attr]
    assert answer.all("www-authenticate") == list(plain.header_values("www-authenticate"))
    assert answer.all("content-length") in ([str(len(answer.body))], [])
    assert answer.all("cache-control") == ["no-store"]


@EVERY_ADAPTER
def test_without_the_issuer_s_keys_every_adapter_is_closed(mint: TokenMaker, adapter: str) -> None:
    """[RS-ASVS-02]."""

    def silent(_: Request) -> Response:
        raise Unreachable("silent")

    closed = Guard(issuer=ISSUER, audience=AUDIENCE, send=silent, clock=lambda: NOW)
    answer = ADAPTERS[adapter](closed)("/orders", [bearer(mint.good().reveal())])
    assert (answer.status, answer.all("retry-after"), answer.all("www-authenticate")) == (503, ["5"], [])
    assert answer.all("cache-control") == ["no-store"]
    assert answer.json == {
        "error": "temporarily_unavailable",
        "error_description": "The issuer's keys cannot be fetched.",
    }


@EVERY_ADAPTER
def test_every_adapter_takes_a_proof_once(mint: TokenMaker, adapter: str) -> None:
    """[RS-9449-02]."""
    guard = Guard(issuer=ISSUER, audience=AUDIENCE, address=ADDRESS, send=issuer_of(mint), clock=lambda: NOW)
    call = ADAPTERS[adapter](guard)
    assert call("/orders", proven(mint)).status == 200
    again = call("/orders", proven(mint))
    [challenge] = Challenge.read_all(again.all("www-authenticate"))
    assert (again.status, challenge.scheme, challenge.parameters["error"]) == (401, "DPoP", "invalid_dpop_proof")
    both = Challenge.read_all(call("/orders", []).all("www-authenticate"))
    assert [one.scheme for one in both] == ["Bearer", "DPoP"]


@EVERY_ADAPTER
def test_every_adapter_hands_over_the_nonce_that_a_proof_has_to_hold(mint: TokenMaker, adapter: str) -> None:
    """[RS-9449-03]."""
    dpop = DpopSettings(nonce_key=b"n" * 32)
    guard = Guard(issuer=ISSUER, audience=AUDIENCE, address=ADDRESS, dpop=dpop, send=issuer_of(mint), clock=lambda: NOW)
    answer = ADAPTERS[adapter](guard)("/orders", proven(mint))
    [challenge] = Challenge.read_all(answer.all("www-authenticate"))
    assert (answer.status, challenge.parameters["error"]) == (401, "use_dpop_nonce")
    assert len(answer.all("dpop-nonce")) == 1
