"""The access token for a service that another program names by its address."""

from __future__ import annotations

import os
from argparse import Namespace

from keyfob.cli.api_login import find_own
from keyfob.cli.profiles import app_of, known_app
from keyfob.client.io.sdk.plain_token import plain_token
from keyfob.client.io.state.origin_files import OriginFiles
from keyfob.client.session.destination import judge_destination
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
    """Return the login whose token is known to belong to an address. Nobody is asked, and nothing is remembered."""
    try:
        own = None if os.environ.get("KEYFOB_PROFILE") else find_own(url)
        app = known_app(Namespace()) if own is None else app_of(own)
        verdict = "ours" if own else judge_destination(app.profile, OriginFiles().load(app.profile).known, url)
    except KeyfobError:  # no login, or settings that cannot be read: another program's password does not depend on them
        return None
    return app if verdict == "ours" else None
