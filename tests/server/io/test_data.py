"""A tenant's folder and master key belong to the account that runs it, and to nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from keyfob.errors import Misuse
from keyfob.server.io.data import master_key
from keyfob.server.io.registry import Registry

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_a_planted_key_in_a_folder_of_everybodys_is_refused(tmp_path: Path) -> None:
    """[FS-21]."""
    (tmp_path / "master.key").write_bytes(b"k" * 32)
    (tmp_path / "master.key").chmod(0o600)
    tmp_path.chmod(0o777)
    with pytest.raises(Misuse, match="can write to") as refused:
        master_key(tmp_path)
    assert refused.value.code == "setting-unsafe"
    assert "chmod" in refused.value.hint


@posix
def test_a_planted_store_in_a_folder_of_everybodys_is_refused(tmp_path: Path) -> None:
    """[FS-21]: with no key beside it, also by the commands."""
    (tmp_path / "tenant.sqlite3").touch()
    tmp_path.chmod(0o777)
    with pytest.raises(Misuse, match="can write to"):
        Registry.open(tmp_path)
    assert not (tmp_path / "master.key").exists()


@posix
def test_a_key_that_others_could_have_written_is_refused(tmp_path: Path) -> None:
    """[FS-21]."""
    (tmp_path / "master.key").write_bytes(b"k" * 32)
    (tmp_path / "master.key").chmod(0o666)
    with pytest.raises(Misuse, match="can write to"):
        master_key(tmp_path)


@posix
@pytest.mark.parametrize("loose", [0o755, 0o777])
def test_a_folder_that_is_new_or_was_only_readable_is_made_private(tmp_path: Path, loose: int) -> None:
    """[FS-21]: as the vault does."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(loose)
    key = master_key(folder)
    assert (mode(folder), mode(folder / "master.key")) == (0o700, 0o600)
    folder.chmod(0o755)
    (folder / "master.key").chmod(0o644)
    assert master_key(folder) == key
    assert (mode(folder), mode(folder / "master.key")) == (0o700, 0o600)


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("foreign", ["folder", "key"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, foreign: str) -> None:
    """[FS-21]."""
    folder = tmp_path / "data"
    master_key(folder)
    os.chown(folder if foreign == "folder" else folder / "master.key", 12345, 12345)
    with pytest.raises(Misuse, match="another user"):
        master_key(folder)
