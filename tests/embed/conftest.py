"""The program in each framework."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.testing.scene import Scene
from tests.embed.programs import FRAMEWORKS, Program, make


@pytest.fixture(params=FRAMEWORKS)
def orders(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return make(request.param, Scene(), tmp_path / "home", monkeypatch)


@pytest.fixture
def orders_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Program]:
    def make_in(framework: str, scene: Scene | None = None, **more: object) -> Program:
        return make(framework, scene or Scene(), tmp_path / "home", monkeypatch, **more)

    return make_in
