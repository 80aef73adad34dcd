"""A tenant as a process, and somebody who changes what is registered from another."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keyfob.protocol.http import form_request
from keyfob.testing.person import over_network
from tests.stories.real.test_commands import Commands

FILE = """
[tenant]
allows_password = true

[[applications]]
client_id = "legacy"
name = "Legacy"
kind = "web"
grants = ["password"]
auth = "client_secret_post"
secrets = [{ file = "legacy.secret" }]
"""


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    yield made
    for process in made.running:
        process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def status_of(issuer: str, client_id: str) -> int:
    return over_network(form_request(f"{issuer}oauth/device/code", {"client_id": client_id, "scope": "openid"})).status


def test_a_tenant_that_runs_gives_codes_to_an_application_that_was_just_added(commands: Commands) -> None:
    tenant, issuer, _ = commands.serve()
    assert status_of(issuer, "fresh") != 200
    added = commands.run("tenant", "apps", "add", "Fresh", "--client-id", "fresh", "--json")
    assert json.loads(added.stdout) == {"client_id": "fresh"}
    late = time.monotonic() + 5
    pause = threading.Event()
    while status_of(issuer, "fresh") != 200:
        assert time.monotonic() < late
        pause.wait(0.2)
    assert status_of(issuer, "keyfob-cli") == 200
    tenant.send_signal(signal.SIGINT)
    assert tenant.wait(20) == 0


def test_a_tenant_from_a_file_says_aloud_who_may_use_passwords(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "tenant.toml").write_text(FILE)
    (tmp_path / "legacy.secret").write_text("x" * 40)
    for words in (["serve", str(tmp_path / "tenant.toml"), "--port", "0"], ["serve", "--port", "0"]):
        tenant = commands.start(*words)
        assert tenant.stdout is not None
        shown = ""
        for line in tenant.stdout:
            shown += line
            if line.startswith("Ctrl-C"):
                break
        # Once it answers, it also listens to signals.
        assert status_of(shown.partition("issuer")[2].split()[0], "legacy") != 200
        tenant.send_signal(signal.SIGINT)
        _, said = tenant.communicate(timeout=20)
        assert "client id  legacy" in shown
        assert "password grants" in said
        assert "legacy" in said
        assert "x" * 40 not in shown + said


def test_a_file_with_a_mistake_is_not_served(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "tenant.toml").write_text('[tenant]\ncolor = "#123456"\n')
    ran = commands.run("serve", str(tmp_path / "tenant.toml"), "--port", "0")

    assert ran.returncode == 2
    assert "tenant.toml:2:" in ran.stderr
    assert "colour" in ran.stderr


@pytest.mark.parametrize(("proxies", "is_told"), [("[]", True), ('["127.0.0.1/32"]', False)])
def test_a_tenant_that_starts_behind_an_unnamed_proxy_tells_its_operator(
    commands: Commands, tmp_path: Path, proxies: str, *, is_told: bool
) -> None:
    """[FS-05]: on stderr, before the first request."""
    file = tmp_path / "tenant.toml"
    file.write_text(f'[tenant]\nissuer = "https://login.example/"\ntrusted_proxies = {proxies}\n', encoding="utf-8")
    tenant = commands.start("serve", str(file), "--port", "0")
    assert tenant.stdout is not None
    assert any(line.startswith("Ctrl-C") for line in tenant.stdout)
    tenant.send_signal(signal.SIGINT)
    _, told = tenant.communicate(timeout=20)
    assert told.count("trusted_proxies is empty") == is_told
