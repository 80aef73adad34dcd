"""One tenant for each dialect and each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wild.stage import Stage, on_stage


@pytest.fixture(scope="module")
def theatre(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with on_stage(request.param) as made:
        yield made


@pytest.fixture
def stage(theatre: Stage) -> Stage:
    """The tenant of this file, with nothing of the test before it on the tap."""
    theatre.tap.passed.clear()
    return theatre
