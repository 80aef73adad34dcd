"""keyfob logs a program in by its certificate, at a server of others (RFC 8705)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyfob.client.io.http.connections import sender_of
from keyfob.errors import Refused
from keyfob.jose.tokens import take_apart
from keyfob.login import App
from keyfob.protocol.certificate import thumbprint_of
from tests.tls import Made, make, put
from tests.wild.servers import AUTHORITY, OWN, SCOPE, Server, logs_in
from tests.wild.stage import AUDIENCE

ROBOT = make("robot", AUTHORITY)


@contextmanager
def program(server: Server, folder: Path, client_id: str, shown: Made) -> Iterator[App]:
    app = App(
        issuer=server.issuer, client_id=client_id, audience=AUDIENCE, scopes=[SCOPE], is_machine=True, is_resource=True,
        home=folder, ca=put(folder / "ca.pem", AUTHORITY.certificate),
        certificate=shown.lay_together(folder),
    )  # fmt: skip
    try:
        yield app
    finally:
        sender_of(app.profile).close()


def bound_there(app: App) -> str:
    """The certificate that the server has bound the token to."""
    stored = app.log_in()
    found = json.loads(take_apart(stored.access_token).payload)
    assert stored.certificate == found["cnf"]["x5t#S256"]
    assert stored.scope.write() == SCOPE
    return stored.certificate or ""


@logs_in("client credentials, tls_client_auth", "oidc-provider")
def test_a_program_is_known_by_the_name_in_its_certificate(server: Server, tmp_path: Path) -> None:
    """[C-8705-01]"""
    with program(server, tmp_path, "named", ROBOT) as app:
        assert bound_there(app) == thumbprint_of(ROBOT.der)
    with program(server, tmp_path, "named", make("another", AUTHORITY)) as app, pytest.raises(Refused) as raised:
        app.log_in()
    assert raised.value.oauth_code == "invalid_client"


@logs_in("client credentials, self_signed_tls_client_auth", "oidc-provider")
def test_a_program_is_known_by_its_very_certificate(server: Server, tmp_path: Path) -> None:
    """[C-8705-01]"""
    with program(server, tmp_path, "own", OWN) as app:
        assert bound_there(app) == thumbprint_of(OWN.der)
    with program(server, tmp_path, "own", make("own")) as app, pytest.raises(Refused) as raised:
        app.log_in()
    assert raised.value.oauth_code == "invalid_client"
