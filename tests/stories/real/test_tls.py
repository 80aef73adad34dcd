"""A tenant over https, on real sockets: whom its certificate convinces, and a login through it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from keyfob.client.io.world import SystemWorld
from keyfob.errors import Unreachable
from keyfob.io.http import HttpSender, sender_for
from keyfob.login import App, CodeShown, Notice, Profile
from keyfob.serve import Running, Tenant, bind, ready_config, tls_files, url_of
from keyfob.server.io.certificates import TlsFiles
from keyfob.server.start import READY_AUDIENCE, READY_CLIENT_ID
from keyfob.testing.person import Person

PAGE = Path(__file__).parents[3] / "docs" / "https.md"
EMAIL = "person@example.com"
HOSTS = ("127.0.0.1", "localhost")
Served = tuple[Running, Tenant, TlsFiles]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    listener, tls = bind("127.0.0.1", 0), tls_files(tmp_path / "tenant")
    config = replace(ready_config(url_of(listener, is_tls=True)), device_interval=timedelta(milliseconds=100))
    tenant = Tenant.open(tmp_path / "tenant", config, with_first_user=True)
    running = Running(tenant.app, listener, tls)
    yield running, tenant, tls
    running.stop()
    tenant.close()


@pytest.fixture
def trusting(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpSender]:
    """How keyfob sends, in a process that was told to trust the tenant."""
    monkeypatch.setenv("SSL_CERT_FILE", str(served[2].authority))
    sender = HttpSender()
    yield sender
    sender.close()


def fetch(url: str, context: ssl.SSLContext) -> dict[str, object]:
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return json.load(answer)


def as_called(url: str, host: str) -> str:
    return f"{url.replace('127.0.0.1', host)}.well-known/openid-configuration"


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_with_that_one_root_is_answered(served: Served, host: str) -> None:
    running, tenant, tls = served
    context = ssl.create_default_context(cafile=tls.authority)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT  # as Python 3.13 does by itself
    metadata = fetch(as_called(running.url, host), context)
    assert metadata["issuer"] == tenant.config.issuer == running.url
    assert running.url.startswith("https://127.0.0.1:")
    assert str(metadata["token_endpoint"]).startswith(running.url)


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_without_it_hangs_up(served: Served, host: str) -> None:
    with pytest.raises(urllib.error.URLError) as caught:
        fetch(as_called(served[0].url, host), ssl.create_default_context())
    assert isinstance(caught.value.reason, ssl.SSLCertVerificationError)


def test_the_root_of_another_tenant_does_not_help(served: Served, tmp_path: Path) -> None:
    other = tls_files(tmp_path / "other")
    with pytest.raises(urllib.error.URLError) as caught:
        fetch(as_called(served[0].url, "localhost"), ssl.create_default_context(cafile=other.authority))
    assert isinstance(caught.value.reason, ssl.SSLCertVerificationError)


def test_a_request_in_clear_gets_no_answer_and_no_redirect(served: Served) -> None:
    """[AS-6749-01]: a redirect to https would come after the secret was sent in clear."""
    running = served[0]
    with socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0), timeout=10) as connection:
        body = b"grant_type=client_credentials&client_id=x&client_secret=y"
        head = b"POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP/" not in connection.recv(4096)


def test_every_endpoint_in_the_metadata_is_https(served: Served) -> None:
    """[AS-6749-01]."""
    running, _, tls = served
    metadata = fetch(as_called(running.url, "127.0.0.1"), ssl.create_default_context(cafile=tls.authority))
    found = {name: value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri", "issuer"))}
    assert len(found) > 8
    assert all(str(value).startswith("https://") for value in found.values()), found


@pytest.mark.parametrize(
    ("version", "welcome"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
    ids=str,
)
def test_nothing_older_than_tls_1_2_is_spoken(served: Served, version: ssl.TLSVersion, welcome: bool) -> None:
    context = ssl.create_default_context(cafile=served[2].authority)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself would not offer the old one
    if welcome:
        assert fetch(as_called(served[0].url, "localhost"), context)["issuer"]
        return
    with pytest.raises(urllib.error.URLError) as caught:
        fetch(as_called(served[0].url, "localhost"), context)
    refusal = caught.value.reason
    assert isinstance(refusal, ssl.SSLError)
    # An event loop may hang up before it has said why.
    assert refusal.reason in {"TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING"}


def test_pages_of_this_machine_do_not_hold_a_browser_to_https(served: Served, trusting: HttpSender) -> None:
    """They would, for everything else that is developed on `localhost`."""
    page = Person(trusting).open(f"{served[0].url}activate")
    assert page.status == 200
    assert page.response.header("strict-transport-security") is None
    assert "__Host-keyfob-" in (page.response.header("set-cookie") or "")


def test_a_program_logs_in_refreshes_and_logs_out_over_https(
    served: Served, trusting: HttpSender, tmp_path: Path
) -> None:
    running, tenant, _ = served
    user = tenant.first_user
    assert user is not None
    people: list[Thread] = []

    def approve(shown: CodeShown) -> None:
        person = Person(trusting)
        person.open(shown.verification_uri)
        person.press("continue", user_code=shown.user_code)
        person.press("confirm")
        person.press("login", email=user.email, password=user.password.reveal())

    def notify(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            people.append(Thread(target=approve, args=(notice,)))
            people[-1].start()

    app = App(
        issuer=running.url,
        client_id=READY_CLIENT_ID,
        audience=READY_AUDIENCE,
        home=tmp_path / "home",
        world=SystemWorld(notify, http=trusting, home=tmp_path / "home"),
    )
    stored = app.log_in(notify)
    people[0].join(10)
    app.session().token(min_ttl=timedelta(days=2))  # longer than any token lives
    refreshed = app.session().stored()
    app.session().log_out()
    assert stored.person == refreshed.person == EMAIL
    assert stored.refresh_token is not None
    assert stored.refresh_token != refreshed.refresh_token


def test_a_program_is_told_of_an_authority_in_its_settings(served: Served, tmp_path: Path) -> None:
    """In the profile, for the login and for every call after it; nothing in the environment."""
    running, _, tls = served
    without = App(issuer=running.url, client_id=READY_CLIENT_ID, flow="device", home=tmp_path / "home")
    with pytest.raises(Unreachable) as raised:
        without.begin(lambda _: None)
    assert raised.value.code == "certificate-untrusted"
    assert "issuer CN=keyfob local authority" in raised.value.message
    app = App(issuer=running.url, client_id=READY_CLIENT_ID, flow="device", home=tmp_path / "home", ca=tls.authority)
    shown: list[Notice] = []
    app.begin(shown.append)
    sender_for(tls.authority).close()
    assert any(isinstance(notice, CodeShown) for notice in shown)
    assert Profile.read("default", app.profile.write()).ca == str(tls.authority)


class Shell:
    """A person's shell: their home, `keyfob` on the path, and what they exported."""

    def __init__(self, home: Path) -> None:
        (home / "bin").mkdir()
        command = home / "bin" / "keyfob"
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m keyfob "$@"\n')
        command.chmod(0o755)
        strange = re.compile(r"KEYFOB|XDG_|SSL_CERT|REQUESTS_CA|CURL_CA|NODE_EXTRA")
        kept = {name: value for name, value in os.environ.items() if not strange.match(name)}
        path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**kept, "HOME": str(home), "PATH": path, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1"}
        self.exports: list[str] = []
        self.started: list[subprocess.Popen[str]] = []

    def start(self, line: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-c", "\n".join([*self.exports, f"exec {line}"])],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, line: str) -> str:
        process = self.start(line)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{line}: {out}"
        return out

    def serve(self, line: str) -> tuple[subprocess.Popen[str], str]:
        """Start a tenant; what it says until it is ready."""
        process = self.start(line)
        assert process.stdout is not None
        said = ""
        for heard in process.stdout:
            said += heard
            if heard.startswith("Ctrl-C"):
                break
        return process, said


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def said_after(word: str, text: str) -> str:
    found = re.search(rf"^  {word} +(\S+)", text, re.MULTILINE)
    assert found, text
    return found[1]


def typed() -> list[str]:
    return re.findall(r"^\$ (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


posix = pytest.mark.skipif(os.name != "posix", reason="the page is written for a POSIX shell")
with_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="the page has a call with curl")


@posix
@with_curl
def test_what_the_page_tells_a_person_to_type_works(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    serve, *lines = typed()
    _, said = shell.serve(f"{serve} --port 0")
    issuer, password = said_after("issuer", said), said_after("password", said)
    authority = Path(shell.environment["HOME"], ".local/share/keyfob-tenant/tls/ca.pem")
    heard: dict[str, str] = {}
    for line in lines:
        command = line.replace("https://127.0.0.1:8790/", issuer)
        if command.startswith("export "):
            shell.exports.append(command)
        elif command.startswith("keyfob login"):
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            heard["login"] = logged_in(shell.start(f"{command} --json"), password)
        else:
            heard[command.split()[-1]] = shell.run(command)
    assert re.search(r"^https://127.0.0.1:\d+/$", issuer)
    assert json.loads(heard[f"{issuer}.well-known/openid-configuration"])["issuer"] == issuer
    assert '"granted"' in heard["login"]
    assert EMAIL in heard["whoami"]
    assert "logout" in heard


def logged_in(process: subprocess.Popen[str], password: str) -> str:
    """Approve what a program shows, and hear it out."""
    assert process.stdout is not None
    events = map(json.loads, process.stdout)
    shown = next(event for event in events if event["event"] == "device_code")
    sender = HttpSender()
    person = Person(sender)
    person.open(shown["verification_uri"])
    person.press("continue", user_code=shown["user_code"])
    person.press("confirm")
    person.press("login", email=EMAIL, password=password)
    sender.close()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return out


@posix
@with_curl
def test_the_lines_that_serve_prints_name_the_file_that_it_made(shell: Shell) -> None:
    folder = Path(shell.environment["HOME"], "a tenant")
    shell.environment["KEYFOB_DATA"] = str(folder)
    _, said = shell.serve("keyfob serve --tls --port 0 --host localhost")
    issuer = said_after("issuer", said)
    shell.exports = [line.strip() for line in said.splitlines() if line.strip().startswith("export ")]
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    told = shell.run(f"printenv {' '.join(names)}").splitlines()
    assert told == [str(folder / "tls" / "ca.pem")] * 4
    assert "replace the public roots" in said
    assert re.search(r"^https://localhost:\d+/$", issuer)
    assert json.loads(shell.run(f"curl -sS {issuer}.well-known/openid-configuration"))["issuer"] == issuer


@posix
def test_the_certificates_survive_a_restart(shell: Shell) -> None:
    folder = Path(shell.environment["HOME"], ".local/share/keyfob-tenant/tls")

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first, said = shell.serve("keyfob serve --tls --port 0")
    before, trust = files(), ssl.create_default_context(cafile=folder / "ca.pem")
    assert fetch(as_called(said_after("issuer", said), "localhost"), trust)
    first.send_signal(signal.SIGINT)
    assert first.wait(20) == 0
    port = said_after("issuer", said).rstrip("/").rpartition(":")[2]
    _, again = shell.serve(f"keyfob serve --tls --port {port}")
    assert said_after("issuer", again) == said_after("issuer", said)
    assert files() == before
    assert fetch(as_called(said_after("issuer", again), "localhost"), trust)


@posix
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "''"])
def test_a_host_that_the_certificate_is_not_for_is_refused(shell: Shell, host: str) -> None:
    process = shell.start(f"keyfob serve --tls --port 0 --host {host}")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--tls works for localhost, 127.0.0.1, ::1 only" in out
    assert "issuer" not in out


@posix
def test_a_damaged_certificate_stops_the_start_and_says_what_to_do(shell: Shell) -> None:
    own = Path(shell.environment["HOME"], ".local/share/keyfob-tenant/tls")
    own.mkdir(parents=True)
    (own / "ca.key").write_text("not a key")
    process = shell.start("keyfob serve --tls --port 0")
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"the files in {own} are damaged" in out
    assert "Remove that folder" in out
    assert "Traceback" not in out
