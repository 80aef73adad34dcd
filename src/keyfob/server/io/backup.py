"""Back up a running tenant on SQLite into one file, and restore a backup into an empty folder.

The file is a tar archive with a manifest, a copy of the database and, if wanted, the master key.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import secrets
import sqlite3
import tarfile
from collections.abc import Generator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from keyfob.errors import Malformed, Misuse
from keyfob.server.io.data import MASTER_KEY, write_once
from keyfob.server.io.master_key import NAME_FILE, find_master_key, known_master_key
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import DATABASE
from keyfob.server.keyring import Keyring, find_keyring
from keyfob.server.ports import Transaction
from keyfob.server.start import MASTER_KEY_BYTES, decrypt_signing_key

FORMAT: Final = "keyfob-backup-1"
_MANIFEST: Final = "manifest.json"
_LONGEST_MANIFEST: Final = 64 * 1024
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of a backup.

    Attributes:
        keyfob: The version of keyfob that made the backup.
        schema: The number of migrations that were applied to the database.
        made_at: The time of the backup (RFC 3339, UTC).
        bytes: The size of the database in bytes.
        sha256: The SHA-256 of the database.
    """

    keyfob: str
    schema: int
    made_at: str
    bytes: int
    sha256: str
    has_master_key: bool
    format: str = FORMAT


def back_up(folder: Path, file: Path, version: str, *, with_key: bool = False, source: str | None = None) -> Manifest:
    """Write a backup into a new private file.

    The tenant can run meanwhile. The database is copied in one read transaction, so the copy is consistent.

    Args:
        folder: The tenant's folder.
        file: The file to create.
        version: The version of keyfob.
        with_key: Whether the backup contains the master key.
        source: The source of the master key, as for `find_master_key`.

    Raises:
        Misuse: The file exists or cannot be written, or the database cannot be read.
    """
    with _temporary(file) as (copy, archive):
        _copy_database(folder / DATABASE, copy)
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
        manifest = Manifest(
            version,
            schema,
            datetime.now(UTC).isoformat(timespec="seconds"),
            copy.stat().st_size,
            _sha256(copy),
            with_key,
        )
        with os.fdopen(_create(archive), "wb") as written:
            with tarfile.open(fileobj=written, mode="w") as tar:
                _add(tar, _MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
                if with_key:
                    _add(tar, MASTER_KEY, find_master_key(folder, source, creates=False).key)
                tar.add(copy, DATABASE, filter=_anonymous)
            written.flush()
            os.fsync(written.fileno())
        try:
            os.link(archive, file)
        except FileExistsError:
            raise Misuse(f"{file} already exists", hint="Choose another name; keyfob overwrites no file.") from None
    return manifest


def restore(file: Path, folder: Path, source: str | None = None) -> Manifest:
    """Restore a backup into a folder, after checking the whole backup.

    The folder is created if it does not exist. It may contain no files but `master.key` and `master-key.name`.

    The master key is searched for as in `known_master_key`. Only if no location has a key, the key in the backup is
    used, and written into the folder.

    Raises:
        Misuse: The backup is damaged, was made by a newer keyfob, or was made with another master key; no master key
            was found; or the folder contains other files.
    """
    found = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set[str]()
    if found - {MASTER_KEY, NAME_FILE}:
        raise Misuse(f"{folder} is not empty", hint="Choose a new folder with --data; it may contain only master.key.")
    is_new = not folder.exists()
    fresh = folder / f".{DATABASE}.{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        manifest, saved_key = _unpack(file, fresh)
        known = known_master_key(folder, source)
        own = saved_key if known is None else known.key
        if own is None:
            hint = "Pass it with --master-key; a backup contains it only if it was made with --with-key."
            raise Misuse("the backup does not contain the master key", hint=hint)
        if saved_key is not None and saved_key != own:
            where = "" if known is None else known.where
            raise Misuse(f"{where} is not the master key of the backup", hint="Use the right master key.")
        _check(fresh, own)
        if known is None:
            write_once(folder / MASTER_KEY, own)
        fresh.replace(folder / DATABASE)
    except OSError as problem:
        raise Misuse(f"{folder} cannot be written: {problem.strerror}", hint="Choose another with --data.") from None
    finally:
        for name in (fresh, *(fresh.with_name(f"{fresh.name}{end}") for end in ("-wal", "-shm"))):
            name.unlink(missing_ok=True)
        if is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return manifest


def _copy_database(path: Path, copy: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target, pages=-1)  # in one step, since a write between two steps would restart the copy
            target.execute("PRAGMA journal_mode = DELETE")
            _check_integrity(target)
    except sqlite3.Error as problem:
        hint = "Restore an older backup."
        raise Misuse(f"{path} cannot be read ({problem})", hint=hint) from None


def _unpack(file: Path, fresh: Path) -> tuple[Manifest, bytes | None]:
    """Write the database of a backup to a new file. Return the manifest, and the master key if the backup has it.

    Raises:
        Misuse: The file is damaged, or is not a backup.
    """
    damaged = Misuse(
        f"{file} is damaged, or is not a backup of keyfob", hint="Take another backup; nothing was changed."
    )
    try:
        with tarfile.open(file, mode="r:") as tar:
            members = {member.name: member for member in tar if member.isfile()}
            manifest = Manifest(**json.loads(_read(tar, members[_MANIFEST], _LONGEST_MANIFEST)))
            if manifest.format != FORMAT:
                raise damaged
            key = _read(tar, members[MASTER_KEY], MASTER_KEY_BYTES) if manifest.has_master_key else None
            source = tar.extractfile(members[DATABASE])
            assert source is not None, "it is a file"  # noqa: S101
            with os.fdopen(_create(fresh), "wb") as written:
                while piece := source.read(_PIECE):
                    written.write(piece)
                written.flush()
                os.fsync(written.fileno())
    except FileNotFoundError:
        raise Misuse(f"the file {file} does not exist", hint="Pass the path of a backup.") from None
    except (tarfile.TarError, ValueError, TypeError, KeyError, EOFError):
        raise damaged from None
    if _sha256(fresh) != manifest.sha256:
        raise damaged
    return manifest, key


def _check(database: Path, master: bytes) -> None:
    """Check a database with the master key, and migrate its schema.

    Raises:
        Misuse: The database is damaged, was written by a newer keyfob, or its keys were encrypted with another master
            key.
    """
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            _check_integrity(connection)
    except sqlite3.Error as problem:
        raise Misuse(f"the database in the backup is damaged ({problem})", hint="Take another backup.") from None

    async def check(transaction: Transaction) -> None:
        now = datetime.now(UTC)
        # In a database of an older keyfob, everything is encrypted under the master key itself.
        keyring = await find_keyring(transaction, master, now) or Keyring(master, master)
        for key in await transaction.signing_keys():
            decrypt_signing_key(key, keyring, now)

    async def work() -> None:
        store = SqliteStore(database)
        try:
            await store.read(check)
        finally:
            await store.close()

    try:
        asyncio.run(work())
    except Malformed:
        raise Misuse("the master key is not that of the backup", hint="Use the right master key.") from None


def _check_integrity(connection: sqlite3.Connection) -> None:
    [found] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


@contextlib.contextmanager
def _temporary(file: Path) -> Generator[tuple[Path, Path]]:
    """Yield the paths of two temporary files: for the database, and for the archive. Delete the files at the end.

    Raises:
        Misuse: Files cannot be written in the folder of `file`.
    """
    name = secrets.token_hex(8)
    copy, archive = file.with_name(f".{name}.sqlite3"), file.with_name(f".{name}.tar")
    try:
        if file.exists():
            raise Misuse(f"{file} already exists", hint="Choose another name; keyfob overwrites no file.")
        os.close(_create(copy))
        yield copy, archive
    except OSError as problem:
        raise Misuse(
            f"{file} cannot be written: {problem.strerror}", hint="Choose another folder for the file."
        ) from None
    finally:
        for one in (copy, archive, copy.with_name(f"{copy.name}-journal")):
            one.unlink(missing_ok=True)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    file: IO[bytes] | None = tar.extractfile(member)
    assert file is not None, "it is a file"  # noqa: S101
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(member.name)
    return content


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
