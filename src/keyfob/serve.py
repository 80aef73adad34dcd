"""Door: a server that gives tokens.

from keyfob.serve import Tenant, bind, default_folder, ready_config, run, url_of

listener = bind("127.0.0.1", 8790)
tenant = Tenant.open(default_folder(), ready_config(url_of(listener)), with_first_user=True)
run(tenant, listener)           # or give `tenant.app` to any ASGI server

For https with certificates of this machine's own, `tls = tls_files(folder)`, `url_of(listener, is_tls=True)` and
`run(tenant, listener, tls)`. For programs with certificates there is a second socket: `run(..., certified)`.
"""

from __future__ import annotations

import socket  # noqa: TID251  its type; nothing is opened here

from keyfob.jose.certificates import TLS_HOSTS
from keyfob.server.io.certificates import TlsFiles, read_authorities, read_own_certificate, tls_files
from keyfob.server.io.data import default_folder
from keyfob.server.io.registry import Registry, is_tenant, new_client_id, new_client_secret, new_password
from keyfob.server.io.running import Certified, Running, bind, url_of
from keyfob.server.io.running import run as run_app
from keyfob.server.io.tenant import Tenant
from keyfob.server.settings.config import ForCertificates, TenantConfig, Wire
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, RefreshPolicy, Role
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID, FirstUser, ready_config

__all__ = [
    "READY_AUDIENCE",
    "READY_CLIENT_ID",
    "TLS_HOSTS",
    "Api",
    "ApiGrant",
    "Application",
    "Certified",
    "Connection",
    "FirstUser",
    "ForCertificates",
    "RefreshPolicy",
    "Registry",
    "Role",
    "Running",
    "Tenant",
    "TenantConfig",
    "TlsFiles",
    "Wire",
    "bind",
    "default_folder",
    "is_tenant",
    "new_client_id",
    "new_client_secret",
    "new_password",
    "read_authorities",
    "read_own_certificate",
    "ready_config",
    "run",
    "tls_files",
    "url_of",
]


def run(
    tenant: Tenant, listener: socket.socket, tls: TlsFiles | None = None, certified: Certified | None = None
) -> None:
    """Serve until SIGINT or SIGTERM, over https with `tls`; requests under way are finished, and the store is closed.

    `Running(tenant.app, listener, tls)` does the same in a thread.
    """
    try:
        run_app(tenant.app, listener, tls, certified)
    finally:
        tenant.close()
        listener.close()
