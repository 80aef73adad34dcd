"""Ten programs use an MCP server with one stored login whose token has lapsed, all at one moment.

The issuer rotates strictly: a refresh token that is used twice ends the login. It holds back its first answer until all
ten have arrived. The provider of the MCP SDK does the same beside it, as the control.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from keyfob.client.io.vault.vault_file import FileVault
from keyfob.login import App
from keyfob.protocol.http import Request, Response, json_response
from keyfob.run import run
from keyfob.testing.strict_issuer import StrictIssuer, expired

PROGRAMS = 10
_PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
_HELD_S = 240  # ten imports of the SDK take a minute on a busy machine
OURS = """
import sys
from pathlib import Path
import httpx2
from keyfob.login import App
issuer, home = sys.argv[1:]
app = App(issuer=issuer, client_id="cli", profile="default", home=Path(home))
auth = app.session(lambda notice: print("waiting", flush=True)).auth_for_httpx2()
print("ready", flush=True)
sys.stdin.readline()
with httpx2.Client(auth=auth, timeout=240) as client:
    print("answered", client.post(f"{issuer}mcp", content=b"{}").status_code, flush=True)
"""
THEIRS = """
import asyncio, json, sys, time
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
issuer, path = sys.argv[1:]

class Storage:
    async def get_tokens(self):
        return OAuthToken.model_validate_json(open(path).read())
    async def set_tokens(self, tokens):
        open(path, "w").write(tokens.model_dump_json())
    async def get_client_info(self):
        return OAuthClientInformationFull(client_id="cli", redirect_uris=["http://127.0.0.1:1/"],
                                          token_endpoint_auth_method="none")
    async def set_client_info(self, information):
        pass

class Provider(OAuthClientProvider):
    async def _initialize(self):
        await super()._initialize()
        self.context.token_expiry_time = time.time() - 60  # a storage of OAuthToken does not tell

async def redirect(address):
    raise SystemExit("a person is needed")

async def main():
    metadata = OAuthClientMetadata(redirect_uris=["http://127.0.0.1:1/"], token_endpoint_auth_method="none")
    auth = Provider(f"{issuer}mcp", metadata, Storage(), redirect, None)
    print("ready", flush=True)
    sys.stdin.readline()
    async with httpx2.AsyncClient(auth=auth, timeout=240) as client:
        print("answered", (await client.post(f"{issuer}mcp", content=b"{}")).status_code, flush=True)

try:
    asyncio.run(main())
except BaseException as problem:
    print("logged-out", type(problem).__name__, flush=True)
"""


class Server(StrictIssuer):
    """The issuer, and an MCP server at the same address that takes its newest token only."""

    def send(self, request: Request) -> Response:
        if urlsplit(request.url).path != "/mcp":
            return super().send(request)
        token = dict(request.headers).get("authorization", "").removeprefix("Bearer ")
        family = self.families[0]
        if family.newest > 1 and token == f"at-1-{family.newest}":
            return json_response(200, {"jsonrpc": "2.0", "id": 1, "result": {}})
        return Response(401, (("www-authenticate", "Bearer"),))


class Programs:
    def __init__(self, source: str, *words: str) -> None:
        pipe = subprocess.PIPE
        line = [sys.executable, "-c", source, *words]
        self.all = [
            subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
            for _ in range(PROGRAMS)
        ]
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._listen, args=(one,), daemon=True) for one in self.all]
        for thread in self._threads:
            thread.start()

    def _listen(self, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        for line in program.stdout:
            with self._changed:
                self.said.append(line.strip())
                self._changed.notify_all()

    def await_words(self, word: str, number: int) -> None:
        def is_so() -> bool:
            return sum(line.startswith(word) for line in self.said) >= number

        with self._changed:
            assert self._changed.wait_for(is_so, _HELD_S), (word, self.said)

    def release(self) -> None:
        for program in self.all:
            assert program.stdin is not None
            program.stdin.write("go\n")
            program.stdin.flush()

    def end(self) -> None:
        for program, thread in zip(self.all, self._threads, strict=True):
            program.wait(_HELD_S)
            thread.join(10)
            for stream in (program.stdin, program.stdout):
                assert stream is not None
                stream.close()

    def count(self, line: str) -> int:
        return sum(said.startswith(line) for said in self.said)


@pytest.fixture
def server() -> Server:
    return Server()


def race(server: Server, programs: Programs, has_arrived: Callable[[], object]) -> None:
    """Release all programs, and answer the first refresh once `has_arrived` has returned."""
    may_answer = threading.Event()
    server.before_answer = lambda _request, _response: may_answer.wait(_HELD_S)
    try:
        programs.await_words("ready", PROGRAMS)
        programs.release()
        has_arrived()
    finally:
        may_answer.set()
        programs.end()


def test_ten_programs_with_one_lapsed_login_make_one_refresh_and_none_is_logged_out(
    server: Server, tmp_path: Path
) -> None:
    """[C-IMPL-02]: nine wait at the lock while the tenth's refresh is under way."""
    with server.serving():
        profile = App(issuer=server.issuer, client_id="cli", profile="default").profile
        vault = FileVault(tmp_path)
        run(vault.save("default", expired(server.log_in(profile))))
        programs = Programs(OURS, server.issuer, str(tmp_path))
        race(server, programs, lambda: programs.await_words("waiting", PROGRAMS - 1))

    assert programs.count("answered 200") == PROGRAMS, programs.said
    assert (server.refreshes, server.reuses, len(server.families)) == (1, [], 1)
    stored = run(vault.load("default"))
    assert stored is not None
    assert server.works(stored.refresh_token)


def test_the_control_ten_providers_of_the_sdk_with_one_storage_end_the_login(server: Server, tmp_path: Path) -> None:
    """Seen with mcp 2.3: one is answered, nine are logged out, and the one's refresh token is dead too."""
    pytest.importorskip("mcp", reason="the extra mcp is not installed")
    arrived, all_here = [0], threading.Event()
    path = tmp_path / "tokens.json"
    with server.serving():
        profile = App(issuer=server.issuer, client_id="cli", profile="default").profile
        login = server.log_in(profile)
        assert login.refresh_token is not None
        tokens = {"access_token": "at-1-1", "token_type": "Bearer", "refresh_token": login.refresh_token.reveal()}
        path.write_text(json.dumps(tokens), encoding="utf-8")
        programs = Programs(THEIRS, server.issuer, str(path))
        lock = threading.Lock()

        def hold(_request: Request, _response: Response) -> None:
            with lock:
                arrived[0] += 1
                if arrived[0] == PROGRAMS:
                    all_here.set()
            all_here.wait(_HELD_S)

        programs.await_words("ready", PROGRAMS)
        server.before_answer = hold
        programs.release()
        programs.end()

    assert arrived[0] == PROGRAMS
    assert (programs.count("answered 200"), programs.count("logged-out")) == (1, PROGRAMS - 1), programs.said
    assert not server.families[0].is_alive
    assert len(server.reuses) == 1
