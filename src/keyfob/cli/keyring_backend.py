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
else:  # most services are others': 100 ms
    running = LazyModule("keyfob.run")
    bound_login = LazyModule("keyfob.cli.tools.bound_login")
    plain_token = LazyModule("keyfob.client.io.sdk.plain_token")

_TOOL = "keyring"  # as `keyfob setup` calls it for pip and uv
_USERNAME = "__token__"  # as package indexes name the user of a token


# A chain of keyrings tries the next one after a NotImplementedError; programs expect an error of `keyring`.
class CannotStore(PasswordSetError, NotImplementedError):
    """No password can be stored in this keyring."""


class CannotDelete(PasswordDeleteError, NotImplementedError):
    """No password can be deleted from this keyring."""


class KeyfobKeyring(KeyringBackend):
    """Returns passwords only for services to which a login's token may be sent. Raises as `Session.token`."""

    @properties.classproperty
    def priority(self) -> float:
        """The priority. It is below that of the system's keyrings, so that passwords in those remain in use."""
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
    """Return the token that may be sent to a service, or None. The user is not asked."""
    if "://" not in service:
        return None
    try:
        app = bound_login.find_bound(_TOOL, service, None)
    except KeyfobError:  # settings that cannot be read: another program's password does not depend on them
        return None
    if app is None:
        return None
    return running.run(plain_token.plain_token(app.session().login)).access_token.reveal()
