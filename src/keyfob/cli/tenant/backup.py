"""`keyfob tenant backup` and `restore`: write a tenant, which may be running, to one private file, and restore it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.tenant import folder
from keyfob.errors import Misuse


def configure_backup(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a new file")
    parser.add_argument(
        "--with-key", action="store_true", help="include the master key: anybody with the file can then forge tokens"
    )
    folder.add_data_flag(parser)
    add_json_flag(parser)


def backup(flags: Namespace) -> int:
    from keyfob.cli.main import version  # noqa: PLC0415  main.py imports this module
    from keyfob.server.io.backup import back_up  # noqa: PLC0415  needs the extra serve; --help and completion do not
    from keyfob.server.io.master_key import find_master_key  # noqa: PLC0415  as above

    place = _folder_of(flags)
    with folder.registry_of(flags) as registry:
        manifest = back_up(place, flags.file, version(), with_key=flags.with_key, source=flags.master_key)
        registry.note("sapi", description="backup with the master key" if flags.with_key else "backup")
    if flags.json:
        output.result_object({"file": str(flags.file), **asdict(manifest)})
        return DONE
    output.remark(f"wrote {flags.file}, {manifest.bytes} bytes of database")
    if not flags.with_key:
        master = find_master_key(place, flags.master_key, creates=False)
        output.detail(
            f"It does not contain the master key. Keep a copy of {master.where} elsewhere too: a restore needs both."
        )
    return DONE


def configure_restore(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file from `keyfob tenant backup`")
    folder.add_data_flag(parser)
    add_json_flag(parser)


def restore(flags: Namespace) -> int:
    from keyfob.server.io import backup  # noqa: PLC0415  needs the extra serve; --help and completion do not

    place = _folder_of(flags)
    manifest = backup.restore(flags.file, place, flags.master_key)
    with folder.registry_of(flags) as registry:
        registry.note("sapi", description=f"restored a backup of {manifest.made_at}")
    if flags.json:
        output.result_object({"folder": str(place), **asdict(manifest)})
    else:
        output.remark(f"restored the tenant of {manifest.made_at} into {place}")
    return DONE


def _folder_of(flags: Namespace) -> Path:
    """Return the tenant's folder.

    Raises:
        Misuse: The data is in PostgreSQL.
    """
    if folder.database_of(flags):
        hint = "Use pg_dump and pg_restore, or continuous archiving: keyfob help docs/operations.md"
        raise Misuse("the data is in PostgreSQL, which has its own backup tools", hint=hint)
    return folder.folder_of(flags)
