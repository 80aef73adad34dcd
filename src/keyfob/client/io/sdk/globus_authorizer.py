"""An authorizer for the Globus SDK (`globus_sdk.authorizers.GlobusAuthorizer`)."""

from __future__ import annotations

from globus_sdk.authorizers import GlobusAuthorizer

from keyfob.client.io.sdk.plain_token import plain_token
from keyfob.client.session.login import Login
from keyfob.errors import KeyfobError
from keyfob.run import run


class GlobusLogin(GlobusAuthorizer):
    """An authorizer for `globus_sdk.TransferClient(authorizer=...)` and the SDK's other clients."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._sent: str | None = None

    def get_authorization_header(self) -> str:
        """Return the value of the Authorization header, with a valid token. Raises the errors of `Session.token`."""
        self._sent = run(plain_token(self._login)).access_token.reveal()
        return f"Bearer {self._sent}"

    def handle_missing_authorization(self) -> bool:
        """Obtain a new token after a 401, and return whether that succeeded. If not, the SDK reports the 401."""
        try:
            return run(plain_token(self._login, refused=self._sent)).access_token.reveal() != self._sent
        except KeyfobError:
            return False
