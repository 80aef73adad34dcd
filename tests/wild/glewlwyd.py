"""Debian's glewlwyd: unpacked by `make test`, set up through its administrator's API, spoken with as its pages do.

Its pages are a JavaScript application over an API in JSON, so the person here uses that API. Nobody can decline there.
"""

from __future__ import annotations

import gzip
import json
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from joserfc.jwk import ECKey

from keyfob.errors import Unreachable
from keyfob.io import http
from keyfob.login import CodeShown
from keyfob.protocol.http import Request, Response
from keyfob.testing.person import Person
from tests.debian import unpacked
from tests.wild.servers import KEY, PASSWORD_THERE, PERSON, SCOPE, Server, come_back, running, wait_for
from tests.wild.stage import PLUS_SECRET, SECRET

# As its database is when it is new.
ADMINISTRATOR = {"username": "admin", "password": "password"}
SCOPES = ("openid", "profile", "email", "offline_access", SCOPE)
OF_PERSONS = ("native", "keeps", "confidential")
# It compares whole seconds: with one, two questions in a row could be in different ones.
INTERVAL_S = 2
SETTINGS = """
port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=3600
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{modules}/user"
client_module_path="{modules}/client"
user_auth_scheme_module_path="{modules}/scheme"
plugin_module_path="{modules}/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3" path = "{database}" }};
"""


@dataclass
class Api:
    """Its API in JSON, in one session."""

    root: str
    person: Person = field(default_factory=Person)

    def __call__(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Response:
        """One request that must go well."""
        jar = "; ".join(f"{name}={value}" for name, value in self.person.cookies.items())
        headers = (("content-type", "application/json"), ("cookie", jar))
        response = http.send(Request(method, f"{self.root}/{path}", headers, json.dumps(body or {}).encode()))
        assert response.status == 200, (path, response.status, response.body)
        for header in response.header_values("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.person.cookies[name] = value
        return response


class Glewlwyd(Server):
    """Debian's glewlwyd."""

    def _log_in(self) -> Person:
        api = Api(self.issuer.removesuffix("/oidc"))
        api("POST", "auth/", {"username": PERSON, "password": PASSWORD_THERE})
        for program in OF_PERSONS:
            api("PUT", f"auth/grant/{program}/", {"scope": " ".join(SCOPES)})
        return api.person

    def approve(self, shown: CodeShown) -> None:
        """Its parameter is called `code`, and the address is the server's affair."""
        person = self._log_in()
        page = person.open(f"{shown.verification_uri_complete}&g_continue")
        assert "prompt=deviceComplete" in page.url, page.url

    def let_in(self, address: str, words: str = "Logged in") -> None:
        """As its page does: log in, grant, go on."""
        person = self._log_in()
        person.open(f"{address}&g_continue")
        come_back(person, words)


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens on at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = tuple(one.getsockname()[1] for one in sockets)
    for one in sockets:
        one.close()
    return ports


def set_up(root: str, ports: tuple[int, ...]) -> None:
    """A person, an OpenID Connect server, and a program of every kind."""
    api = Api(root)
    api("POST", "auth/", ADMINISTRATOR)
    for scope in SCOPES[1:]:
        api("POST", "scope/", {"name": scope, "display_name": scope})
    api("POST", "user/", {
        "username": PERSON, "password": PASSWORD_THERE, "name": "Pat", "email": "person@example.com",
        "scope": [*SCOPES, "g_profile"], "enabled": True,
    })  # fmt: skip
    signing = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "one"}).as_dict(private=True)
    flows = ("code", "client", "device", "refresh")
    api("POST", "mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "", "enabled": True, "parameters": {
        "iss": f"{root}/oidc", "jwks-private": json.dumps({"keys": [signing]}), "jwks-show": True, "default-kid": "one",
        "jwt-type": "rsa", "jwt-key-size": "256", "subject-type": "public",
        "access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 600,
        "refresh-token-rolling": True, "refresh-token-one-use": "never", "allow-non-oidc": True,
        **{f"auth-type-{flow}-enabled": True for flow in flows}, "auth-type-password-enabled": False,
        "scope": [], "allowed-scope": ["openid"], "email-claim": "mandatory", "name-claim": "mandatory",
        "pkce-allowed": True, "pkce-required-public-client": True,
        "device-authorization-expiration": 600, "device-authorization-interval": INTERVAL_S,
        "introspection-revocation-allowed": True, "introspection-revocation-allow-target-client": True,
        "request-parameter-allow": True, "client-jwks-parameter": "jwks", "client-jwks_uri-parameter": "jwks_uri",
        "client-pubkey-parameter": "pubkey", "resource-allowed": False,
    }})  # fmt: skip
    every = ["device_authorization", "code", "refresh_token", "client_credentials"]
    person = {
        "authorization_type": every[:-1], "enabled": True, "scope": [],
        "redirect_uri": [f"http://127.0.0.1:{port}/callback" for port in ports],
    }  # fmt: skip
    machine = {"authorization_type": ["client_credentials"], "enabled": True, "scope": [SCOPE], "redirect_uri": []}
    secret = {"confidential": True, "client_secret": SECRET}
    keyed = {"confidential": True, "jwks": {"keys": [KEY.as_dict(private=False)]}}
    for name, method, settings in (
        ("native", "none", {**person, "confidential": False}),
        ("keeps", "none", {**person, "confidential": False}),
        # It lets nobody revoke who could not log in as a machine, too.
        ("confidential", "client_secret_basic", {**person, **secret, "authorization_type": every}),
        ("basic", "client_secret_basic", {**machine, **secret}),
        ("post", "client_secret_post", {**machine, **secret, "client_secret": PLUS_SECRET}),
        ("key", "private_key_jwt", {**machine, **keyed}),
    ):
        api("POST", "client/", {"client_id": name, "name": name, "token_endpoint_auth_method": [method], **settings})


@contextmanager
def glewlwyd() -> Iterator[Server]:
    """A server with a database of its own, and a few ports that browsers may come back to: it compares them."""
    folder, program, environment = unpacked("glewlwyd")
    port, *ports = free_ports(4)
    with TemporaryDirectory() as made:
        database, settings = Path(made, "db"), Path(made, "glewlwyd.conf")
        with closing(sqlite3.connect(database)) as opened:
            opened.executescript(f"BEGIN;{tables(folder)}COMMIT;")  # all at once: each commit costs a sync
        modules = next(folder.glob("usr/lib/**/glewlwyd/plugin")).parent
        settings.write_text(SETTINGS.format(port=port, modules=modules, database=database))
        command = [program, "-c", str(settings)]
        with TemporaryFile() as said, running(command, said, **environment) as process:
            root = f"http://127.0.0.1:{port}/api"
            wait_for(process, said, lambda _: "yes" if listens(f"{root}/config") else None)
            set_up(root, tuple(ports))
            yield Glewlwyd(
                f"{root}/oidc",
                {"browser": "native", "confidential browser": "confidential"},
                tuple(ports),
                interval=timedelta(seconds=INTERVAL_S),
                pause=INTERVAL_S + 0.1,
            )


def tables(folder: Path) -> str:
    """What its database begins with, as SQL; Debian packs long texts."""
    [path] = folder.glob("usr/share/doc/glewlwyd/database/init.sqlite3.sql*")
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def listens(address: str) -> bool:
    """Whether somebody listens there."""
    try:
        http.send(Request("GET", address))
    except Unreachable:
        return False
    return True
