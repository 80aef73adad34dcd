"""The access token for a service that another program names by its address."""

from __future__ import annotations

from keyfob.cli.tools.bound_login import find_bound
from keyfob.client.io.sdk.plain_token import plain_token
from keyfob.errors import KeyfobError
from keyfob.login import App
from keyfob.protocol.address import is_safe
from keyfob.run import run


def token_for(service: str) -> str | None:
    """Return the token of the login that belongs to a service; None if there is none, or the service is no address.

    Raises:
        KeyfobError: There is such a login, and it has no valid token or one that is bound to a key.
    """
    app = _login_for(service) if is_safe(service) else None
    return None if app is None else run(plain_token(app.session().login)).access_token.reveal()


def _login_for(url: str) -> App | None:
    """Return the login whose token is known to belong to an address, as for pip. Nothing is remembered."""
    try:
        return find_bound("keyring", url, None)
    except KeyfobError:  # no login, or settings that cannot be read: another program's password does not depend on them
        return None
