"""A tenant put together: store, keys, pages and clock, and the application that speaks for it."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from keyfob.jose.keys import SigningKey
from keyfob.jose.sealed import NONCE_BYTES
from keyfob.protocol.secret import Secret
from keyfob.server.config import TenantConfig
from keyfob.server.io.asgi import AsgiApp
from keyfob.server.io.data import audit_log, master_key
from keyfob.server.io.mail import FolderOutbox, MemoryOutbox
from keyfob.server.io.memory import MemoryStore
from keyfob.server.io.pages import draw, render
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.surroundings import SystemSurroundings
from keyfob.server.keyed_hash import write_token
from keyfob.server.ports import Audit, Mailer, Passwords, Store, Surroundings, Transaction
from keyfob.server.records import StoredKey, User
from keyfob.server.registered import DEFAULT_CONNECTION
from keyfob.server.site import Site
from keyfob.server.start import (
    MASTER_KEY_BYTES,
    READY_EMAIL,
    FirstUser,
    hash_keys,
    open_keys,
    seal_key,
    without_secrets,
)

_PASSWORD_BYTES: Final = 12
_USER_ID_BYTES: Final = 12


class Tenant:
    """A tenant, ready to answer.

    Attributes:
        config: Its settings.
        app: The ASGI application.
        first_user: The throw-away person of a ready tenant, at its very first start; else None.
    """

    def __init__(self, site: Site) -> None:
        """Made by `create`, `in_memory` or `open`."""
        self.config = site.config
        self.app = AsgiApp(site)
        self.first_user: FirstUser | None = None
        self._site = site

    @classmethod
    async def create(
        cls,
        config: TenantConfig,
        *,
        store: Store,
        master: bytes,
        surroundings: Surroundings | None = None,
        passwords: Passwords | None = None,
        audit: Audit = audit_log,
        mailer: Mailer | None = None,
    ) -> Tenant:
        """A tenant from its parts; makes the first signing key of each algorithm that its APIs use.

        Raises:
            Malformed: The store's keys were sealed with another master key.
        """
        world = surroundings or SystemSurroundings()
        stored = await store.read(lambda transaction: transaction.signing_keys())
        for algorithm in sorted(config.algorithms - {key.algorithm for key in stored}):
            fresh = seal_key(SigningKey.generate(algorithm), master, world.random(NONCE_BYTES), world.now())
            # Of two first starts at once, both sign with the key of the first.
            await store.write(partial(_add_first, key=fresh))
        keys = await store.read(lambda transaction: open_keys(transaction, master))
        hasher, post = passwords or Argon2Passwords(), mailer or MemoryOutbox()
        own = hash_keys(master)
        return cls(
            Site(without_secrets(config, own.secrets), own, keys, store, world, hasher, render, audit, post, draw)
        )

    @classmethod
    def in_memory(
        cls,
        config: TenantConfig,
        *,
        surroundings: Surroundings | None = None,
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
        store, post = SqliteStore(folder / "tenant.sqlite3"), FolderOutbox(folder / "outbox")
        return asyncio.run(cls._open(config, store, master, post, ready=with_first_user))

    @classmethod
    async def _open(
        cls, config: TenantConfig, store: SqliteStore, master: bytes, mailer: Mailer, *, ready: bool
    ) -> Tenant:
        tenant = await cls.create(config, store=store, master=master, mailer=mailer)
        known = await store.read(lambda transaction: transaction.user_by_email(READY_EMAIL))
        if ready and known is None:
            password = Secret(write_token(SystemSurroundings().random(_PASSWORD_BYTES)))
            if await tenant.add_user(READY_EMAIL, password, "Pat Example"):
                tenant.first_user = FirstUser(READY_EMAIL, password)
        return tenant

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
        user_id = f"auth0|{site.surroundings.random(_USER_ID_BYTES).hex()}"
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


def _add_first(transaction: Transaction, key: StoredKey) -> None:
    if not any(known.algorithm == key.algorithm for known in transaction.signing_keys()):
        transaction.add_key(key)
