"""`keyfob serve` refuses settings that would put people at risk, and says what to do; --dev is for development."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from keyfob.cli import serving
from keyfob.cli.main import main
from keyfob.serve import Registry, Tenant
from keyfob.server.start import READY_EMAIL

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
HTTPS = '[tenant]\nissuer = "https://login.example.com/"\n'
NAMED = f'{HTTPS}trusted_proxies = ["10.0.0.0/8"]\n'


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Tenant]:
    """A folder of its own; tenants that would be served are closed at once."""
    found: list[Tenant] = []

    def serve(tenant: Tenant, listener: object, *_: object) -> None:
        found.append(tenant)
        tenant.close()
        listener.close()  # type: ignore[attr-defined]

    monkeypatch.setattr(serving, "run_until_signal", serve)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return found


def serve(*words: str, file: str = "") -> int:
    if file:
        Path("tenant.toml").write_text(file, encoding="utf-8")
    return main(["serve", *(["tenant.toml"] if file else []), "--data", "data", "--port", "0", *words])


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize(
    ("file", "said", "does"),
    [
        ("", "the issuer is this computer", "Set issuer"),
        ('[tenant]\nname = "Example"\n', "the issuer is this computer", "Set issuer"),
        (HTTPS, "without TLS, and trusted_proxies is empty", "trusted_proxies"),
    ],
)
def test_a_port_for_others_without_tls_or_proxy_is_refused(
    served: list[Tenant], capsys: pytest.CaptureFixture[str], host: str, file: str, said: str, does: str
) -> None:
    """[AS-6749-01]."""
    assert serve("--host", host, file=file) == 2
    told = capsys.readouterr().err
    assert said in told
    assert does in told
    assert "keyfob help setting-unsafe" in told
    assert served == []
    assert serve("--host", host, "--dev", file=file) == 0
    assert served[0].config.issuer.startswith(("http://127.0.0.1:", "https://login.example.com/"))


def test_an_http_issuer_beyond_this_machine_is_refused(
    served: list[Tenant], capsys: pytest.CaptureFixture[str]
) -> None:
    """[AS-6749-01]: with --dev too, since no client would use it."""
    for words in ([], ["--dev"]):
        assert serve(*words, file='[tenant]\nissuer = "http://login.example.com/"\n') == 2
        assert "plain http on another computer" in capsys.readouterr().err
    assert served == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
def test_behind_a_named_proxy_it_starts(served: list[Tenant], host: str) -> None:
    """At any address: a container has no other. It was refused as plain http."""
    assert serve("--host", host, file=NAMED) == 0
    assert served[0].config.issuer == "https://login.example.com/"


def test_the_quick_start_needs_no_flag(served: list[Tenant]) -> None:
    assert serve() == 0
    assert serve() == 0
    assert len(served) == 2


def test_the_account_of_the_first_start_is_refused_at_a_public_issuer(
    served: list[Tenant], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its password was printed, and may be in a log."""
    assert serve() == 0
    capsys.readouterr()
    assert serve(file=NAMED) == 2
    assert f"keyfob tenant users remove {READY_EMAIL}" in capsys.readouterr().err
    assert serve("--dev", file=NAMED) == 0
    assert main(["tenant", "users", "remove", READY_EMAIL, "--data", "data", "--yes"]) == 0
    assert serve(file=NAMED) == 0
    with Registry.open(Path("data")) as registry:
        assert registry.users() == ()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
@pytest.mark.parametrize("name", ["master.key", "tenant.sqlite3"])
def test_a_key_or_database_that_others_could_read_is_refused(
    served: list[Tenant], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = Path("data")
    assert serve("--dev") == 0  # for development, the key is in the folder
    for path in folder.iterdir():
        path.chmod(0o600)
    folder.chmod(0o755)
    (folder / name).chmod(0o644)
    assert serve() == 2
    told = capsys.readouterr().err
    assert f"other users of this computer can read {folder / name}" in told
    assert "chmod -R go-rwx data" in told
    assert (folder / name).stat().st_mode & 0o777 == 0o644, "nothing was changed"
    folder.chmod(0o700)
    assert serve() == 0, "nobody could enter"
    assert len(served) == 2
