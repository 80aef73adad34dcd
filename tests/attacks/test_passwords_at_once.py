"""Many passwords at once: the queue is limited, each network has a share, and callers who leave are dropped."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import argon2

from keyfob.protocol.http import FORM, Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.server.decide import limits
from keyfob.server.io.passwords import CALLER_LEFT, Argon2Passwords
from keyfob.testing.example_tenant import ORDERS
from keyfob.testing.pair import ask
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene
from tests.server.wires import scene_of


class HeldHasher(argon2.PasswordHasher):
    """A hasher that finishes when it may, and counts its work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.may_finish = threading.Event()
        self.done = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Any:  # noqa: A002
        assert self.may_finish.wait(20)
        self.done += 1
        return super().verify(hash, password)


class SlowHasher(argon2.PasswordHasher):
    """A hasher that makes new hashes when it may. The one for unknown users is made at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.may_finish = threading.Event()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        assert password == "nobody has this password" or self.may_finish.wait(20)
        return super().hash(password, salt=salt)


async def settle(rounds: int = 200) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


def test_the_queue_is_limited_and_each_network_has_a_share() -> None:
    """[FS-12] 120 abandoned posts made the next login wait for over a minute."""

    async def story() -> None:
        hasher = HeldHasher()
        passwords = Argon2Passwords(hasher)
        flood = [asyncio.ensure_future(passwords.verify(Secret("x"), None, "attacker")) for _ in range(40)]
        await settle()
        refused = [one for one in flood if one.done()]
        assert len(refused) == 40 - limits.HASHES_AT_ONCE - limits.HASHES_WAITING_OF_ONE
        assert {one.result() for one in refused} == {None}
        honest = asyncio.ensure_future(passwords.verify(Secret("x"), hasher.hash("x"), "honest"))
        await settle()
        assert not honest.done()
        others = [asyncio.ensure_future(passwords.verify(Secret("x"), None, f"n{number}")) for number in range(60)]
        await settle()
        assert sum(not one.done() for one in others) == limits.HASHES_WAITING - limits.HASHES_WAITING_OF_ONE - 1
        hasher.may_finish.set()
        assert await honest is True
        await asyncio.gather(*flood, *others)
        assert await passwords.verify(Secret("x"), hasher.hash("x"), "attacker") is True

    asyncio.run(story())


def test_the_work_of_a_caller_who_left_is_dropped() -> None:
    """[FS-12] Also of one whose turn comes at the same moment; no place in the queue is lost."""

    async def story() -> None:
        hasher = HeldHasher()
        passwords = Argon2Passwords(hasher)
        running = [asyncio.ensure_future(passwords.verify(Secret("x"), None, f"r{number}")) for number in range(2)]
        await settle()
        left = asyncio.Event()

        async def leave() -> None:
            await left.wait()

        async def abandoned(number: int) -> bool | None:
            CALLER_LEFT.set(leave)
            return await passwords.verify(Secret("x"), None, f"a{number}")

        waiting = [asyncio.ensure_future(abandoned(number)) for number in range(20)]
        await settle()
        left.set()
        await settle()
        assert [one.done() and one.result() for one in waiting] == [None] * 20
        hasher.may_finish.set()
        await asyncio.gather(*running)
        assert hasher.done == 2
        assert await passwords.verify(Secret("x"), hasher.hash("x")) is True

    asyncio.run(story())


def test_a_busy_tenant_says_so_and_counts_no_failure() -> None:
    """[FS-12]."""
    scene = scene_of(allows_password=True)
    scene.tenant._site.passwords = Argon2Passwords(hasher := HeldHasher())
    form = {"grant_type": "password", "client_id": "legacy", "audience": ORDERS, "username": EMAIL}

    def send(password: str, peer: str) -> asyncio.Task[Response]:
        request = form_request(f"{ISSUER}oauth/token", {**form, "password": password})
        return asyncio.ensure_future(ask(scene.tenant.app, request, peer=peer))

    async def story() -> None:
        flood = [send("wrong", f"198.51.100.{number}") for number in range(60)]
        await settle(3000)
        busy = await send(PASSWORD, "192.0.2.1")
        assert (busy.status, busy.header("retry-after") is not None) == (503, True)
        for _ in range(8):
            assert (await send(PASSWORD, "192.0.2.1")).status == 503
        hasher.may_finish.set()
        await asyncio.gather(*flood)
        assert (await send(PASSWORD, "192.0.2.1")).status == 200

    asyncio.run(story())


def test_a_sender_who_leaves_in_the_middle_is_not_answered() -> None:
    """[FS-12] The tenant acted upon the half of the body that had come."""
    scene: Scene = scene_of(allows_password=True)
    body = urlencode({"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": "x"}).encode()
    coming: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return coming.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/oauth/token", "query_string": b"", "scheme": "https"}
    asyncio.run(scene.tenant.app({**scope, "headers": [(b"content-type", FORM.encode())]}, receive, send))
    assert sent == []
    assert [event for event in scene.events if event["type"] == "fp"] == []


def test_new_passwords_wait_in_the_same_queue() -> None:
    """One link to choose a password, opened from many tabs, let every login wait behind its passwords."""
    scene = Scene()
    person = scene.person()
    person.open(f"{ISSUER}u/forgot")
    person.press("send", email=EMAIL)
    person.open(re.findall(r"https:\S+", scene.outbox.sent[-1].text)[0])
    [form] = person.page.forms
    fields = {**form.values, "password": "seven quiet otters paint the harbour"}
    cookies = ("cookie", "; ".join(f"{name}={value}" for name, value in person.cookies.items()))
    scene.tenant._site.passwords = Argon2Passwords(hasher := SlowHasher())

    async def story() -> None:
        request = form_request(f"{ISSUER}u/reset", fields)
        request = replace(request, headers=(*request.headers, cookies))
        flood = [asyncio.ensure_future(ask(scene.tenant.app, request, peer="198.51.100.7")) for _ in range(40)]
        await settle(3000)
        refused = [one.result() for one in flood if one.done()]
        assert len(refused) == 40 - limits.HASHES_AT_ONCE - limits.HASHES_WAITING_OF_ONE
        assert {one.status for one in refused} == {303}
        busy = await ask(
            scene.tenant.app,
            Request("GET", ISSUER + (refused[0].header("location") or "")[1:], (cookies,)),
            peer="198.51.100.7",
        )
        assert (busy.status, b"Too many users" in busy.body) == (503, True)
        hasher.may_finish.set()
        saved = [one for one in await asyncio.gather(*flood) if (one.header("location") or "").startswith("/u/login")]
        assert len(saved) == 1

    asyncio.run(story())
