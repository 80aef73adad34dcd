"""A password is changed while a request with the old one is under way: what that request began does not survive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

import pytest

from keyfob.protocol.http import Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.ports import Transaction, Work
from keyfob.testing.example_tenant import CALLBACK, ORDERS
from keyfob.testing.pair import ask
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene, quick_passwords
from tests.attacks.test_passwords_at_once import HeldHasher, settle
from tests.server.endpoints.oauth.test_password import code_for
from tests.server.wires import (
    CHALLENGE,
    approve,
    code_of,
    device_codes,
    poll,
    redeem,
    scene_of,
    text_of,
    token,
)

T = TypeVar("T")
NEW_PASSWORD = "seven quiet otters paint the harbour"


async def choose_another(scene: Scene) -> None:
    """Do as a user who resets the password: every login, session and half login ends."""
    hashed = await quick_passwords().hash(Secret(NEW_PASSWORD))

    async def save(transaction: Transaction) -> None:
        user = await transaction.user_by_email(EMAIL)
        assert user is not None
        await transaction.save_user(replace(user, password_hash=hashed))
        await transaction.end_logins(user.user_id)

    await scene.store.write(save)


def held_form(person: Person, **typed: str) -> Request:
    """Return the request of the page's first form."""
    [form, *_] = person.page.forms
    request = form_request(f"{ISSUER}{form.action.removeprefix(ISSUER).removeprefix('/')}", {**form.values, **typed})
    cookies = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    return replace(request, headers=(*request.headers, ("cookie", cookies)))


def while_it_is_checked(scene: Scene, request: Request) -> Response:
    """Send a password, which is replaced while its slow hash is computed."""
    scene.tenant._site.passwords = Argon2Passwords(hasher := HeldHasher())

    async def story() -> Response:
        sent = asyncio.ensure_future(ask(scene.tenant.app, request, peer="198.51.100.7"))
        await settle(2000)
        assert not sent.done()
        await choose_another(scene)
        hasher.may_finish.set()
        return await sent

    return asyncio.run(story())


def nothing_is_left(scene: Scene) -> bool:
    async def load(transaction: Transaction) -> bool:
        user = await transaction.user_by_email(EMAIL)
        assert user is not None
        logins = await transaction.logins(scene.time.now(), 9, user_id=user.user_id)
        return not logins and not await transaction.sessions(9, user_id=user.user_id)

    return asyncio.run(scene.store.read(load))


def test_the_old_password_begins_no_session_once_there_is_a_new_one() -> None:
    """An attacker who logs in again and again has always one login under way when the user chooses a new password."""
    scene = scene_of()
    person = scene.person()
    person.open(f"{ISSUER}account")
    answer = while_it_is_checked(scene, held_form(person, email=EMAIL, password=PASSWORD, button="login"))
    assert (answer.header("location") or "").startswith("/u/login")
    assert nothing_is_left(scene)


def test_the_old_password_begins_no_second_factor_either() -> None:
    """Where one is due and the user has none, the attacker would have set up the first one."""
    scene = scene_of(mfa="always")
    person = scene.person()
    person.open(f"{ISSUER}account")
    answer = while_it_is_checked(scene, held_form(person, email=EMAIL, password=PASSWORD, button="login"))
    assert (answer.header("location") or "").startswith("/u/login")


@pytest.mark.parametrize("mfa", ["never", "always"])
def test_the_old_password_is_traded_for_nothing(mfa: str) -> None:
    scene = scene_of(allows_password=True, mfa=mfa)
    form = {"grant_type": "password", "client_id": "legacy", "audience": ORDERS, "username": EMAIL}
    answer = while_it_is_checked(scene, form_request(f"{ISSUER}oauth/token", {**form, "password": PASSWORD}))
    assert answer.status == 403
    assert b"mfa_token" not in answer.body
    assert nothing_is_left(scene)


class Interrupted:
    """A store, with something that happens just before one of its writes."""

    def __init__(self, scene: Scene, before: int, act: Callable[[], Awaitable[None]]) -> None:
        self._store = scene.store
        self._left = before
        self._act = act
        self.has_acted = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def write(self, work: Work[T]) -> T:
        self._left -= 1
        if self._left == 0:
            await self._act()
            self.has_acted = True
        return await self._store.write(work)


def interrupt(scene: Scene, before: int) -> Interrupted:
    """Let the password change just before that write of the next request."""
    store = Interrupted(scene, before, lambda: choose_another(scene))
    scene.tenant._site.store = store  # type: ignore[assignment]
    return store


@pytest.mark.parametrize("before", range(1, 4))
def test_a_login_that_is_interrupted_anywhere_leaves_nothing(before: int) -> None:
    scene = scene_of()
    person = scene.person()
    person.open(f"{ISSUER}account")
    store = interrupt(scene, before)
    person.press("login", email=EMAIL, password=PASSWORD)
    assert store.has_acted
    assert nothing_is_left(scene)


@pytest.mark.parametrize("before", range(1, 5))
def test_a_second_factor_that_is_interrupted_anywhere_leaves_nothing(before: int) -> None:
    scene = scene_of(mfa="always")
    person = scene.person()
    person.open(f"{ISSUER}account")
    person.press("login", email=EMAIL, password=PASSWORD)
    words = person.press("enrol").text.split()
    at = words.index("Then")
    code = code_for(scene, "".join(words[at - 8 : at]))
    store = interrupt(scene, before)
    person.press("verify", code=code)
    assert store.has_acted
    assert nothing_is_left(scene)


def test_no_code_is_issued_meanwhile() -> None:
    """The session ends between the moment when a request reads it and the moment when the code is stored."""
    scene = scene_of()
    person = scene.person()
    person.open(f"{ISSUER}account")
    person.press("login", email=EMAIL, password=PASSWORD)
    asked = {"response_type": "code", "client_id": "native", "redirect_uri": CALLBACK, "scope": "openid", "state": "s"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    person.open(f"{ISSUER}authorize?{urlencode(asked)}")
    answers: list[Request] = []

    async def client(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        answers.append(Request("GET", scope["query_string"].decode()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    scene.pair.join("http://127.0.0.1:8484", client)
    interrupt(scene, 1)
    person.press("approve")
    [answer] = answers
    assert "error=login_required" in answer.url
    assert "code=" not in answer.url


def by_code(scene: Scene) -> Callable[[], Response]:
    code = code_of(scene, scope="openid offline_access", audience=ORDERS)
    return lambda: redeem(scene, code)


def by_device(scene: Scene) -> Callable[[], Response]:
    codes = device_codes(scene, scope="openid offline_access", audience=ORDERS)
    approve(scene, codes)
    return lambda: poll(scene, codes["device_code"])


def by_refresh(scene: Scene) -> Callable[[], Response]:
    refresh = text_of(by_code(scene)(), "refresh_token")
    return lambda: token(scene, grant_type="refresh_token", client_id="native", refresh_token=refresh)


@pytest.mark.parametrize("begin", [by_code, by_device, by_refresh])
def test_no_grant_that_is_under_way_leaves_a_login(begin: Callable[[Scene], Callable[[], Response]]) -> None:
    scene = scene_of()
    send = begin(scene)
    store = interrupt(scene, 1)
    answer = send()
    assert store.has_acted
    assert answer.status == 403
    assert nothing_is_left(scene)


@pytest.mark.parametrize("button", ["recovery", "remove", "name", "end_all"])
def test_a_session_that_ends_meanwhile_changes_nothing_any_more(button: str) -> None:
    """Whoever has the cookie is signed out by the user, and sends the form of the account at the same moment."""
    scene = scene_of(name="Example")
    other, person = scene.person(), scene.person()
    other.open(f"{ISSUER}account")
    other.press("login", email=EMAIL, password=PASSWORD)
    if button == "end_all":
        person.open(f"{ISSUER}account")
        person.press("login", email=EMAIL, password=PASSWORD)
    else:
        secret_of(scene, person)
        person.open(f"{ISSUER}account")
    before = kept(scene)
    store = interrupt(scene, 1)
    page = person.press(button, **({"name": "Somebody Else"} if button == "name" else {}))
    assert store.has_acted
    assert "/u/login" in page.url
    assert kept(scene) == before
    assert nothing_is_left(scene)


def secret_of(scene: Scene, person: Person) -> None:
    """Log in and set up a second factor."""
    person.open(f"{ISSUER}u/enrol")
    person.press("login", email=EMAIL, password=PASSWORD)
    words = person.press("enrol").text.split()
    at = words.index("Then")
    person.press("verify", code=code_for(scene, "".join(words[at - 8 : at])))
    person.press("kept")


def kept(scene: Scene) -> tuple[object, ...]:
    """Return the second factors and the name of the user."""

    async def load(transaction: Transaction) -> tuple[object, ...]:
        user = await transaction.user_by_email(EMAIL)
        assert user is not None
        return user.name, *await transaction.authenticators(user.user_id)

    return asyncio.run(scene.store.read(load))
