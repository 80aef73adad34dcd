"""Create or open a tenant, with its ASGI application."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.jose.shown import read_certificate
from keyfob.protocol.base64url import base64url
from keyfob.protocol.secret import Secret
from keyfob.server.io.asgi import AsgiApp
from keyfob.server.io.audit import AuditQueue, Place, audit_log, open_audit
from keyfob.server.io.change_signal import ChangeSignal
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.mail import FolderOutbox, MemoryOutbox
from keyfob.server.io.master_key import find_master_key
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.io.places import place_of
from keyfob.server.io.reload import Reloader, note_password_users
from keyfob.server.io.render import draw, render
from keyfob.server.io.signing_keys import KeyFollower
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import open_store
from keyfob.server.ports import Audit, Mailer, Passwords, Store, TimeAndRandom, Transaction
from keyfob.server.records import DEFAULT_CONNECTION, Document, User
from keyfob.server.settings.config import ForCertificates, TenantConfig, Wire
from keyfob.server.settings.password_rules import check_new_password
from keyfob.server.settings.stored_settings import config_of
from keyfob.server.site import Site
from keyfob.server.start import (
    MASTER_KEY_BYTES,
    READY_EMAIL,
    FirstUser,
    without_secrets,
)

if TYPE_CHECKING:
    from keyfob.server.io.metrics import PrometheusMeter

_PASSWORD_BYTES: Final = 12
_USER_ID_BYTES: Final = 12
_AT_ONCE: Final = (MemoryOutbox, FolderOutbox)  # mailers that take no time, for development and tests


class Tenant:
    """A running tenant: an authorization server with its own users.

    Attributes:
        app: The ASGI application.
        first_user: The user that the method `with_first_user` added, with the password; None if it added no user.
    """

    def __init__(self, site: Site, reloader: Reloader | None = None) -> None:
        """Create a tenant. Callers use `create`, `in_memory`, `open` or `follow` instead."""
        self.app: AsgiApp = AsgiApp(site, reloader, None if isinstance(site.mailer, _AT_ONCE) else asyncio.sleep)
        self.first_user: FirstUser | None = None
        self._site = site
        self._reloader = reloader

    @property
    def config(self) -> TenantConfig:
        """The current settings."""
        return self._site.config

    async def certificates(self) -> tuple[bytes, ...]:
        """Reload changed settings. Return the clients' registered certificates in DER."""
        if self._reloader is not None:
            await self._reloader.reload_if_due()
        return tuple(read_certificate(one) for known in self.config.applications for one in known.certificates)

    @classmethod
    async def create(
        cls,
        config: TenantConfig,
        *,
        store: Store,
        master: bytes,
        surroundings: TimeAndRandom | None = None,
        passwords: Passwords | None = None,
        audit: Audit = audit_log,
        mailer: Mailer | None = None,
    ) -> Tenant:
        """Create a tenant from its parts. If the store lacks a signing key that the tenant's APIs need, create the key.

        Without a mailer, codes by e-mail are not available.

        Raises:
            Malformed: The stored keys were encrypted with another master key.
        """
        surroundings = surroundings or SystemSurroundings()
        keys = KeyFollower(store, master, surroundings)
        site = await _make_site(config, store, keys, surroundings, passwords or Argon2Passwords(), audit, mailer)
        return cls(site, Reloader(site, keys))

    @classmethod
    def in_memory(
        cls,
        config: TenantConfig,
        *,
        surroundings: TimeAndRandom | None = None,
        passwords: Passwords | None = None,
        audit: Audit = audit_log,
        mailer: Mailer | None = None,
    ) -> Tenant:
        """Create a tenant without files."""
        surroundings = surroundings or SystemSurroundings()
        made = cls.create(
            config,
            store=SqliteStore(),
            master=surroundings.random(MASTER_KEY_BYTES),
            surroundings=surroundings,
            passwords=passwords,
            audit=audit,
            mailer=mailer,
        )
        return asyncio.run(made)

    @classmethod
    def open(
        cls,
        folder: Path,
        config: TenantConfig,
        *,
        with_first_user: bool = False,
        mailer: Mailer | None = None,
        database: str = "",
        master_key: str | None = None,
    ) -> Tenant:
        """Open a tenant with its keys and data in a folder.

        Args:
            folder: The tenant's folder, which is created at the first start.
            config: The settings.
            with_first_user: Whether to add a user at the first start. The attribute `first_user` then contains the
                user's password.
            mailer: The mailer for codes by e-mail, such as `SmtpMailer`. If None, codes by e-mail are not available.
            database: The URL of a PostgreSQL database for the data; "" for a file in the folder.
            master_key: The source of the master key: `file:PATH`, `env:NAME`, `credential:NAME` or `command:ARGUMENTS`.
                If None, the key is searched for at the locations that `keyfob serve` searches. If no
                location has a key, a new key is created in the folder.

        Raises:
            Misuse: The folder, its files or the settings cannot be used.
            Malformed: The stored keys were encrypted with another master key.
        """
        master = find_master_key(folder, master_key, is_dev=True).key
        store = open_store(folder, database)

        async def start() -> Tenant:
            surroundings = SystemSurroundings()
            keys = KeyFollower(store, master, surroundings)
            site = await _make_site(config, store, keys, surroundings, Argon2Passwords(), audit_log, mailer)
            tenant = cls(site, Reloader(site, keys, state=ChangeSignal(folder).state))
            return await tenant.with_first_user() if with_first_user else tenant

        return asyncio.run(start())

    @classmethod
    def follow(
        cls,
        folder: Path,
        ready: TenantConfig,
        *,
        wire: Wire | None = None,
        for_certificates: ForCertificates | None = None,
        audit: Audit | Place = audit_log,
        mailer: Mailer | None = None,
        database: str = "",
        master: bytes | None = None,
    ) -> Tenant:
        """Open a tenant with its settings, keys and data in a folder, and reload the settings when they change.

        Args:
            folder: The tenant's folder, which is created at the first start.
            ready: The settings for a tenant without stored settings. Such a tenant also gets a first user, as in `open`
                with `with_first_user`. If settings are stored, they are used in place of `ready`. If the stored
                settings have no issuer, the issuer of `ready` is used.
            wire: The dialect of the responses, `auth0` or `rfc`; None for the dialect in the settings.
            for_certificates: The second address, at which clients present certificates; None if there is none.
            audit: The destination of the audit log: a file, `-` for standard output, `table` for the store, or `off`. A
                function is called with each event; `audit_log` writes to the logger `keyfob.audit`.
            mailer: The mailer, as in `open`.
            database: The URL of a PostgreSQL database, as in `open`.
            master: The master key. If None, it is found or created as in `open` without `master_key`.

        Raises:
            Misuse: The folder, its files or the settings cannot be used.
            Malformed: The stored keys were encrypted with another master key.
        """
        if master is None:
            master = find_master_key(folder, is_dev=True).key
        store = open_store(folder, database)

        def read(documents: tuple[Document, ...]) -> TenantConfig:
            config = config_of(documents, ready.issuer) if documents else ready
            return replace(config, wire=wire or config.wire, for_certificates=for_certificates)

        async def start() -> Tenant:
            seen = await store.read(lambda transaction: transaction.documents())
            surroundings = SystemSurroundings()
            log = open_audit(audit, store)
            keys = KeyFollower(store, master, surroundings)
            site = await _make_site(read(seen), store, keys, surroundings, Argon2Passwords(), log, mailer)
            tenant = cls(site, Reloader(site, keys, read, seen, ChangeSignal(folder).state))
            tenant = tenant if seen else await tenant.with_first_user()
            if isinstance(log, AuditQueue):
                await log.flush()  # a queued event could not be written after this event loop has ended
            return tenant

        try:
            return asyncio.run(start())
        except BaseException:
            asyncio.run(store.close())
            raise

    async def with_first_user(self) -> Tenant:
        """Add the user `READY_EMAIL` with a random password, if there is no such user yet. Return the tenant."""
        known = await self._site.store.read(lambda transaction: transaction.user_by_email(READY_EMAIL))
        if known is None:
            password = Secret(base64url(self._site.random(_PASSWORD_BYTES)))
            if await self.add_user(READY_EMAIL, password, "Pat Example"):
                self.first_user = FirstUser(READY_EMAIL, password)
        return self

    async def add_user(
        self,
        email: str,
        password: Secret,
        name: str,
        *,
        connection: str = DEFAULT_CONNECTION,
        roles: tuple[str, ...] = (),
    ) -> User | None:
        """Add a user. Return None if the e-mail address is already used in the connection.

        Raises:
            Misuse: The password is weak.
        """
        site = self._site
        check_new_password(password, site.config, email, name)
        hashed = await site.passwords.hash(password)
        user_id = f"auth0|{site.random(_USER_ID_BYTES).hex()}"
        user = User(user_id, email, name, hashed, site.now(), connection=connection, roles=roles)

        async def add(transaction: Transaction) -> bool:
            if await transaction.user_by_email(email, connection) is not None:
                return False
            await transaction.save_user(user)
            return True

        return user if await site.store.write(add) else None

    def record(self, code: str, **fields: str) -> None:
        """Write an audit event that no request caused, and wait until it is written.

        No event loop may run in the calling thread.
        """
        self._site.record(code, **fields)
        if isinstance(self._site.audit, AuditQueue):
            asyncio.run(self._site.audit.flush())

    def lost_events(self) -> int:
        """Return the number of events that could not be written to the audit log."""
        return self._site.audit.lost if isinstance(self._site.audit, AuditQueue) else 0

    def measure(self, meter: PrometheusMeter, lost_events: Callable[[], int] | None = None) -> None:
        """Count with this meter from now on.

        Args:
            meter: The meter.
            lost_events: A function that returns the number of lost audit events; None for the method `lost_events` of
                this tenant.
        """
        meter.watch(self._site, lost_events or self.lost_events)

    def has_first_user(self) -> bool:
        """Return whether the first user, which `with_first_user` adds, exists and is not blocked."""
        found = asyncio.run(self._site.store.read(lambda transaction: transaction.user_by_email(READY_EMAIL)))
        return found is not None and not found.is_blocked

    def close(self) -> None:
        """Write the queued audit events, and close the store."""
        asyncio.run(self._close())

    async def _close(self) -> None:
        if isinstance(self._site.audit, AuditQueue):
            await self._site.audit.close()
        await self._site.store.close()


async def _make_site(
    config: TenantConfig,
    store: Store,
    keys: KeyFollower,
    surroundings: TimeAndRandom,
    passwords: Passwords,
    audit: Audit,
    mailer: Mailer | None,
) -> Site:
    found = await keys.look(config)
    settings = without_secrets(config, found.hashing.secrets)
    site = Site(
        settings, found, store, surroundings, passwords, render, audit, mailer, draw, node=secrets.token_hex(4),
        locate=place_of,
    )  # fmt: skip
    note_password_users(site)
    return site
