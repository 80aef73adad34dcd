"""A backend for the library `keyring`: the access token as the password of the service that it belongs to.

`keyring` finds it by its entry point, and loads it whenever another program uses a keyring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
from keyring.errors import PasswordDeleteError, PasswordSetError

from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.cli import service_login
else:  # most services are others': 100 ms
    service_login = LazyModule("keyfob.cli.service_login")

_USERNAME = "__token__"  # as package indexes name the user of a token


# A chain of keyrings tries the next one after a NotImplementedError; programs expect an error of `keyring`.
class CannotStore(PasswordSetError, NotImplementedError):
    """No password can be stored in this keyring."""


class CannotDelete(PasswordDeleteError, NotImplementedError):
    """No password can be deleted from this keyring."""


class KeyfobKeyring(KeyringBackend):
    """Answers for services that a login's token belongs to, and for no other. Raises as `Session.token`."""

    priority: ClassVar[float] = 1  # below the system's keyring: a password that is stored there for a service stays

    def get_password(self, service: str, username: str) -> str | None:  # noqa: ARG002  a token has no user name
        return service_login.token_for(service)

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        token = service_login.token_for(service)
        return None if token is None else SimpleCredential(username or _USERNAME, token)

    def set_password(self, service: str, username: str, password: str) -> NoReturn:  # noqa: ARG002
        raise CannotStore("keyfob stores no passwords")

    def delete_password(self, service: str, username: str) -> NoReturn:  # noqa: ARG002
        raise CannotDelete("keyfob deletes no passwords; end a login with keyfob logout")
