"""A tenant's certificates as they lie on disk: made once, renewed in time, never half."""

from __future__ import annotations

import os
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from keyfob.errors import Misuse
from keyfob.jose.certificates import AUTHORITY_LIFE, Authority
from keyfob.serve import tls_files
from keyfob.server.io.certificates import TlsFiles

NOW = datetime.now(UTC)
FILES = {"ca.pem", "ca.key", "server.pem", "server.key"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tls").iterdir()}


def work_together(files: TlsFiles, now: datetime) -> bool:
    """Whether a server can serve them and a client that trusts the authority believes it."""
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(files.certificate, files.key)
    authority = Authority.read(files.authority.read_bytes(), (files.authority.parent / "ca.key").read_bytes())
    return authority.stands_behind(files.certificate.read_bytes(), files.key.read_bytes(), now)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_first_start_makes_four_files_and_shows_only_the_certificates(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        files = tls_files(tmp_path / "tenant", NOW)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in files.key.parent.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600}
    assert files.key.parent.stat().st_mode & 0o777 == 0o700
    assert files.authority.parent == tmp_path / "tenant" / "tls"
    assert work_together(files, NOW)


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    files = tls_files(tmp_path, NOW)
    before = contents(tmp_path)
    assert tls_files(tmp_path, NOW + timedelta(days=700)) == files
    assert contents(tmp_path) == before


def test_a_servers_certificate_is_renewed_a_month_before_its_end_and_nothing_else_is(tmp_path: Path) -> None:
    tls_files(tmp_path, NOW)
    before, later = contents(tmp_path), NOW + timedelta(days=800)
    files = tls_files(tmp_path, later)
    assert {name for name, content in contents(tmp_path).items() if content != before[name]} == {"server.pem"}
    assert work_together(files, later)


def test_a_new_authority_gives_the_server_a_new_certificate(tmp_path: Path) -> None:
    old = tls_files(tmp_path, NOW)
    before = contents(tmp_path)
    for name in ("ca.pem", "ca.key"):
        (tmp_path / "tls" / name).unlink()
    assert tls_files(tmp_path, NOW) == old
    assert contents(tmp_path).keys() == FILES
    assert before["server.pem"] != old.certificate.read_bytes()
    assert work_together(old, NOW)


def test_an_authority_that_lapses_is_renewed_with_its_key(tmp_path: Path) -> None:
    files = tls_files(tmp_path, NOW)
    before, later = contents(tmp_path), NOW + AUTHORITY_LIFE
    tls_files(tmp_path, later)
    after = contents(tmp_path)
    assert after["ca.key"] == before["ca.key"]
    assert x509.load_pem_x509_certificate(after["ca.pem"]).not_valid_after_utc > later + timedelta(days=3600)
    assert work_together(files, later)


@pytest.mark.parametrize("days", [0, 800, 3650], ids=["first", "renewing", "renewing everything"])
def test_starts_at_once_end_with_files_that_belong_together(tmp_path: Path, days: int) -> None:
    now = NOW + timedelta(days=days)
    if days:
        tls_files(tmp_path, NOW)
    with ThreadPoolExecutor(8) as starts:
        made = set(starts.map(lambda _: tls_files(tmp_path, now), range(32)))
    assert len(made) == 1
    assert contents(tmp_path).keys() == FILES
    assert work_together(made.pop(), now)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_is_said_to_be_and_left_alone(tmp_path: Path, name: str) -> None:
    tls_files(tmp_path, NOW)
    (tmp_path / "tls" / name).write_bytes(b"half a fi")
    before = contents(tmp_path)
    with pytest.raises(Misuse, match="damaged") as caught:
        tls_files(tmp_path, NOW)
    assert str(tmp_path / "tls") in caught.value.message
    assert "Remove that folder" in caught.value.hint
    assert contents(tmp_path) == before


def test_an_authority_without_its_key_is_not_quietly_replaced(tmp_path: Path) -> None:
    tls_files(tmp_path, NOW)
    trusted = (tmp_path / "tls" / "ca.pem").read_bytes()
    (tmp_path / "tls" / "ca.key").unlink()
    with pytest.raises(Misuse, match="does not belong to its key"):
        tls_files(tmp_path, NOW)
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == trusted


def test_a_folder_that_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("a file, of all things")
    with pytest.raises(Misuse, match="cannot be used"):
        tls_files(tmp_path, NOW)
