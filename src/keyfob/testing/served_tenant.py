"""Serve the tenant of a tenant.toml on this machine, for tests of a program that logs users in."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from keyfob.client.model.notices import CodeShown, Notice
from keyfob.errors import Misuse
from keyfob.protocol.secret import Secret
from keyfob.serve import Registry, Running, Tenant, bind, url_of
from keyfob.server.settings.tenant_file import read_tenant_file
from keyfob.testing.person import Person

PASSWORD = "correct horse battery staple"
# Shorter than the usual five seconds, so that a test does not wait.
_POLL_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ServedTenant:
    """A running tenant.

    Attributes:
        issuer: The tenant's issuer identifier, which is its address.
        email: The e-mail address of the first user in the tenant.toml. Every user's password is `PASSWORD`.
    """

    issuer: str
    email: str

    def approve(self, notice: Notice) -> None:
        """Approve a device login as the first user. Usage: `app.log_in(tenant.approve)`."""
        if not isinstance(notice, CodeShown):
            return
        person = Person()
        person.open(notice.verification_uri)
        person.press("continue", user_code=notice.user_code)
        person.press("confirm")
        person.press("login", email=self.email, password=PASSWORD)


@contextmanager
def served_tenant(file: Path, folder: Path) -> Generator[ServedTenant]:
    """Serve the tenant of a file on a free port of this machine.

    Args:
        file: The tenant.toml. References to secrets in other files or in environment variables are not followed: every
            such secret has the value `PASSWORD`.
        folder: An empty folder for the tenant's data.

    Raises:
        Misuse: The file has a mistake, or names no user.
    """
    listener = bind("127.0.0.1", 0)
    issuer = url_of(listener)
    found = read_tenant_file(file.read_text(encoding="utf-8"), issuer=issuer, resolve=lambda _: Secret(PASSWORD))
    if isinstance(found, tuple):
        raise Misuse(f"{file}:{found[0].line}: {found[0].message}", hint=found[0].hint)
    if not found.people:
        raise Misuse(f"{file} names no user", hint="Add [[users]].")
    with Registry.open(folder, creates=True, is_dev=True) as registry:
        registry.carry_out(registry.plan_file(found))
    tenant = Tenant.open(folder, replace(found.config, issuer=issuer, device_interval=_POLL_INTERVAL))
    running = Running(tenant.app, listener)
    try:
        yield ServedTenant(issuer, found.people[0].email)
    finally:
        running.stop()
        tenant.close()
