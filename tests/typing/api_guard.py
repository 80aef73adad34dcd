"""What an API writes with `keyfob.guard`, for mypy and pyright; see login_client.py."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import assert_type
from wsgiref.types import WSGIApplication

from starlette.requests import HTTPConnection

from keyfob.errors import InvalidToken
from keyfob.guard import Denial, Guard, KeyNeeded, Policy, Principal, choose_policy, fetch_keys, require, verify
from keyfob.protocol.http import Request
from keyfob.protocol.secret import Secret

guard = Guard(issuer="https://login.example.com/", audience="https://api.example.com")
several = Guard(Policy("https://a.example/", "https://api.example.com"), Policy("https://b.example/", "orders"))


def handle(request: Request) -> str:
    caller = guard.check(request, "read:orders", require(acr="mfa", max_age=timedelta(minutes=5)))
    if isinstance(caller, Denial):
        assert_type(caller.status, int)
        return caller.description
    assert_type(caller, Principal)
    assert_type(caller.expires_at, datetime)
    assert_type(caller.claims, Mapping[str, object])
    return caller.subject


async def handle_async(request: Request) -> None:
    assert_type(await guard.check_async(request), Principal | Denial)


def serve(app: WSGIApplication) -> WSGIApplication:
    return guard.wsgi(app, "read:orders")


assert_type(guard.requires("read:orders"), Callable[[HTTPConnection], Awaitable[Principal]])


@guard.flask("read:orders")
def orders() -> list[str]:
    return []


def by_hand(token: Secret, policies: tuple[Policy, ...], now: datetime) -> str:
    try:
        policy = choose_policy(token, policies)
        found = verify(token, fetch_keys(policy.issuer), policy, now)
    except InvalidToken as problem:
        return problem.message
    return "" if isinstance(found, KeyNeeded) else found.subject


def wrong(request: Request, principal: Principal) -> None:
    len(guard.check(request).subject)  # type: ignore[union-attr]  # it may be a Denial
    guard.check(request, ["read:orders"])  # type: ignore[arg-type]  # each scope is an argument
    guard.check(Secret("token"))  # type: ignore[arg-type]  # a request, of which the token is a part
    Guard(issuer="https://login.example.com/", audience="a", algorithms=("HS256",))  # type: ignore[arg-type]
    Guard(issuer="https://login.example.com/", audience="a", leeway=30)  # type: ignore[arg-type]  # a timedelta
    require(max_age=300)  # type: ignore[arg-type]
    choose_policy("eyJ", ())  # type: ignore[arg-type]  # a Secret
    principal.subject = "root"  # type: ignore[misc]  # a verified token is immutable
    principal.claims["sub"] = "root"  # type: ignore[index]  # and so are its claims
    request.method = "GET"  # type: ignore[misc]  # frozen for type checkers (keyfob/light.py)
