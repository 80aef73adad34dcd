"""A backup of a running tenant is the state between two of its transactions; a restored tenant goes on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from keyfob.errors import Misuse
from keyfob.protocol.http import Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Registry, Tenant, ready_config
from keyfob.server.io.backup import back_up, restore
from keyfob.server.io.data import MASTER_KEY, master_key
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import DATABASE
from keyfob.server.start import READY_CLIENT_ID
from keyfob.testing.pair import Pair
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, quick_passwords

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


class Served:
    """A tenant in a folder, and a client of it."""

    def __init__(self, folder: Path) -> None:
        master = master_key(folder)
        made = Tenant.create(
            ready_config(ISSUER),
            store=SqliteStore(folder / DATABASE),
            master=master,
            passwords=quick_passwords(),
            audit=lambda _: None,
        )
        self.tenant = asyncio.run(made)
        asyncio.run(self.tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))
        self.pair = Pair({ISSUER.rstrip("/"): self.tenant.app})

    def post(self, path: str, **fields: str) -> Response:
        return self.pair.send(form_request(f"{ISSUER}{path}", {"client_id": READY_CLIENT_ID, **fields}))

    def log_in(self) -> str:
        """Return a refresh token."""
        pending = json.loads(self.post("oauth/device/code", scope="offline_access").body)
        person = Person(self.pair.send)
        person.open(pending["verification_uri_complete"])
        person.press("confirm")
        person.press("login", email=EMAIL, password=PASSWORD)
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        return _token(self.post("oauth/token", grant_type=grant, device_code=pending["device_code"]))

    def refresh(self, token: str) -> Response:
        return self.post("oauth/token", grant_type="refresh_token", refresh_token=token)


def _token(answer: Response) -> str:
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["refresh_token"])


@contextlib.contextmanager
def served(folder: Path) -> Generator[Served]:
    found = Served(folder)
    try:
        yield found
    finally:
        found.tenant.close()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A backup of a tenant with one user, without the master key."""
    with served(tmp_path / "data"):
        back_up(tmp_path / "data", tmp_path / "backup", "1.0")
    return tmp_path / "backup"


def key_beside(folder: Path, key: bytes) -> None:
    folder.mkdir(mode=0o700)
    (folder / MASTER_KEY).write_bytes(key)
    (folder / MASTER_KEY).chmod(0o600)


def test_a_backup_under_load_is_consistent(tmp_path: Path) -> None:
    """[FS-18]: each restored login is of one moment: its newest token of then renews it."""
    with served(tmp_path / "data") as now:
        used = [now.log_in()]
        is_over = threading.Event()

        def load() -> None:
            while not is_over.is_set():
                used.append(_token(now.refresh(used[-1])))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            before = []
            for number in range(4):
                before.append(len(used))
                while len(used) < before[-1] + 5:
                    assert thread.is_alive()
                back_up(tmp_path / "data", tmp_path / f"backup{number}", "1.0", with_key=True)
        finally:
            is_over.set()
            thread.join()
    for number, least in enumerate(before):
        restore(tmp_path / f"backup{number}", tmp_path / f"restored{number}")
        with contextlib.closing(sqlite3.connect(tmp_path / f"restored{number}" / DATABASE)) as rows:
            [(generation, hashes)] = rows.execute("SELECT generation, current_hashes FROM refresh_login").fetchall()
        assert len(hashes) == 32
        assert least < generation <= len(used)
        with served(tmp_path / f"restored{number}") as then:
            _token(then.refresh(used[generation - 1]))


def test_a_token_that_was_replaced_after_the_backup_ends_its_login(tmp_path: Path) -> None:
    """[FS-18]: to the restored tenant it is a token that it has never issued, so the person logs in again."""
    with served(tmp_path / "data") as now:
        renewed, resting = now.log_in(), now.log_in()
        back_up(tmp_path / "data", tmp_path / "backup", "1.0", with_key=True)
        newer = _token(now.refresh(renewed))
    restore(tmp_path / "backup", tmp_path / "restored")
    with served(tmp_path / "restored") as then:
        answer = then.refresh(newer)
        assert (answer.status, json.loads(answer.body)["error"]) == (403, "invalid_grant")
        assert then.refresh(renewed).status == 403
        assert then.refresh(_token(then.refresh(resting))).status == 200, "a login that was not renewed goes on"
        assert then.refresh(then.log_in()).status == 200


def test_a_login_that_was_ended_after_the_backup_is_there_again(tmp_path: Path) -> None:
    """[FS-18]: as docs/operations.md says."""
    with served(tmp_path / "data") as now:
        token = now.log_in()
        back_up(tmp_path / "data", tmp_path / "backup", "1.0", with_key=True)
        assert now.post("oauth/revoke", token=token).status == 200
        assert now.refresh(token).status == 403
    restore(tmp_path / "backup", tmp_path / "restored")
    with served(tmp_path / "restored") as then:
        assert then.refresh(token).status == 200


@posix
def test_a_backup_is_private_has_a_manifest_and_no_master_key(tmp_path: Path, made: Path) -> None:
    """[FS-18]: for any umask; and nothing else is left beside it."""
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["backup", "data"]
    with tarfile.open(made) as tar:
        assert tar.getnames() == ["manifest.json", DATABASE]
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        members = json.load(manifest)
    assert (members["keyfob"], members["has_master_key"]) == ("1.0", False)
    assert members["schema"] > 0
    key = (tmp_path / "data" / MASTER_KEY).read_bytes()
    assert key not in made.read_bytes()
    with pytest.raises(Misuse, match="already exists"):
        back_up(tmp_path / "data", made, "1.0")


@posix
def test_a_restored_folder_is_private(tmp_path: Path, made: Path) -> None:
    """[FS-18]."""
    key_beside(tmp_path / "new", (tmp_path / "data" / MASTER_KEY).read_bytes())
    restore(made, tmp_path / "new")
    assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "new").iterdir()} == {
        DATABASE: 0o600,
        MASTER_KEY: 0o600,
    }
    with Registry.open(tmp_path / "new") as registry:
        assert [user.email for user in registry.users()] == [EMAIL]


def test_without_the_right_master_key_nothing_is_restored(tmp_path: Path, made: Path) -> None:
    """[FS-18]."""
    with pytest.raises(Misuse, match="does not contain the master key"):
        restore(made, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    key_beside(tmp_path / "new", b"k" * 32)
    with pytest.raises(Misuse, match="not that of the backup"):
        restore(made, tmp_path / "new")
    assert [one.name for one in (tmp_path / "new").iterdir()] == [MASTER_KEY]


def test_a_folder_that_is_in_use_is_not_touched(tmp_path: Path, made: Path) -> None:
    """[FS-18]."""
    before = (tmp_path / "data" / DATABASE).read_bytes()
    with pytest.raises(Misuse, match="not empty"):
        restore(made, tmp_path / "data")
    assert (tmp_path / "data" / DATABASE).read_bytes() == before


def repacked(made: Path, name: str, content: bytes) -> None:
    """Replace a member of a backup; for the database, with a manifest that fits."""
    with tarfile.open(made) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    members[name] = content
    with tarfile.open(made, "w") as tar:
        for one, text in members.items():
            entry = tarfile.TarInfo(one)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))


def test_a_damaged_backup_is_refused(tmp_path: Path, made: Path) -> None:
    """[FS-18]: cut off anywhere, changed anywhere, or something else altogether."""
    whole = made.read_bytes()
    found = tmp_path / "damaged"
    pieces = [whole[: len(whole) * part // 7] for part in range(7)]
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in (700, len(whole) // 2)]
    for content in (*pieces, *flipped, b"SQLite format 3\0" * 1000, os.urandom(5000)):
        found.write_bytes(content)
        with pytest.raises(Misuse, match="damaged, or is not a backup"):
            restore(found, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    for text in (b"[]", b"{}", b'{"format": "keyfob-backup-1"}', b"\xff"):
        found.write_bytes(whole)
        repacked(found, "manifest.json", text)
        with pytest.raises(Misuse, match="damaged, or is not a backup"):
            restore(found, tmp_path / "new")
    with pytest.raises(Misuse, match="does not exist"):
        restore(tmp_path / "nowhere", tmp_path / "new")


def test_a_backup_of_a_newer_keyfob_is_refused(tmp_path: Path) -> None:
    """[FS-18]."""
    with served(tmp_path / "data"):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as rows:
        rows.execute("PRAGMA user_version = 999")
    back_up(tmp_path / "data", tmp_path / "backup", "9.0", with_key=True)
    with pytest.raises(Misuse) as refused:
        restore(tmp_path / "backup", tmp_path / "new")
    assert refused.value.code == "store-newer"
    assert not (tmp_path / "new").exists()


def test_a_damaged_database_is_not_backed_up(tmp_path: Path) -> None:
    """[FS-18]: better no backup than one that cannot be restored."""
    with served(tmp_path / "data"):
        pass
    path = tmp_path / "data" / DATABASE
    content = bytearray(path.read_bytes())
    content[8192:20000] = os.urandom(20000 - 8192)
    path.write_bytes(content)
    with pytest.raises(Misuse, match="cannot be read"):
        back_up(tmp_path / "data", tmp_path / "backup", "1.0")
    assert not (tmp_path / "backup").exists()
