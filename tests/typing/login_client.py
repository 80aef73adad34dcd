"""What a program writes with `keyfob.login`, for mypy and pyright; it is never run.

A line with `type: ignore` must not type-check: both checkers complain about an ignore that is not needed.
"""

from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import assert_type

import httpx2

from keyfob.errors import Code, KeyfobError, LoginRequired
from keyfob.login import (
    App,
    Assurance,
    BrowserOpened,
    CodeShown,
    LoggedOut,
    Notice,
    Question,
    Session,
    Source,
    StoredLogin,
    log_to,
)
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret


def show(notice: Notice) -> None:
    match notice:
        case CodeShown():
            assert_type(notice.user_code, str)
            assert_type(notice.expires_in, timedelta)
        case BrowserOpened():
            assert_type(notice.has_opened, bool)
        case _:
            pass


def answer(question: Question) -> Secret:
    return Secret(input(question.words) or question.default)


app = App(
    issuer="https://login.example.com/",
    client_id="my-cli",
    audience="https://api.example.com",
    scopes=["read:orders"],
    flow="device",
    dpop="require",
)
machine = App(
    issuer="https://login.example.com/",
    client_id="ci",
    is_machine=True,
    credential=Source("secret", "env", "CI_SECRET"),
)
assert_type(app.log_in(), StoredLogin)
assert_type(app.log_in(show, ask=answer, assurance=Assurance(max_age=timedelta(hours=1))), StoredLogin)
session = app.session(show)
assert_type(session, Session)
assert_type(session.token(timedelta(minutes=5)), str)
assert_type(session.http(), httpx2.Client)
assert_type(session.send(Request("GET", "https://api.example.com/orders")), Response)
assert_type(session.log_out(), LoggedOut)
assert_type(session.stored().expires_at, datetime | None)
try:
    session.token()
except LoginRequired as problem:
    assert_type(problem.hint, str)
except KeyfobError as problem:
    assert_type(problem.code, Code)

App(client_id="my-cli")  # type: ignore[call-arg]  # there is no default issuer
App("https://login.example.com/", "my-cli")  # type: ignore[call-arg]  # settings are given by name
App(issuer="https://login.example.com/", client_id="a", flow="implicit")  # type: ignore[arg-type]  # no such flow
App(issuer="https://login.example.com/", client_id="a", dpop=True)  # type: ignore[arg-type]  # a policy, not a switch
App(issuer="https://login.example.com/", client_id="a", client_secret="s")  # type: ignore[call-arg]  # a Source
session.token(300)  # type: ignore[arg-type]  # a timedelta, not seconds
session.send("https://api.example.com/orders")  # type: ignore[arg-type]  # a Request, not an address
app.log_in(ask=lambda question: question.words)  # type: ignore[arg-type,return-value]  # an answer is a Secret
Assurance(max_age=3600)  # type: ignore[arg-type]
key: Hashable = session.stored().access_token  # type: ignore[assignment]  # a hash table compares with early exit
"token " + session.stored().access_token  # type: ignore[operator]  # only reveal() returns a token
wrong: Callable[[], str] = session.stored  # type: ignore[assignment]
log_to("debug.log")  # type: ignore[arg-type]  # a stream, not the name of a file
