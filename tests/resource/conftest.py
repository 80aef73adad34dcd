"""What the guard's tests share: an issuer with two keys, and a mint."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keyfob.jose.keys import SigningKey
from keyfob.protocol.scope import Scope
from keyfob.testing.flawed_tokens import TokenMaker

ISSUER = "https://login.example/"
AUDIENCE = "https://orders.example/"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def mint() -> TokenMaker:
    return TokenMaker(
        ISSUER, AUDIENCE, SigningKey.generate("RS256"), SigningKey.generate("RS256"), NOW, Scope.of(["read:orders"])
    )
