"""A server for real tools that takes only the newest token of a strict issuer, as Bearer or as a password."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.login import App
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer, expired

Found = tuple[int, str, bytes]
MAIN = "import sys\nfrom keyfob.__main__ import {0}\nsys.exit({0}())\n"


@dataclass
class Guarded:
    """A server at `url`.

    Attributes:
        pages: What it serves, by path; a page may be a function of the path and the body.
        challenge: Its challenge without a token.
        took: The tokens that came.
        refused: Tokens that it refuses.
    """

    url: str
    pages: dict[str, Found | Callable[[str, bytes], Found | None]]
    challenge: str = 'Basic realm="guarded"'
    took: list[str] = field(default_factory=list[str])
    refused: set[str] = field(default_factory=set[str])

    def find(self, path: str, body: bytes) -> Found:
        for prefix in sorted(self.pages, key=len, reverse=True):
            page = self.pages[prefix]
            if callable(page) and path.startswith(prefix):
                return page(path, body) or (404, "text/plain", b"")
            if not callable(page) and path.partition("?")[0] == prefix:
                return page
        return 404, "text/plain", b""


def token_of(header: str) -> str:
    """The token in an Authorization header."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(value).decode().partition(":")[2]
    return value if scheme.lower() == "bearer" else ""


@contextmanager
def guarded(issuer: StrictIssuer, *, is_open: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[Guarded]:
    """Serve on this machine; an open one takes the token from the body, as AWS STS does."""

    class GuardedHandler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = token_of(self.headers.get("authorization") or "")
            if is_open:
                token = parse_qs(body.decode()).get("WebIdentityToken", [""])[0]
            if token:
                server.took.append(token)
            newest = [f"at-{at}-{family.newest}" for at, family in enumerate(issuer.families, 1)]
            is_good = token in newest and token not in server.refused
            if is_open:  # AWS' credentials sign the request
                is_good = is_good or "Credential=ASIAEXAMPLE/" in (self.headers.get("authorization") or "")
            status, kind, content = server.find(self.path, body) if is_good else (401, "text/plain", b"no")
            self.send_response(status)
            if not is_good:
                self.send_header("WWW-Authenticate", server.challenge)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)

        do_GET = do_POST = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class GuardedServer(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client may try plain HTTP first, or go away."""

    httpd = GuardedServer(("127.0.0.1", 0), GuardedHandler)
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    server = Guarded(f"http{'' if tls is None else 's'}://127.0.0.1:{httpd.server_port}", {})
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


@dataclass
class Workplace:
    """A home with tools and `keyfob` on the PATH, and a stored login whose token has lapsed."""

    folder: Path
    issuer: StrictIssuer
    variables: dict[str, str]

    def run(self, *words: str, given: str = "", at: Path | None = None) -> subprocess.CompletedProcess[str]:
        program = shutil.which(words[0], path=self.variables["PATH"])
        if program is None:
            pytest.skip(f"{words[0]} is not installed")
        return subprocess.run(
            [program, *words[1:]], env=self.variables, input=given, capture_output=True, text=True, check=False,
            cwd=at or self.folder, timeout=120,
        )  # fmt: skip

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command whose input is still open, so that it waits for it."""
        return subprocess.Popen(
            [str(self.folder / "bin" / words[0]), *words[1:]], env=self.variables, cwd=self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def setup(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.run("keyfob", "setup", *words)
        assert done.returncode == 0, done.stderr
        return done

    def has(self, tool: str) -> str:
        """The path of a tool; the test is skipped without it."""
        found = shutil.which(tool, path=self.variables["PATH"])
        if found is None:
            pytest.skip(f"{tool} is not installed")
        return found


def log_in(issuer: StrictIssuer, home: Path, name: str = "default", *, lapsed: bool = True) -> None:
    """Store a login as `keyfob login` would."""
    profile = App(issuer=issuer.issuer, client_id="cli", profile=name).profile
    stored = issuer.log_in(profile, expires_in=timedelta(hours=1))
    run(FileVault(home, Seals(home)).save(name, expired(stored) if lapsed else stored))
    ProfileFiles(home).save(profile)


@contextmanager
def workplace(folder: Path, *tools: str) -> Iterator[Workplace]:
    """Make the home. `tools` are programs to put on the PATH beside those of the system."""
    issuer = StrictIssuer()
    programs = folder / "bin"
    programs.mkdir()
    for name, function in (("keyfob", "main"), ("docker-credential-keyfob", "docker")):
        script = programs / name
        script.write_text(f"#!{sys.executable}\n{MAIN.format(function)}", encoding="utf-8")
        script.chmod(0o755)
    for tool in tools:
        (programs / Path(tool).name).symlink_to(tool)
    kept = {name: os.environ[name] for name in ("LANG", "PYTHONPATH", "COVERAGE_PROCESS_START") if name in os.environ}
    paths = [str(programs), "/usr/local/bin", "/usr/bin", "/bin"]
    variables = kept | {"HOME": str(folder), "PATH": os.pathsep.join(paths), "KEYFOB_HOME": str(folder / "keyfob"),
                        "KEYFOB_STORE": "file", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}  # fmt: skip
    with issuer.serving():
        log_in(issuer, folder / "keyfob")
        yield Workplace(folder, issuer, variables)


def files_of(folder: Path, prefix: str = "") -> Mapping[str, Callable[[str, bytes], Found | None]]:
    """Serve a folder below a prefix."""

    def page(path: str, _: bytes) -> Found | None:
        file = folder / path.partition("?")[0].removeprefix(prefix).lstrip("/")
        return (200, "application/octet-stream", file.read_bytes()) if file.is_file() else None

    return {f"{prefix}/": page}


def as_json(**members: object) -> Found:
    return 200, "application/json", json.dumps(members).encode()


def credentials_of_sts(path: str, body: bytes) -> Found:
    """Answer as STS does: the reference of AssumeRoleWithWebIdentity."""
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    if form.get("Action") != "AssumeRoleWithWebIdentity":
        who = b"<Arn>arn:aws:iam::123456789012:role/deploy</Arn>"
        name = b"GetCallerIdentity"
        return 200, "text/xml", b"<%bResponse><%bResult>%b</%bResult></%bResponse>" % (name, name, who, name, name)
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
      <AssumeRoleWithWebIdentityResult>
        <AssumedRoleUser><Arn>{form["RoleArn"]}</Arn></AssumedRoleUser>
        <Credentials>
          <SessionToken>the-session</SessionToken><SecretAccessKey>the-secret</SecretAccessKey>
          <Expiration>{until}</Expiration><AccessKeyId>ASIAEXAMPLE</AccessKeyId>
        </Credentials>
      </AssumeRoleWithWebIdentityResult>
    </AssumeRoleWithWebIdentityResponse>"""
    return 200, "text/xml", text.encode()
