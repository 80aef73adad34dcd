"""A token provider for botocore: services that take a bearer token instead of a signature."""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from keyfob.client.io.sdk.plain_token import expiry_of, plain_token
from keyfob.client.session.login import Login
from keyfob.run import run


class FrozenToken(NamedTuple):
    """The fields of botocore's `FrozenAuthToken`; this module does not import botocore."""

    token: str
    expiration: datetime | None


class BotocoreToken:
    """For `session.register_component("token_provider", ...)`; the provider and its token in one."""

    METHOD: Final = "keyfob"

    def __init__(self, login: Login) -> None:
        self._login = login

    def load_token(self, **_options: object) -> BotocoreToken:
        """Return the token, which is read when a request is signed."""
        return self

    def get_frozen_token(self) -> FrozenToken:
        """Return a valid token. Raises as `Session.token`."""
        stored = run(plain_token(self._login))
        return FrozenToken(stored.access_token.reveal(), expiry_of(stored))
