"""What is wrong, and what to do; and nothing that somebody should not paste."""

import socket
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from keyfob.client.io.doctor import clock_ahead, look_at_ports
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.callback import Callback
from keyfob.client.session import checkup
from keyfob.login import App
from tests.cli.desk import Desk, desk
from tests.cli.issuer import WELL_KNOWN, issuer
from tests.loopback import says, serving

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NOWHERE = "http://127.0.0.1:9/"
posix = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*checkup.PROXIES, *(name.lower() for name in checkup.PROXIES), *checkup.TRUST):
        monkeypatch.delenv(name, raising=False)


def verdicts(desk: Desk, *words: str) -> dict[str, str]:
    told = desk.type("doctor", "--json", *words).events()
    return {str(line["check"]): str(line["verdict"]) for line in told}


def test_where_all_is_well_nothing_is_wrong(desk: Desk) -> None:
    with issuer() as server:
        desk.save(f"{server.url}/")
        ran = desk.type("doctor", "--json")

    assert ran.code == 0
    assert "wrong" not in {line["verdict"] for line in ran.events()}
    checks = {line["check"] for line in ran.events()}
    assert checks >= {"keyfob", "files", "vault", "login default", "terminal", "browser", "proxy", "settings", "ports",
                      "issuer", "clock"}  # fmt: skip


def test_each_thing_that_is_wrong_comes_with_what_to_do(desk: Desk) -> None:
    desk.save(NOWHERE)
    (desk.home / "vault" / "default.json").write_bytes(b"{")

    ran = desk.type("doctor", "--json")

    wrong = [line for line in ran.events() if line["verdict"] == "wrong"]
    assert ran.code == 1
    assert {line["check"] for line in wrong} >= {"login default", "issuer"}
    assert all(line["fix"] for line in wrong)
    assert any("was renamed" in str(line["said"]) for line in desk.type("doctor", "--json").events())


@posix
def test_a_file_that_others_may_read_is_found(desk: Desk) -> None:
    desk.save(NOWHERE)
    path = desk.home / "profiles" / "default.json"
    path.chmod(0o644)

    [found] = [line for line in desk.type("doctor", "--json").events() if line["check"] == "files"]

    assert found["verdict"] == "wrong"
    assert str(found["fix"]).endswith(f"chmod go-rwx {path}")


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0, "ok"), (20, "ok"), (-20, "ok"), (60, "note"), (-60, "note"), (900, "wrong")]
)
def test_a_clock_is_judged_by_the_issuers(ahead: int, verdict: str) -> None:
    assert checkup.judge_clock(timedelta(seconds=ahead)).verdict == verdict
    assert checkup.judge_clock(None).verdict == "note"


def test_the_issuers_clock_is_read_from_its_answers() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=20), usegmt=True)
    with serving({WELL_KNOWN: lambda handler, _: _dated(handler, date)}) as server:
        ahead = clock_ahead(App(issuer=f"{server.url}/", client_id="cli").profile)

    assert ahead is not None
    assert timedelta(minutes=19) < ahead < timedelta(minutes=21)


def _dated(handler: object, date: str) -> None:
    from http.server import BaseHTTPRequestHandler

    assert isinstance(handler, BaseHTTPRequestHandler)
    handler.send_response_only(200)
    handler.send_header("date", date)
    handler.send_header("content-length", "0")
    handler.end_headers()


def test_an_answer_out_of_a_cache_tells_no_time() -> None:
    with serving({WELL_KNOWN: says(200, b"{}", age="900")}) as server:
        assert clock_ahead(App(issuer=f"{server.url}/", client_id="cli").profile) is None


def test_nothing_that_it_prints_should_stay_here(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-ASVS-01]"""
    monkeypatch.setenv("HOME", str(desk.home.parent))
    monkeypatch.setenv("HTTPS_PROXY", "http://pat:hunter2@127.0.0.1:9")
    desk.save(NOWHERE)
    desk.says(f'subject = "auth0|pat"\nissuer = "{NOWHERE}"\nclient_id = "cli"\n')

    said = desk.type("doctor").out + desk.type("doctor", "--json").out

    for secret in ("hunter2", "pat", "at-1", "rt-1", str(desk.home.parent)):
        assert secret not in said.replace("path", "")
    assert "~/project/.keyfob.toml" in said
    assert "http://127.0.0.1:9" in said


def test_a_port_that_is_taken_is_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        busy, any_free = look_at_ports((Callback(port=port), Callback()))

    assert (busy, any_free) == ([f"127.0.0.1:{port}"], True)
    assert checkup.judge_ports(busy, any_free=any_free).verdict == "wrong"
    assert checkup.judge_ports([], any_free=False).fix.endswith("--flow device")


def test_authorities_that_are_not_there_are_found(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")

    assert verdicts(desk)["authorities"] == "wrong"


def test_settings_that_are_wrong_are_found_and_the_rest_is_looked_at(desk: Desk) -> None:
    desk.says('secret = "hunter2"\n')

    found = verdicts(desk)

    assert found["settings"] == "wrong"
    assert "browser" in found


def test_the_odds_of_a_tenant_are_told(desk: Desk, tmp_path: Path) -> None:
    from keyfob.serve import Registry

    folder = tmp_path / "tenant"
    with Registry.open(folder, creates=True):
        pass

    told = [line for line in desk.type("doctor", "--json", "--tenant", str(folder)).events() if
            line["check"] == "tenant"]  # fmt: skip

    assert [line["verdict"] for line in told] == ["ok"]
    assert "5 wrong codes" in str(told[0]["said"])
    assert "5,120,000,000" in str(told[0]["said"])
    assert verdicts(desk, "--tenant", str(tmp_path / "none"))["tenant"] == "wrong"
    assert ProfileFiles(desk.home).names() == []
