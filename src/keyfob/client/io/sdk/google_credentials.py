"""Credentials for Google's client libraries (`google.auth.credentials.Credentials`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from google.auth.credentials import Credentials

from keyfob.client.io.sdk.plain_token import expiry_of, plain_token
from keyfob.client.session.login import Login
from keyfob.run import run

# Google's libraries ask for another token 3 min 45 s before the expiry.
_MIN_TTL: Final = timedelta(minutes=4)


class GoogleCredentials(Credentials):
    """Credentials for `storage.Client(credentials=...)`, `AuthorizedSession(...)` and gRPC."""

    def __init__(self, login: Login) -> None:
        initialize: Callable[[], None] = super().__init__  # google-auth has no types here
        initialize()
        self._login = login

    def refresh(self, request: object) -> None:  # noqa: ARG002  the login has its own connection
        """Set the attributes `token` and `expiry` to those of a valid token. Raises the errors of `Session.token`.

        Google's libraries call this if the token has expired, or if an API has responded with 401. After a 401, a new
        token is requested even if the old one has not expired.
        """
        refused = self.token if self.valid else None  # Google's libraries refresh a valid token only after a 401
        stored = run(plain_token(self._login, _MIN_TTL, refused=refused))
        until = expiry_of(stored)
        self.token = stored.access_token.reveal()
        self.expiry = None if until is None else until.replace(tzinfo=None)  # google-auth compares naive times in UTC
