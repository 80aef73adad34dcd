"""One scene for each test."""

from __future__ import annotations

import pytest

from keyfob.testing.scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
