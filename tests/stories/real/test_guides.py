"""The guides docs/ci.md, typer.md, testing.md, migrating.md and proxies.md: their commands and programs run."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.parse import urlsplit

import pytest
import yaml
from typer.testing import CliRunner

from keyfob.cli.main import main
from keyfob.guard import Guard
from keyfob.login import App, CodeShown, Notice
from keyfob.serve import Running, bind, url_of
from keyfob.testing.orders import api
from keyfob.testing.person import Person
from tests.cli.issuer import granted, issuer
from tests.loopback import serving
from tests.stories.real.commands import Commands, running
from tests.stories.real.proxies import changed, free_port
from tests.tls import make
from tools import variants
from tools.source import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
PASSWORD = "a password of fifteen or more"
EMAIL = "pat@example.com"
TENANT = """
[[apis]]
audience = "{api}"
name = "Orders"
scopes = {{ "read:orders" = "read your orders" }}

[[applications]]
client_id = "orders-cli"
name = "Orders"

[[applications]]
client_id = "nightly-by-secret"
name = "Nightly"
kind = "machine"
grants = ["client_credentials"]
auth = "client_secret_basic"
secrets = [{{ env = "NIGHTLY_SECRET" }}]

[[grants]]
client_id = "nightly-by-secret"
audience = "{api}"
scopes = ["read:orders"]

[[users]]
email = "pat@example.com"
name = "Pat"
password = {{ env = "PAT_PASSWORD" }}
"""


def blocks(page: str, kind: str, *changes: tuple[str, str]) -> list[str]:
    text = changed((ROOT / "docs" / page).read_text(encoding="utf-8"), *changes)
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def lines(page: str, *changes: tuple[str, str]) -> list[str]:
    """Return the commands of a page, without those that install from the network."""
    typed = [line for block in blocks(page, "console", *changes) for line in block.splitlines()]
    assert all(line.startswith("$ ") for line in typed), typed
    return [line[2:] for line in typed if "pip install" not in line]


@dataclass
class Place:
    """An authorization server as a process, and an API."""

    commands: Commands
    issuer: str
    api: str

    @property
    def changes(self) -> tuple[tuple[str, str], ...]:
        return ("https://login.example.com/", self.issuer), ("https://api.example.com/", self.api)

    def type(self, folder: Path, typed: list[str], **more: str) -> str:
        """Type lines in one shell, and return what they print."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-euc", "\n".join(typed)], cwd=folder, env={**self.commands.environment, "PATH": path, **more},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def approve(self, code: str) -> None:
        person = Person()
        person.open(f"{self.issuer}activate")
        person.press("continue", user_code=code)
        person.press("confirm")
        person.press("login", email=EMAIL, password=PASSWORD)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("guides")
    listener = bind("127.0.0.1", 0)
    (folder / "tenant.toml").write_text(TENANT.format(api=url_of(listener)), encoding="utf-8")
    with running(folder) as commands:
        commands.environment |= {"PAT_PASSWORD": PASSWORD, "NIGHTLY_SECRET": "n" * 40, "SSH_CONNECTION": "1 1 1 1"}
        _, address, _ = commands.serve(free_port(), str(folder / "tenant.toml"))
        orders = Running(api(Guard(issuer=address, audience=url_of(listener))), listener)
        yield Place(commands, address, url_of(listener))
        orders.stop()


def nightly(files: dict[str, str], folder: Path, *changes: tuple[str, str]) -> list[str]:
    """Write the example, with the addresses of this machine in it, and return the steps of its job."""
    for old, new in changes:
        files = {name: text.replace(old, new) for name, text in files.items()}
    variants.write(files, folder)
    [job] = yaml.safe_load(files["nightly.yml"])["jobs"].values()
    [name] = job["env"]
    assert job["env"] == {name: f"${{{{ secrets.{name} }}}}"}
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in job["steps"] if "uses" in step)
    [installs, *steps] = [step["run"] for step in job["steps"] if "run" in step]
    assert installs == "python -m pip install keyfob"
    return steps


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page makes its key with openssl")
def test_the_commands_about_ci_do_what_they_say_and_so_does_the_workflow(place: Place, tmp_path: Path) -> None:
    """The key of the page is registered, and the steps of the workflow then run with it."""
    (tmp_path / "nightly.sh").write_text('#!/bin/sh\ntest -n "$KEYFOB_ACCESS_TOKEN" && echo the job ran\n')
    (tmp_path / "nightly.sh").chmod(0o755)
    typed = [line for line in lines("ci.md", *place.changes) if "--identity" not in line]
    shown = place.type(tmp_path, typed)
    assert "brass key" in shown
    assert "the job ran" in shown
    assert shown.splitlines()[-1].count(".") == 2, "the token of the account with a secret"

    steps = nightly(variants.base(Path("nightly")), tmp_path / "job", *place.changes)
    key = (tmp_path / "nightly.pem").read_text(encoding="utf-8")
    shown = place.type(tmp_path / "job", steps, NIGHTLY_KEY=key, KEYFOB_HOME=str(tmp_path / "runner"))
    assert shown.startswith("2 orders")
    assert "brass key" in shown
    assert key.splitlines()[1] not in "".join(path.read_text() for path in (tmp_path / "runner").rglob("*.json"))


def test_the_example_of_a_job_runs_with_a_secret_instead_of_its_key(place: Place, tmp_path: Path) -> None:
    files = variants.variant(variants.FOLDER / "nightly-secret.diff")
    client = ("client-id nightly ", "client-id nightly-by-secret "), ('"nightly",', '"nightly-by-secret",')
    steps = nightly(files, tmp_path / "job", *place.changes, *client)
    shown = place.type(tmp_path / "job", steps, KEYFOB_HOME=str(tmp_path / "runner"))
    assert shown.startswith("2 orders")
    assert "brass key" in shown


def test_the_page_about_ci_shows_the_example_as_it_is() -> None:
    assert blocks("ci.md", "yaml") == [(ROOT / "examples/nightly/nightly.yml").read_text(encoding="utf-8")]
    assert blocks("ci.md", "python") == [(ROOT / "examples/nightly/nightly.py").read_text(encoding="utf-8")]


def test_a_job_of_github_logs_in_without_any_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """[C-8693-01]"""
    [line] = [line for line in lines("ci.md") if "--identity github" in line]

    def give(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        del body
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(json.dumps({"value": "token-of-the-platform"}).encode())

    with issuer(granted()) as server, serving({f"/token?audience={server.url.replace(':', '%3A').replace('/', '%2F')}%2F": give}) as github:  # fmt: skip  # noqa: E501
        for name, value in (("URL", f"{github.url}/token"), ("TOKEN", "of the runner")):
            monkeypatch.setenv(f"ACTIONS_ID_TOKEN_REQUEST_{name}", value)
        monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
        assert main(line.replace("https://login.example.com/", f"{server.url}/").split()[1:]) == 0, capsys.readouterr()
    assert any(b"subject_token=token-of-the-platform" in body for *_, body in server.came)


def test_the_program_in_typer_shows_the_orders_to_a_user_who_logs_in(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [program, test] = blocks("typer.md", "python")
    [tenant] = blocks("typer.md", "toml")
    (tmp_path / "orders.py").write_text(changed(program, *place.changes), encoding="utf-8")
    (tmp_path / "tenant.toml").write_text(tenant, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "orders", ModuleType("orders"))  # so that it is forgotten after the test
    del sys.modules["orders"]
    orders = importlib.import_module("orders")
    typed = [line.split()[2:] for line in lines("typer.md") if line.startswith("python orders.py")]
    assert typed == [["login"], ["list"], ["whoami"], ["logout"]]
    assert CliRunner().invoke(orders.app, ["list"]).exit_code == 4

    def approve(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            place.approve(notice.user_code)

    log_in(orders.login.app, approve, monkeypatch)
    assert CliRunner().invoke(orders.app, ["list"]).output == "brass key\nkey ring\n"
    assert EMAIL in CliRunner().invoke(orders.app, ["whoami"]).output
    assert CliRunner().invoke(orders.app, ["logout"]).exit_code == 0
    assert CliRunner().invoke(orders.app, ["list"]).exit_code == 4

    names: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {}
    exec(compile(test, "typer.md", "exec"), names)
    names["test_a_user_logs_in_and_out"](tmp_path / "test", monkeypatch)


def log_in(app: App, approve: Callable[[Notice], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    app.log_in(approve)


def test_the_page_about_tests_shows_the_example_and_its_other_programs_run() -> None:
    shown, embedded, declined = blocks("testing.md", "python")
    assert shown == (ROOT / "examples/orders_api/test_api.py").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    exec(compile(embedded, "testing.md", "exec"), names)
    assert names["found"]["issuer"] == "http://127.0.0.1:8790/"  # type: ignore[index]
    exec(compile(declined, "testing.md", "exec"), names)
    test = names["test_a_user_who_says_no_is_told_so"]
    assert callable(test)
    test()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page waits with curl")
def test_a_server_in_the_background_of_a_job_is_waited_for(place: Place, tmp_path: Path) -> None:
    (tmp_path / "tenant.toml").write_text(TENANT.format(api=place.api), encoding="utf-8")
    port = str(free_port())
    typed = lines("testing.md", ("8790", port), ("serve tenant.toml &", f"serve tenant.toml --port {port} > log &"))
    shown = place.type(tmp_path, [*typed, "kill $!", "wait $! || true"], KEYFOB_DATA=str(tmp_path / "data"))
    assert json.loads(shown) == {"status": "ok"}


def test_the_programs_that_replace_others_can_be_made() -> None:
    made = SimpleNamespace()
    for block in blocks("migrating.md", "python"):
        exec(compile(block, "migrating.md", "exec"), vars(made))
        for name, call in re.findall(r"# ([a-z]+)\.session\(\)\.([a-z_]+)\(", block):
            assert callable(getattr(getattr(made, name).session(), call))
    assert isinstance(made.app, App)
    assert isinstance(made.manager, App)


class _ForwardProxy(BaseHTTPRequestHandler):
    """A proxy for plain http that wants a password."""

    asked: list[str] = []  # noqa: RUF012

    def forward(self) -> None:
        self.asked.append(self.path)
        address = urlsplit(self.path)
        assert address.hostname is not None
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        there = HTTPConnection(address.hostname, address.port, timeout=20)
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        there.request(self.command, address.path, body, kept)
        answer = there.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "content-length", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        there.close()

    do_GET = do_POST = forward  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_login_goes_through_a_companys_proxy(place: Place, tmp_path: Path) -> None:
    (tmp_path / "company-ca.pem").write_bytes(make().certificate)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _ForwardProxy)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
    thread.start()
    here = ("HTTPS_PROXY=http://proxy.example.com:3128", f"HTTP_PROXY=http://127.0.0.1:{proxy.server_port}")
    export, login, doctor = lines("proxies.md", here, *place.changes[:1])
    try:
        environment = {"KEYFOB_HOME": str(tmp_path / "home")}
        shown = place.type(tmp_path, [export, f"{login} --flow device --no-wait --json"], **environment)
        [code] = [event["user_code"] for event in map(json.loads, shown.splitlines()) if "user_code" in event]
        place.approve(code)
        place.type(tmp_path, [export, "keyfob login --resume"], **environment)
        shown = place.type(tmp_path, [export, doctor], **environment)
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    assert f"127.0.0.1:{proxy.server_port}" in shown
    asked = {urlsplit(address).path for address in _ForwardProxy.asked}
    assert {"/.well-known/openid-configuration", "/oauth/device/code", "/oauth/token"} <= asked
    [guarded] = blocks("proxies.md", "python")
    exec(compile(guarded, "proxies.md", "exec"), {})
