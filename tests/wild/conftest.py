"""One tenant for each dialect, and whichever program a test is about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wild.glewlwyd import glewlwyd
from tests.wild.judged import Bench, on_bench
from tests.wild.peer import Client, interpreter, node, python
from tests.wild.servers import Server, django, oidc_provider
from tests.wild.stage import Stage, on_stage

SERVERS = {"oidc-provider": oidc_provider, "django-oauth-toolkit": django, "glewlwyd": glewlwyd}


@pytest.fixture(scope="session")
def theatre(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with on_stage(request.param) as made:
        yield made


@pytest.fixture
def stage(theatre: Stage) -> Stage:
    """The tenant, with nothing of the test before it on the tap."""
    theatre.tap.passed.clear()
    return theatre


@pytest.fixture
def client(request: pytest.FixtureRequest, stage: Stage) -> Client:
    """The program that a test is about; without it, the test is not begun."""
    assert interpreter(request.param)
    return Client(request.param, stage)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A tenant whose tokens others judge; without those others, it is not begun."""
    assert node()
    assert python()
    with on_bench(request.param) as made:
        yield made


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of somebody else's that a test logs in at."""
    with SERVERS[request.param]() as started:
        yield started
