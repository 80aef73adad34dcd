"""An authorization server with its own users (a tenant), for tests, for development, or behind a proxy.

from keyfob.serve import Tenant, bind, default_folder, ready_config, run, url_of

listener = bind("127.0.0.1", 8790)
tenant = Tenant.open(default_folder(), ready_config(url_of(listener)), with_first_user=True)
run(tenant, listener)           # or pass `tenant.app` to any ASGI server

For https with certificates made on this machine: `tls = tls_files(folder)`, `url_of(listener, is_tls=True)` and
`run(tenant, listener, tls)`. Clients with certificates (RFC 8705) connect to a second socket, which is the argument
`certified` of `run`. To send codes by e-mail, pass a mailer: `Tenant.open(..., mailer=...)` with `SmtpMailer` or, in
development, `FolderOutbox`.
"""

from __future__ import annotations

import socket  # noqa: TID251  its type only

from keyfob.server.io.certificates import TlsFiles, tls_files
from keyfob.server.io.data import default_folder
from keyfob.server.io.mail import FolderOutbox
from keyfob.server.io.registry import Registry
from keyfob.server.io.running import Certified, Running, bind, until_signal, url_of
from keyfob.server.io.smtp import MailServer, SmtpMailer
from keyfob.server.io.tenant import Tenant
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.device_rules import DeviceRules, OwnDeviceRules
from keyfob.server.settings.registered import Api, ApiGrant, Application, Connection, RefreshPolicy, Role
from keyfob.server.start import ready_config

__all__ = [
    "Api",
    "ApiGrant",
    "Application",
    "Connection",
    "DeviceRules",
    "FolderOutbox",
    "MailServer",
    "OwnDeviceRules",
    "RefreshPolicy",
    "Registry",
    "Role",
    "Running",
    "SmtpMailer",
    "Tenant",
    "TenantConfig",
    "bind",
    "default_folder",
    "ready_config",
    "run",
    "tls_files",
    "url_of",
]


def run(
    tenant: Tenant, listener: socket.socket, tls: TlsFiles | None = None, certified: Certified | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. Then finish the requests in progress, and close the tenant and the listener.

    `Running(tenant.app, listener, tls)` does the same in a thread.

    Args:
        tenant: The authorization server.
        listener: A bound TCP socket, as `bind` returns it.
        tls: The certificate for https; None for plain http.
        certified: A second socket for clients with certificates (RFC 8705).
    """
    try:
        with until_signal(tenant.app, listener, tls, certified) as serve:
            tenant.record("keyfob_start", description=f"at {tenant.config.issuer}")
            serve()
    finally:
        tenant.record("keyfob_stop")
        tenant.close()
        listener.close()
