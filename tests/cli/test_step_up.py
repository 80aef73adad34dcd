"""Bound tokens, surer logins and other people, at the command line, against an issuer on this machine."""

import io
import json
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from keyfob.cli.commands.login import _account_switch
from keyfob.cli.main import main
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import read_proof
from keyfob.jose.tokens import sign
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from tests.cli.issuer import as_json, granted, in_turn, issuer, keep_login
from tests.client.scripts import stored
from tests.loopback import Answer, Loopback, says

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = SigningKey.generate("RS256")
LOGIN = ("--client-id", "cli", "--flow", "device")
DENIED = says(403, b"no", www_authenticate='Bearer error="insufficient_scope", scope="write:orders"')
OLD = says(401, b"no", www_authenticate='Bearer error="insufficient_user_authentication", acr_values="phr", max_age=60')

Keyfob = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    for name in ("PROFILE", "ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "DEBUG"):
        monkeypatch.delenv(f"KEYFOB_{name}", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


def log_in(keyfob: Keyfob, server: Loopback, *more: str) -> tuple[int, str, str]:
    return keyfob("login", "--issuer", f"{server.url}/", *LOGIN, *more)


def requests(server: Loopback, path: str) -> list[dict[str, str]]:
    return [headers for _, came, headers, _ in server.came if came == path]


def as_whom(*subjects: str) -> Answer:
    """Tokens for one person after the other; all have the same e-mail address."""
    left = list(subjects)

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        claims = {
            "iss": f"http://{handler.headers['host']}/", "aud": "cli", "sub": left.pop(0),
            "email": "a@b.example", "iat": 1_000_000_000, "exp": 9_000_000_000,
        }  # fmt: skip
        granted(id_token=sign(claims, KEY, token_type="JWT").reveal())(handler, body)

    return answer


def keys() -> Answer:
    return as_json(200, keys=[KEY.public_jwk()])


def test_a_bound_token_is_printed_with_a_word_about_it_and_call_proves_it(keyfob: Keyfob, tmp_path: Path) -> None:
    """[C-9449-03]."""
    with issuer(granted(token_type="DPoP"), orders=says(200, b"two")) as server:
        assert log_in(keyfob, server, "--dpop", "require")[0] == 0
        code, out, err = keyfob("token")
        members = json.loads(keyfob("token", "--json")[1])
        called = keyfob("call", f"{server.url}/orders?page=1")
        paths = {path for _, path, _, _ in server.came}
        assert paths >= {"/token"}
        again = log_in(keyfob, server)
    assert (code, out) == (0, "at-1\n")
    assert "bound to a key" in err
    assert members["token_type"] == "DPoP"
    assert called[0] != 0, "the page is not there"
    assert again[0] == 0, "the wish is kept with the profile"
    assert all("dpop" in headers for headers in requests(server, "/token"))
    [headers] = requests(server, "/orders?page=1")
    proof, _ = read_proof(Secret(headers["dpop"]))
    assert (proof.method, proof.address) == ("GET", f"{server.url}/orders")
    assert headers["authorization"] == "DPoP at-1"
    kept = run(FileVault().load("default"))
    assert kept is not None
    assert kept.proof_key is not None
    settings = (tmp_path / "profiles" / "default.json").read_text()
    assert json.loads(settings)["dpop"] == "require"
    assert "PRIVATE" not in settings


def test_a_plain_token_is_refused_or_told_as_was_wished(keyfob: Keyfob) -> None:
    """[C-9449-03]."""
    with issuer(granted()) as server:
        code, _, err = log_in(keyfob, server, "--dpop", "require")
        assert (code, "--dpop prefer" in err) == (1, True)
        assert keyfob("token")[0] == 4
        code, _, err = log_in(keyfob, server, "--dpop", "prefer")
        assert (code, "not bound to a key" in err) == (0, True)
        code, out, _ = log_in(keyfob, server, "--dpop", "prefer", "--json")
        assert "not_bound" in [json.loads(line)["event"] for line in out.splitlines()]
        assert keyfob("token") == (0, "at-1\n", "")


@pytest.mark.parametrize(
    ("denied", "command"),
    [
        (DENIED, "keyfob login --profile work --scope 'openid write:orders'"),
        (OLD, "keyfob login --profile work --acr phr --max-age 60s"),
    ],
)
def test_a_refused_call_names_the_exact_command(keyfob: Keyfob, denied: Answer, command: str) -> None:
    """[C-9470-01] [C-6750-03]."""
    with issuer(orders=denied) as server:
        keep_login(server)
        kept, profile = run(FileVault().load("default")), ProfileFiles().load("default")
        assert kept is not None
        assert profile is not None
        run(FileVault().save("work", replace(kept, scope=Scope.of(["openid"]))))
        ProfileFiles().save(replace(profile, name="work"))
        code, out, err = keyfob("call", "--profile", "work", f"{server.url}/orders")
    assert (code, out) == (3, "no")
    assert f"Run: {command}\n" in err
    assert len(requests(server, "/orders")) == 1
    assert requests(server, "/token") == []


def keep_device_login(server: Loopback) -> None:
    keep_login(server)
    profile = ProfileFiles().load("default")
    assert profile is not None
    ProfileFiles().save(replace(profile, flow="device"))


def test_a_call_may_step_up_once_and_prints_only_what_came_in_the_end(keyfob: Keyfob) -> None:
    """[C-9470-01] [C-6750-03]."""
    with issuer(granted(access_token="at-2"), orders=in_turn(DENIED, says(200, b"two"), OLD)) as server:
        keep_device_login(server)
        code, out, err = keyfob("call", "--step-up", f"{server.url}/orders")
        assert (code, out) == (0, "two")
        assert "WDJB-MJHT" in err
        [asked] = [body for _, path, _, body in server.came if path == "/device"]
        assert b"write%3Aorders" in asked
        code, out, _ = keyfob("call", "--step-up", f"{server.url}/orders")
        assert (code, out) == (3, "no"), "a login that does not help is not made twice"
    assert [headers["authorization"] for headers in requests(server, "/orders")] == [
        "Bearer at-1", "Bearer at-2", "Bearer at-2", "Bearer at-2",
    ]  # fmt: skip
    asked = [body for _, path, _, body in server.came if path == "/device"][1]
    assert b"acr_values=phr&max_age=60" in asked


def test_where_nobody_is_a_step_up_says_which_command_to_run(keyfob: Keyfob) -> None:
    """[C-8628-01]."""
    with issuer(orders=DENIED) as server:
        keep_login(server)
        code, out, err = keyfob("call", "--step-up", f"{server.url}/orders")
    assert (code, out) == (4, "")
    assert "Run in a terminal: keyfob login --scope '" in err
    assert requests(server, "/device") == []


def test_acr_and_age_are_asked_for_and_looked_at(keyfob: Keyfob) -> None:
    """[C-OIDC-05]."""
    with issuer(as_whom("auth0|1", "auth0|1"), jwks=keys()) as server:
        endpoint = ("--endpoint", f"jwks_uri={server.url}/jwks")
        code, _, err = log_in(keyfob, server, *endpoint, "--acr", "phr", "--max-age", "5m")
        [asked] = [body for _, path, _, body in server.came if path == "/device"]
        assert b"acr_values=phr&max_age=300" in asked
        assert (code, "invalid-token" in err) == (3, True)
        assert log_in(keyfob, server, *endpoint, "--no-wait", "--acr", "phr")[0] == 0
        code, _, err = keyfob("login", "--resume", "--acr", "phr")
        assert (code, "omit them" in err) == (2, True)
        code, _, err = keyfob("login", "--resume")
        assert (code, "invalid-token" in err) == (3, True), "what was asked is not forgotten in between"


def test_another_person_is_noticed_where_nobody_can_be_asked(keyfob: Keyfob) -> None:
    """[C-OIDC-06]: the same address is no same person."""
    with issuer(as_whom("auth0|1", "auth0|2", "auth0|2", "auth0|2"), jwks=keys()) as server:
        endpoint = ("--endpoint", f"jwks_uri={server.url}/jwks")
        assert log_in(keyfob, server, *endpoint)[0] == 0
        code, _, err = log_in(keyfob, server)
        assert (code, "--switch-account" in err, "keyfob help account-mismatch" in err) == (3, True, True)
        code, out, _ = log_in(keyfob, server, "--json")
        assert json.loads(out.splitlines()[-1])["error"]["code"] == "account-mismatch"
        assert json.loads(keyfob("whoami", "--json")[1])["subject"] == "auth0|1"
        assert log_in(keyfob, server, "--switch-account")[0] == 0
        assert json.loads(keyfob("whoami", "--json")[1])["subject"] == "auth0|2"
        assert len(requests(server, "/revoke")) == 4, "what nobody wanted is ended"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("yes\n", True), ("\n", False), ("", False)])
def test_another_person_is_asked_about_at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str, agreed: bool) -> None:
    """[C-OIDC-06]."""
    said = Screen()
    monkeypatch.setattr(sys, "stdin", Screen(typed))
    monkeypatch.setattr(sys, "stderr", said)
    before, after = replace(stored(), subject="1", person="ada"), replace(stored(), subject="2", person="b\x1b[2Jo")
    assert _account_switch(Namespace(switch_account=False, json=False))(before, after) is agreed
    assert "you were logged in as ada, and now as b?[2Jo; keep the new login? [y/N]" in said.getvalue()
    assert _account_switch(Namespace(switch_account=False, json=True))(before, after) is False
    assert _account_switch(Namespace(switch_account=True, json=True))(before, after) is True
