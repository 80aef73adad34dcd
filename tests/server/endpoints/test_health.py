"""The probes: /healthz answers while the process lives, /readyz while its store can be used."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from keyfob.errors import Unreachable
from keyfob.protocol.http import Request, Response
from keyfob.testing.pair import ask
from keyfob.testing.scene import ISSUER, Scene
from tests.server.wires import scene_of


def probe(scene: Scene, path: str = "readyz") -> Response:
    return scene.send(Request("GET", f"{ISSUER}{path}"))


@pytest.mark.parametrize(
    ("operation", "problem", "reason"),
    [
        ("read", OSError("input/output error at /secret/path"), "store-unreadable"),
        ("write", OSError("no space left on device"), "store-unwritable"),
        ("write", Unreachable("the database is gone"), "unreachable"),
    ],
)
def test_readiness_names_the_reason_and_recovers_by_itself(operation: str, problem: Exception, reason: str) -> None:
    scene = scene_of()
    whole = getattr(scene.store, operation)

    async def fail(_: object) -> None:
        raise problem

    setattr(scene.store, operation, fail)
    answer = probe(scene)
    assert answer.status == 503
    assert json.loads(answer.body) == {"status": "unavailable", "reason": reason}
    assert answer.header("retry-after") == "1"
    assert probe(scene, "healthz").status == 200, "a restart would not mend it"
    setattr(scene.store, operation, whole)
    scene.time.go(timedelta(seconds=1))
    assert (probe(scene).status, probe(scene).header("cache-control")) == (200, "no-store")


def test_the_store_is_used_once_a_second_and_probes_are_never_limited() -> None:
    scene = scene_of(requests_per_minute=1)
    reads = 0
    read = scene.store.read

    async def counted(work: object) -> object:
        nonlocal reads
        reads += 1
        return await read(work)  # type: ignore[arg-type]

    scene.store.read = counted  # type: ignore[method-assign, assignment]
    assert {probe(scene, path).status for path in ("readyz", "healthz") for _ in range(500)} == {200}
    assert reads == 1


def test_a_store_that_hangs_is_asked_once() -> None:
    """The first probe waits, and is ended by its caller; the others are answered."""
    scene = scene_of()
    started = 0

    async def story() -> tuple[list[int], str]:
        begun, forever = asyncio.Event(), asyncio.Event()

        async def hang(_: object) -> None:
            nonlocal started
            started += 1
            begun.set()
            await forever.wait()

        request = Request("GET", f"{ISSUER}readyz")
        assert (await ask(scene.tenant.app, request)).status == 200
        whole, scene.store.write = scene.store.write, hang  # type: ignore[method-assign, assignment]
        scene.time.go(timedelta(seconds=2))
        first = asyncio.ensure_future(ask(scene.tenant.app, request))
        await begun.wait()
        statuses = [(await ask(scene.tenant.app, request)).status]
        scene.time.go(timedelta(seconds=6))
        late = await ask(scene.tenant.app, request)
        statuses.append(late.status)
        scene.store.write = whole  # type: ignore[method-assign]
        forever.set()
        await first
        scene.time.go(timedelta(seconds=2))
        statuses.append((await ask(scene.tenant.app, request)).status)
        return statuses, str(json.loads(late.body)["reason"])

    assert asyncio.run(story()) == ([200, 503, 200], "store-slow")
    assert started == 1


def test_probes_are_answered_while_settings_cannot_be_reloaded() -> None:
    scene = scene_of()

    async def fail() -> None:
        raise OSError("gone")

    scene.tenant.app._reload = fail
    assert probe(scene, "healthz").status == 200
    assert probe(scene).status == 200
