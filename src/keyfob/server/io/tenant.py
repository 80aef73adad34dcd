"""A tenant put together: store, keys, pages and clock, and the application that speaks for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from keyfob.jose.shown import read_certificate
from keyfob.protocol.secret import Secret
from keyfob.server.io.asgi import AsgiApp, Look
from keyfob.server.io.change_signal import Bell
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.data import audit_log, master_key
from keyfob.server.io.mail import FolderOutbox, MemoryOutbox
from keyfob.server.io.memory import MemoryStore
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.io.registry import DATABASE
from keyfob.server.io.reload import Follower, note_password_users
from keyfob.server.io.render import draw, render
from keyfob.server.io.signing_keys import make_keys
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.keyed_hash import write_token
from keyfob.server.ports import Audit, Mailer, Passwords, Store, TimeAndRandom, Transaction
from keyfob.server.records import DEFAULT_CONNECTION, Document, User
from keyfob.server.settings.config import ForCertificates, TenantConfig, Wire
from keyfob.server.settings.stored_settings import config_of
from keyfob.server.site import Site
from keyfob.server.start import (
    MASTER_KEY_BYTES,
    READY_EMAIL,
    FirstUser,
    hash_keys,
    without_secrets,
)

_PASSWORD_BYTES: Final = 12
_USER_ID_BYTES: Final = 12


class Tenant:
    """A tenant, ready to answer.

    Attributes:
        app: The ASGI application.
        first_user: The throw-away person of a ready tenant, at its very first start; else None.
    """

    def __init__(self, site: Site, look: Look | None = None) -> None:
        """Made by `create`, `in_memory`, `open` or `follow`."""
        self.app: AsgiApp = AsgiApp(site, look)
        self.first_user: FirstUser | None = None
        self._site = site
        self._look = look

    @property
    def config(self) -> TenantConfig:
        """Its settings, as they are now."""
        return self._site.config

    async def certificates(self) -> tuple[bytes, ...]:
        """Those, in DER, that programs have on record as their own; looks whether the settings have changed."""
        if self._look is not None:
            await self._look()
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
        """A tenant from its parts; makes the first signing key of each algorithm that its APIs use.

        Raises:
            Malformed: The store's keys were sealed with another master key.
        """
        return cls(
            await _make_site(
                config,
                store,
                master,
                surroundings or SystemSurroundings(),
                passwords or Argon2Passwords(),
                audit,
                mailer or MemoryOutbox(),
            )
        )

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
        """A tenant that forgets everything with its process."""
        world = surroundings or SystemSurroundings()
        made = cls.create(
            config,
            store=MemoryStore(),
            master=world.random(MASTER_KEY_BYTES),
            surroundings=world,
            passwords=passwords,
            audit=audit,
            mailer=mailer,
        )
        return asyncio.run(made)

    @classmethod
    def open(cls, folder: Path, config: TenantConfig, *, with_first_user: bool = False) -> Tenant:
        """A tenant on SQLite in a folder: keys and data survive a restart.

        Args:
            folder: Made at the first start.
            config: Its settings.
            with_first_user: Add a throw-away person at the first start, and say so in `first_user`.

        Raises:
            Misuse: The folder, its files or the settings cannot be used.
            Malformed: The store's keys were sealed with another master key.
        """
        master = master_key(folder)
        store, post = SqliteStore(folder / DATABASE), FolderOutbox(folder / "outbox")

        async def start() -> Tenant:
            tenant = await cls.create(config, store=store, master=master, mailer=post)
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
    ) -> Tenant:
        """A tenant that is what is registered in its folder, and goes on with what others register there.

        Args:
            folder: Made at the first start.
            ready: Its settings while nothing was registered; also its address where no setting names one. Then there
                is a throw-away person at the first start, as with `open`.
            wire: Whose statuses and texts to answer with, whatever is registered.
            for_certificates: Where programs show certificates, if they can.

        Raises:
            Misuse: The folder, its files or the settings cannot be used.
            Malformed: The store's keys were sealed with another master key.
        """
        master = master_key(folder)
        store, post = SqliteStore(folder / DATABASE), FolderOutbox(folder / "outbox")

        def read(documents: tuple[Document, ...]) -> TenantConfig:
            config = config_of(documents, ready.issuer) if documents else ready
            return replace(config, wire=wire or config.wire, for_certificates=for_certificates)

        async def start() -> Tenant:
            seen = await store.read(lambda transaction: transaction.documents())
            world = SystemSurroundings()
            site = await _make_site(read(seen), store, master, world, Argon2Passwords(), audit_log, post)
            tenant = cls(site, Follower(site, master, read, seen, Bell(folder).state).look)
            return tenant if seen else await tenant.with_first_user()

        try:
            return asyncio.run(start())
        except BaseException:
            asyncio.run(store.close())
            raise

    async def with_first_user(self) -> Tenant:
        """The same, with a throw-away person, if that one is not there yet."""
        known = await self._site.store.read(lambda transaction: transaction.user_by_email(READY_EMAIL))
        if known is None:
            password = Secret(write_token(self._site.random(_PASSWORD_BYTES)))
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
        """Add a person; None where the e-mail is taken in that connection."""
        site = self._site
        hashed = await site.passwords.hash(password)
        user_id = f"auth0|{site.random(_USER_ID_BYTES).hex()}"
        user = User(user_id, email, name, hashed, site.now(), connection=connection, roles=roles)

        def add(transaction: Transaction) -> bool:
            if transaction.user_by_email(email, connection) is not None:
                return False
            transaction.save_user(user)
            return True

        return user if await site.store.write(add) else None

    def close(self) -> None:
        """Let go of the store."""
        asyncio.run(self._site.store.close())


async def _make_site(
    config: TenantConfig,
    store: Store,
    master: bytes,
    surroundings: TimeAndRandom,
    passwords: Passwords,
    audit: Audit,
    mailer: Mailer,
) -> Site:
    """A site with its keys.

    Raises:
        Malformed: The store's keys were sealed with another master key.
    """
    keys = await make_keys(store, master, surroundings, config)
    own = hash_keys(master)
    note_password_users(config, audit, surroundings.now())
    settings = without_secrets(config, own.secrets)
    return Site(settings, own, keys, store, surroundings, passwords, render, audit, mailer, draw)
