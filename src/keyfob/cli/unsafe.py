"""Refuse to serve a tenant with unsafe settings, except in development."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from keyfob.errors import Misuse
from keyfob.protocol.address import is_loopback
from keyfob.serve import Tenant, TenantConfig
from keyfob.server.io.data import MASTER_KEY, exposed_file
from keyfob.server.io.stores import DATABASE
from keyfob.server.start import READY_EMAIL


def is_this_machine(host: str) -> bool:
    """Return whether only this machine can connect to a server that listens on this host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_readable_folder(folder: Path) -> None:
    """Check the permissions of the folder, before keyfob restricts them.

    Raises:
        Misuse: Other users of this machine could read the tenant's key or database.
    """
    exposed = exposed_file(folder, (MASTER_KEY, DATABASE))
    if exposed is not None:
        raise _unsafe(
            f"other users of this computer can read {exposed}; with the key they could forge every token",
            f"If nobody else has an account here, run: chmod -R go-rwx {folder}. Otherwise start with a new folder.",
        )


def refuse_unsafe(tenant: Tenant, host: str) -> None:
    """Check the settings of a tenant that is about to be served.

    Raises:
        Misuse: A setting is unsafe. The hint tells the operator what to change.
    """
    config = tenant.config
    if not is_this_machine(host):
        _refuse_open_port(config, host)
    if not is_loopback(config.issuer) and tenant.has_first_user():
        raise _unsafe(
            f"{READY_EMAIL} can log in, but its password was printed at the first start",
            f"Run: keyfob tenant users remove {READY_EMAIL}",
        )


def _refuse_open_port(config: TenantConfig, host: str) -> None:
    if is_loopback(config.issuer):
        raise _unsafe(
            f"other computers can connect to {host}, but the issuer is this computer",
            "Set issuer in tenant.toml to the https address of the proxy, or serve on 127.0.0.1.",
        )
    if not config.trusted_proxies:
        raise _unsafe(
            f"other computers can connect to {host} without TLS, and trusted_proxies is empty",
            "Set trusted_proxies in tenant.toml to the networks of the proxies (keyfob help docs/operations.md), or"
            " serve on 127.0.0.1.",
        )


def _unsafe(message: str, hint: str) -> Misuse:
    return Misuse(message, code="setting-unsafe", hint=f"{hint} For development only: --dev")
