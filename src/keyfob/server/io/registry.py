"""Read and change the settings and users of a tenant, which may be running."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar, cast

from keyfob.errors import Misuse
from keyfob.protocol.base64url import base64url
from keyfob.protocol.secret import Secret
from keyfob.server.audit_event import Event, log_id_of, write_event
from keyfob.server.io.change_signal import ChangeSignal
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.key_registry import KeyRegistry
from keyfob.server.io.login_registry import LoginRegistry
from keyfob.server.io.master_key import find_master_key
from keyfob.server.io.operator import operator
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import is_tenant, open_store
from keyfob.server.keyring import BEGIN_BYTES, Keyring, begin_keyring, find_keyring
from keyfob.server.ports import Passwords, Store, Transaction, Work
from keyfob.server.records import DEFAULT_CONNECTION, Document, LoggedEvent, User
from keyfob.server.settings.changes import Plan, plan_of
from keyfob.server.settings.config import TenantConfig
from keyfob.server.settings.field_types import Reference
from keyfob.server.settings.password_rules import check_new_password
from keyfob.server.settings.schema import Table
from keyfob.server.settings.stored_settings import config_of, documents_of, read_documents, read_tables, write_tables
from keyfob.server.settings.tenant_file import SERVED, TenantFile
from keyfob.server.settings.users import PersonWanted, as_user, found_among
from keyfob.server.start import MASTER_KEY_BYTES, ready_config, without_secrets

T = TypeVar("T")
_CLIENT_ID_LETTERS: Final = 32  # as at Auth0
_CLIENT_SECRET_BYTES: Final = 48  # 64 letters, as at Auth0
_PASSWORD_BYTES: Final = 12
_USER_ID_BYTES: Final = 12


class Registry:
    """The settings and users of a tenant. Use a registry in a `with` statement, which closes the store at the end."""

    def __init__(
        self, store: Store, master: bytes, *, passwords: Passwords | None = None, signal: ChangeSignal | None = None
    ) -> None:
        """Create a registry. Callers use `open` or `empty` instead."""
        self._signal = signal
        self._store = store
        self._passwords = passwords
        self._surroundings = SystemSurroundings()
        self._master = master
        self._keyring = self._find_keyring()
        self._keys = self._keyring.keys(self._surroundings.now())

    @classmethod
    def open(
        cls, folder: Path, *, creates: bool = False, database: str = "", master_key: str | None = None,
        is_dev: bool = False,
    ) -> Self:  # fmt: skip
        """Open the registry of the tenant in a folder.

        Args:
            folder: The tenant's folder.
            database: The URL of the tenant's PostgreSQL database; "" for a file in the folder.
            creates: Whether to create a missing tenant.
            master_key: The source of the master key: `file:PATH`, `env:NAME`, `credential:NAME` or `command:ARGUMENTS`.
                If None, the locations of `find_master_key` are searched.
            is_dev: Whether the master key of a new tenant is created in the folder.

        Raises:
            Misuse: There is no tenant, or its files cannot be used.
        """
        if not creates and not is_tenant(folder, database):
            hint = "`keyfob tenant apply` and `keyfob serve` create one; --data chooses another folder."
            raise Misuse(f"there is no tenant in {'the database' if database else folder}", hint=hint)
        found = find_master_key(folder, master_key, is_dev=is_dev, creates=creates)
        store = open_store(folder, database)
        try:
            return cls(store, found.key, signal=ChangeSignal(folder))
        except BaseException:  # such as Malformed, if the store was encrypted with another master key
            asyncio.run(store.close())
            raise

    @classmethod
    def empty(cls) -> Self:
        """Return the registry of a new tenant in memory. It serves to preview what a command would create."""
        return cls(SqliteStore(), secrets.token_bytes(MASTER_KEY_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run(self._store.close())

    def documents(self) -> tuple[Document, ...]:
        """Return the stored settings; () if no settings were applied yet."""
        return self._read(lambda transaction: transaction.documents())

    def tables(self) -> Table:
        """Return the settings as tables of tenant.toml. If no settings are stored, return those of `ready_config`.

        Raises:
            Misuse: The store is damaged, or was written by a newer keyfob.
        """
        documents = self.documents() or _ready()
        return write_tables(config_of(documents, SERVED), names_issuer=_names_issuer(read_documents(documents)))

    def config(self) -> TenantConfig:
        """Return the settings. If no settings are stored, return those of `ready_config`.

        Raises:
            Misuse: The store is damaged, or was written by a newer keyfob.
        """
        return config_of(self.documents() or _ready(), SERVED)

    def live_codes(self, now: datetime, most: int) -> int:
        """Return the number of user codes that can still be entered in a browser, or `most` if there are more."""
        return self._read(lambda transaction: transaction.live_codes(now, most))

    def users(self) -> tuple[User, ...]:
        """Return all users, sorted by e-mail address."""
        return self._read(lambda transaction: transaction.users())

    def user(self, email: str, connection: str = DEFAULT_CONNECTION) -> User:
        """Return a user.

        Raises:
            Misuse: The connection has no user with that e-mail address.
        """
        found = self._read(lambda transaction: transaction.user_by_email(email, connection))
        if found is None:
            raise Misuse(
                "there is no user with this e-mail address", hint="`keyfob tenant users list` shows all users."
            )
        return found

    def logged_events(self, after: int, most: int) -> tuple[LoggedEvent, ...]:
        """Return at most `most` events of the audit log's table with a number greater than `after`, oldest first."""
        return self._read(lambda transaction: transaction.logged_events(after, most))

    def plan_file(self, file: TenantFile) -> Plan:
        """Plan to replace the settings with those of a tenant.toml, and to add or change the users that it names.

        Users that the file does not name are not changed.

        Raises:
            Misuse: A user has another `user_id` in the tenant than in the file, or a new password is weak.
        """
        config = without_secrets(file.config, self._keys.secrets)
        documents = documents_of(config, names_issuer=file.names_issuer)
        return plan_of(self.documents(), documents, asyncio.run(self._people(file.people, config)))

    def plan_tables(self, tables: Table, secret: Secret | None = None, client_id: str = "") -> Plan:
        """Plan the replacement of all settings.

        Args:
            tables: The new settings, as tables of tenant.toml.
            secret: A new client secret; None if no secret changes.
            client_id: The client that gets the secret; "" if no secret changes.

        Raises:
            Misuse: A setting is not valid; the message names it.
        """
        config = read_tables(tables, issuer=SERVED, resolve=_never)
        assert config is not None, "the first mistake is raised"  # noqa: S101
        if secret is not None:
            applications = (
                replace(one, secrets=(secret,)) if one.client_id == client_id else one for one in config.applications
            )
            config = without_secrets(replace(config, applications=tuple(applications)), self._keys.secrets)
        stored = self.documents()
        after = documents_of(config, names_issuer=_names_issuer(tables))
        return plan_of(stored, after, before=stored or _ready())

    def plan_person(self, wanted: PersonWanted) -> Plan:
        """Plan the change of one user. A given password counts as a change, even if it equals the present password.

        Raises:
            Misuse: The user has another `user_id` in the tenant than the wanted one, or the new password is weak.
        """
        stored = self.documents()
        return plan_of(stored, stored, asyncio.run(self._people((wanted,), self.config(), anew=True)))

    def carry_out(self, plan: Plan) -> None:
        """Make the changes of a plan in one transaction. End the logins of users who get a new password or are blocked.

        The transaction also adds an event for each change to the table of the audit log.

        Raises:
            Misuse: The settings or a user have changed since the plan was made.
        """
        events = self._events(_events_of(plan))

        async def work(transaction: Transaction) -> None:
            await _carry_out(transaction, plan)
            await transaction.log_events(events)

        self._write(work)
        self._send_signal()

    @property
    def keys(self) -> KeyRegistry:
        """The tenant's keys."""
        return KeyRegistry(
            self._store, self._master, self._keyring, self._surroundings, self.config(), self._send_signal
        )

    @property
    def logins(self) -> LoginRegistry:
        """The tenant's logins and browser sessions."""
        return LoginRegistry(self._store, self._surroundings, self.config())

    def _send_signal(self) -> None:
        if self._signal is not None:
            self._signal.send()

    def drop_user(self, user: User) -> None:
        """Delete a user and all records of that user."""
        events = self._events([("sdu", {"user_id": user.user_id, "user_name": user.email})])

        async def work(transaction: Transaction) -> None:
            await transaction.drop_user(user.user_id)
            await transaction.log_events(events)

        self._write(work)

    def note(self, code: str, **fields: str) -> None:
        """Add an audit event about a command to the table in the store, even if the running tenant logs to a file.

        The event names the operating system account that ran the command.
        """
        events = self._events([(code, fields)])
        self._write(lambda transaction: transaction.log_events(events))

    def _events(self, told: Iterable[tuple[str, Mapping[str, str]]]) -> list[Event]:
        now, node, ran = self._surroundings.now(), secrets.token_hex(4), operator()
        return [
            write_event(code, now, log_id_of(now, node, number), {**fields, "operator": ran})
            for number, (code, fields) in enumerate(told)
        ]

    def _find_keyring(self) -> Keyring:
        """Return the tenant's keys. Create the keys at the first start.

        Raises:
            Malformed: The keys were encrypted with another master key.
        """
        now = self._surroundings.now()
        found = self._read(lambda transaction: find_keyring(transaction, self._master, now))
        if found is not None:
            return found
        random = self._surroundings.random(BEGIN_BYTES)
        return self._write(lambda transaction: begin_keyring(transaction, self._master, random, now))

    async def _people(
        self, wanted: Sequence[PersonWanted], config: TenantConfig, *, anew: bool = False
    ) -> list[tuple[User | None, User]]:
        users = await self._store.read(lambda transaction: transaction.users()) if wanted else ()
        found: list[tuple[User | None, User]] = []
        for one in wanted:
            known = found_among(users, one)
            hashed = await self._hash(one, None if anew and one.password else known, config)
            new_id = f"auth0|{self._surroundings.random(_USER_ID_BYTES).hex()}"
            found.append((known, as_user(one, known, hashed, new_id, self._surroundings.now())))
        return found

    async def _hash(self, wanted: PersonWanted, known: User | None, config: TenantConfig) -> str:
        """Return the password hash that the user will have.

        - If a password is wanted, return a hash of this password.
        - If no password but a hash is wanted, return the wanted hash.
        - If neither is wanted, return the present hash of the user.

        Raises:
            Misuse: The user is new and neither a password nor a hash is wanted, or the wanted password is weak.
        """
        if wanted.password is not None:
            self._passwords = self._passwords or Argon2Passwords()
            if known is not None and await self._passwords.verify(wanted.password, known.password_hash):
                return known.password_hash
            check_new_password(wanted.password, config, wanted.email, wanted.name)
            return await self._passwords.hash(wanted.password)
        if wanted.password_hash is None and known is None:
            hint = 'Write password = { env = "NAME" }, or { file = "PATH" }.'
            raise Misuse(f"user {wanted.email} is new and has no password", hint=hint)
        return wanted.password_hash or (known.password_hash if known else "")

    def _read(self, work: Work[T]) -> T:
        return asyncio.run(self._store.read(work))

    def _write(self, work: Work[T]) -> T:
        return asyncio.run(self._store.write(work))


def new_client_id() -> str:
    """Return a random client id of 32 letters."""
    return "".join(secrets.choice(string.ascii_letters) for _ in range(_CLIENT_ID_LETTERS))


def new_client_secret() -> Secret:
    """Return a random client secret of 64 letters."""
    return Secret(base64url(secrets.token_bytes(_CLIENT_SECRET_BYTES)))


def new_password() -> Secret:
    """Return a random password of 16 letters."""
    return Secret(base64url(secrets.token_bytes(_PASSWORD_BYTES)))


def _names_issuer(tables: Table) -> bool:
    return "issuer" in cast("dict[str, object]", tables.get("tenant", {}))


def _ready() -> tuple[Document, ...]:
    return documents_of(ready_config(SERVED), names_issuer=False)


async def _carry_out(transaction: Transaction, plan: Plan) -> None:
    if await transaction.documents() != plan.stored:
        raise Misuse("another command changed the settings at the same time", hint="Run the same command again.")
    wanted = {(one.kind, one.name) for one in plan.documents}
    for one in plan.stored:
        if (one.kind, one.name) not in wanted:
            await transaction.drop_document(one.kind, one.name)
    for one in set(plan.documents) - set(plan.stored):
        await transaction.save_document(one)
    for known, user in plan.people:
        await _save_user(transaction, known, user)


async def _save_user(transaction: Transaction, known: User | None, wanted: User) -> None:
    if await transaction.user_by_email(wanted.email, wanted.connection) != known:
        raise Misuse("another command changed a user at the same time", hint="Run the same command again.")
    if known is None and await transaction.user_by_id(wanted.user_id) is not None:
        raise Misuse(f"user {wanted.email}: another user has this user_id", hint="Omit it, and keyfob generates one.")
    await transaction.save_user(wanted)
    if known is not None and (known.password_hash != wanted.password_hash or wanted.is_blocked > known.is_blocked):
        await transaction.end_logins(known.user_id)


def _never(reference: Reference) -> Secret:
    """Raise Misuse, since a change by a command must not contain a reference to a secret."""
    raise Misuse(f"refer to a secret ({reference.where})", hint="Write it into tenant.toml and apply the file.")


def _events_of(plan: Plan) -> Iterator[tuple[str, Mapping[str, str]]]:
    for change in plan.changes:
        if change.kind != "user":
            done = {"+": "added", "~": "changed", "-": "removed"}[change.sign]
            yield "sapi", {"description": f"{change.kind} {change.name} {done}".replace("  ", " ")}
    for known, user in plan.people:
        who = {"user_id": user.user_id, "user_name": user.email}
        if known is None:
            yield "ss", who
            continue
        if known.password_hash != user.password_hash:
            yield "scp", who
        if known.is_blocked != user.is_blocked:
            yield "sapi", {**who, "description": "user blocked" if user.is_blocked else "user unblocked"}
        if replace(known, password_hash="", is_blocked=False, updated_at=user.updated_at) != replace(
            user, password_hash="", is_blocked=False
        ):
            yield "sapi", {**who, "description": "user changed"}
