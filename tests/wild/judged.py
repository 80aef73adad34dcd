"""Tokens of our tenant, good ones and flawed ones, before libraries of others that judge them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import argon2
import pytest
from joserfc.jwk import RSAKey

from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.grants import CLIENT_CREDENTIALS, PASSWORD
from keyfob.protocol.http import Request, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Api, ApiGrant, Running, Tenant, bind, tls_files, url_of
from keyfob.server.io.clock import SystemSurroundings
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.settings.config import Wire
from keyfob.testing.pair import ask
from tests.wild.peer import JUDGES, WIRES, converse
from tests.wild.stage import AUDIENCE, BASIC, EMAIL, PASSWORD_OF_PERSON, SECRET, claims, configure

ELSEWHERE = "https://stock.example/"
BASIC_ID = BASIC["client_id"]
Call = dict[str, str]
Verdict = dict[str, object]
Mark = Callable[[Callable[..., None]], object]


def takes(tokens: tuple[str, ...], *judges: str, wires: tuple[str, ...] = WIRES) -> Mark:
    """Run a test for each of these tokens before each judge in each dialect, which takes it: cells of docs/interop.md.

    `tools.interop` reads these words from the source, so they are written as plain strings.
    """
    each_token = pytest.mark.parametrize("token", tokens)
    each_judge = pytest.mark.parametrize("judge", judges)
    each_dialect = pytest.mark.parametrize("bench", wires, indirect=True, scope="session")
    return lambda test: each_token(each_judge(each_dialect(test)))


# The same, for those that it does not take.
refuses = takes


class Surroundings(SystemSurroundings):
    """The machine's, but a test may turn the clock back."""

    def __init__(self) -> None:
        self.back = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) - self.back


@dataclass
class Bench:
    """One tenant over https, the calls that its tokens are shown in, and what each judge said of them."""

    wire: Wire
    issuer: str
    authority: Path
    calls: dict[str, Call] = field(repr=False)
    _said: dict[str, dict[str, Verdict]] = field(default_factory=dict[str, dict[str, Verdict]], repr=False)

    def verdict(self, judge: str, token: str) -> Verdict:
        """Started once, a judge judges all of them."""
        if judge not in self._said:
            self._said[judge] = self._ask(judge)
        return self._said[judge][token]

    def _ask(self, judge: str) -> dict[str, Verdict]:
        file = str(self.authority)
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), file)
        told = {
            "issuer": self.issuer,
            "audience": AUDIENCE,
            "jwks_uri": f"{self.issuer}.well-known/jwks.json",
            "scope": "read:orders",
            "strict": self.wire == "rfc",
            "type": "at+jwt" if self.wire == "rfc" else "JWT",
            "calls": self.calls,
        }
        found: dict[str, Verdict] = converse(JUDGES[judge], "judge", told, {}, trust)  # type: ignore[assignment]
        return found


@contextmanager
def on_bench(wire: Wire) -> Iterator[Bench]:
    """A tenant on loopback over https, stopped at the end."""
    with tempfile.TemporaryDirectory() as folder:
        tls = tls_files(Path(folder))
        listener = bind("127.0.0.1", 0)
        issuer = url_of(listener, is_tls=True)
        config = configure(issuer, wire, dict(RSAKey.generate_key(2048).as_dict(private=False)))
        profile = config.apis[0].profile
        config = replace(
            config,
            apis=(*config.apis, Api(ELSEWHERE, "Stock", {"read:orders": "the same word"}, profile=profile)),
            grants=(*config.grants, ApiGrant(BASIC_ID, ELSEWHERE, ("read:orders",))),
        )
        passwords = Argon2Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        surroundings = Surroundings()
        tenant = Tenant.in_memory(config, surroundings=surroundings, passwords=passwords)
        assert asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD_OF_PERSON), "Pat Example"))
        calls = _calls(_Till(tenant, issuer), surroundings)
        running = Running(tenant.app, listener, tls)
        yield Bench(wire, issuer, tls.authority, calls)
        running.stop()
        tenant.close()


@dataclass(frozen=True)
class _Till:
    """Where the tokens come from: the tenant's own endpoint, before it is on the wire."""

    tenant: Tenant
    issuer: str

    def key(self) -> dict[str, str]:
        answer = asyncio.run(ask(self.tenant.app, Request("GET", f"{self.issuer}.well-known/jwks.json")))
        [key] = json.loads(answer.body)["keys"]
        return dict(key)

    def machine(self, audience: str = AUDIENCE, scope: str = "read:orders") -> str:
        fields, headers = Credentials("client_secret_basic", BASIC_ID, Secret(SECRET)).write()
        asked = {"grant_type": CLIENT_CREDENTIALS, "audience": audience, "scope": scope, **fields}
        return self._token(form_request(f"{self.issuer}oauth/token", asked, headers=headers))

    def person(self) -> str:
        asked = {
            "grant_type": PASSWORD,
            "client_id": "wild-password",
            "username": EMAIL,
            "password": PASSWORD_OF_PERSON,
            "audience": AUDIENCE,
            "scope": "openid read:orders",
        }
        return self._token(form_request(f"{self.issuer}oauth/token", asked))

    def _token(self, request: Request) -> str:
        answer = asyncio.run(ask(self.tenant.app, request))
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["access_token"])


def _calls(till: _Till, surroundings: Surroundings) -> dict[str, Call]:
    """The fifteen, by what they are called in docs/interop.md."""
    person, machine, jwk = till.person(), till.machine(), till.key()
    surroundings.back = timedelta(days=40)
    expired = till.machine()
    surroundings.back = timedelta()
    header, payload, signature = person.split(".")
    kind = json.loads(_decoded(header))["typ"]
    forged = json.dumps({**claims(person), "sub": "auth0|somebody-else"}).encode()
    pem = RSAKey.import_key(jwk).as_pem(private=False)  # type: ignore[arg-type]
    by_name = {"typ": kind, "kid": jwk["kid"]}
    secret = _part({"alg": "HS256", **by_name}) + "." + payload
    hashed = _encoded(hmac.digest(pem, secret.encode(), hashlib.sha256))
    shown = {
        "good, a person's": person,
        "good, a machine's": machine,
        "without the scope": till.machine(scope="write:orders"),
        "for another API": till.machine(ELSEWHERE),
        "expired": expired,
        "changed signature": f"{header}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "changed payload": f"{header}.{_encoded(forged)}.{signature}",
        "alg none": f"{_part({'alg': 'none', **by_name})}.{payload}.",
        "alg NoNe": f"{_part({'alg': 'NoNe', **by_name})}.{payload}.",
        "HS256 with the public key": f"{secret}.{hashed}",
        "unknown kid": sign(claims(person), SigningKey.generate("RS256"), token_type=kind).reveal(),
        "rubbish": "rubbish",
        "empty": "",
    }
    calls = {name: {"authorization": f"Bearer {token}"} for name, token in shown.items()}
    return {**calls, "none": {}, "in the query": {"query": f"?access_token={person}"}}


def _part(members: dict[str, str]) -> str:
    return _encoded(json.dumps(members).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
