"""The audit log of `keyfob serve`: on by default, private, rotated, without secrets."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path

import pytest

from keyfob.cli.commands.serve import configure
from keyfob.cli.parser import Parser
from keyfob.errors import Misuse
from keyfob.protocol.http import form_request
from keyfob.server.io.audit import FILE_NAME, AuditFile, audit_to
from keyfob.server.io.tenant import Tenant
from keyfob.server.start import ready_config
from keyfob.testing.pair import Pair
from keyfob.testing.scene import ISSUER

EVENT = {"type": "s", "user_name": "Zoë\n"}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_log_is_on_unless_it_is_switched_off(tmp_path: Path) -> None:
    """[FS-18]: the default of the command is a file in the tenant's folder."""
    parser = Parser("serve")
    configure(parser)
    for place in (parser.parse_args([]).audit, "off", str(tmp_path / "own" / "log")):
        with audit_to(place, tmp_path) as audit:
            audit(EVENT)
    assert {one.name for one in tmp_path.iterdir()} == {FILE_NAME, "own"}
    assert lines(tmp_path / FILE_NAME) == [EVENT]
    assert lines(tmp_path / "own" / "log") == [EVENT]


def test_a_dash_is_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """[FS-18]."""
    with audit_to("-", tmp_path) as audit:
        audit(EVENT)
    assert json.loads(capsys.readouterr().out) == EVENT
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_reads_the_log_and_its_old_files(tmp_path: Path) -> None:
    """[FS-18]: for any umask, and if the file was there before with another mode."""
    path = tmp_path / FILE_NAME
    path.touch(mode=0o644)
    before = os.umask(0)
    try:
        with contextlib.closing(AuditFile(path, most_bytes=200)) as log:
            for _ in range(60):
                log(EVENT)
    finally:
        os.umask(before)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 10, "nine old files and the newest"
    assert {mode(one) for one in files} == {0o600}
    assert max(one.stat().st_size for one in files) <= 200


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """[FS-18]."""
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Misuse, match="cannot be written"):
        AuditFile(tmp_path / FILE_NAME)
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_that_cannot_be_written_stops_no_login(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """[FS-18]: /dev/full stands for a full disk; the warning repeats nothing of the event."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    mode_before = mode(Path("/dev/full"))
    with contextlib.closing(AuditFile(Path("/dev/full"), most_bytes=0)) as log:
        log(EVENT)
    assert mode(Path("/dev/full")) == mode_before
    assert "could not be written" in caplog.text
    assert "Zoë" not in caplog.text


def test_a_tenant_that_follows_its_folder_writes_there(tmp_path: Path) -> None:
    """[FS-18]: what one asks for at /oauth/token is noted with Auth0's code."""
    asked = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": "y"}
    with audit_to("", tmp_path) as audit:
        tenant = Tenant.follow(tmp_path, ready_config(ISSUER), audit=audit)
        Pair({ISSUER.rstrip("/"): tenant.app}, peer="192.0.2.7").send(form_request(f"{ISSUER}oauth/token", asked))
        tenant.close()
    [event] = lines(tmp_path / FILE_NAME)
    assert (event["type"], event["ip"]) == ("fapi", "192.0.2.7")
