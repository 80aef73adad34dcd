"""A backend for the library `keyring`: the password of a service is the access token for that service.

`keyring` finds this backend by its entry point, and loads it whenever another program uses a keyring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.credentials import SimpleCredential
from keyring.errors import PasswordDeleteError, PasswordSetError

from keyfob.errors import KeyfobError
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob import run as running
    from keyfob.cli.tools import bound_login
    from keyfob.client.io.sdk import plain_token
else:  # importing these takes 100 ms, and is not needed for the services of other programs
    running = LazyModule("keyfob.run")
    bound_login = LazyModule("keyfob.cli.tools.bound_login")
    plain_token = LazyModule("keyfob.client.io.sdk.plain_token")

_TOOL = "keyring"  # the helper that `keyfob setup` binds for pip and uv
_USERNAME = "__token__"  # the user name that package indexes expect with a token


# Two base classes: programs expect an error of `keyring`, and after a NotImplementedError, `keyring` tries the next
# backend.
class CannotStore(PasswordSetError, NotImplementedError):
    """The error that no password can be stored in this keyring."""


class CannotDelete(PasswordDeleteError, NotImplementedError):
    """The error that no password can be deleted from this keyring."""


class KeyfobKeyring(KeyringBackend):
    """The backend. It returns a password only for a service to which a login's token may be sent.

    If the token cannot be renewed, it raises the errors of `Session.token`.
    """

    @properties.classproperty
    def priority(self) -> float:
        """The priority. The system's keyrings have a higher priority, so that their passwords remain in use."""
        return 1

    def get_password(self, service: str, username: str) -> str | None:  # noqa: ARG002  a token has no user name
        return _token_for(service)

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        token = _token_for(service)
        return None if token is None else SimpleCredential(username or _USERNAME, token)

    def set_password(self, service: str, username: str, password: str) -> NoReturn:  # noqa: ARG002
        raise CannotStore("keyfob stores no passwords")

    def delete_password(self, service: str, username: str) -> NoReturn:  # noqa: ARG002
        raise CannotDelete("keyfob deletes no passwords; end a login with keyfob logout")


def _token_for(service: str) -> str | None:
    """Return the token that may be sent to a service. Never ask the user.

    Return None if no token may be sent to this service, or if keyfob's settings cannot be read.
    """
    if "://" not in service:
        return None
    try:
        app = bound_login.find_bound(_TOOL, service, None)
    except KeyfobError:  # unreadable settings of keyfob must not affect other programs' passwords
        return None
    if app is None:
        return None
    return running.run(plain_token.plain_token(app.session().login)).access_token.reveal()
