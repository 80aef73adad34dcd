"""What a program writes with `keyfob.login.aio`, for mypy and pyright; see login_client.py."""

from datetime import timedelta
from typing import assert_type

import httpx2

from keyfob.login import App, LoggedOut, StoredLogin, aio


async def orders() -> str:
    app = aio.App(App(issuer="https://login.example.com/", client_id="my-cli"))
    assert_type(await app.log_in(), StoredLogin)
    session = app.session()
    assert_type(session, aio.Session)
    assert_type(await session.token(timedelta(minutes=5)), str)
    async with session.http() as client:
        assert_type(client, httpx2.AsyncClient)
        assert_type(await client.get("https://api.example.com/orders"), httpx2.Response)
    assert_type(await session.log_out(), LoggedOut)

    token: str = session.token()  # type: ignore[assignment]  # it must be awaited
    await session.token(300)  # type: ignore[arg-type]
    await app.begin().approved  # type: ignore[attr-defined]
    aio.App(issuer="https://login.example.com/", client_id="my-cli")  # type: ignore[call-arg]  # takes an App
    with session.http():  # type: ignore[attr-defined]  # an asynchronous client
        pass
    return token
