"""Authorization servers of somebody else's, started on this machine, and a person at their pages."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import ECKey

from keyfob.client.model.source import Source
from keyfob.client.ports import Vault
from keyfob.login import App, CodeShown
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.person import Person
from tests.tls import make
from tests.wild.hurry import Hurry
from tests.wild.peer import PEERS, node, python
from tests.wild.stage import AUDIENCE, LONGEST_S, PLUS_SECRET, SECRET

PERSON = "person"
PASSWORD_THERE = "correct horse battery staple"
SCOPE = "orders"
# Where a program of ours finds its secret or key.
VARIABLE = "PROOF_OF_THE_PROGRAM"
IN_VARIABLE = Source("secret", "env", VARIABLE)
MACHINES = ("basic", "plus", "post", "key")
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "wild"})
AUTHORITY = make("authority", is_authority=True)
_SERVER = make("server", AUTHORITY)
# A program's certificate that nobody has signed, and how a server is told of it.
OWN = make("own")
_X5C = {"x5c": [base64.b64encode(OWN.der).decode()]}
TLS = {
    "certificate": _SERVER.certificate.decode(),
    "key": _SERVER.key.decode(),
    "ca": AUTHORITY.certificate.decode(),
    "own": ECKey.import_key(OWN.key.decode()).as_dict(private=False) | _X5C,
}
TOLD = {"secret": SECRET, "plus": PLUS_SECRET, "audience": AUDIENCE, "jwk": KEY.as_dict(private=False), "tls": TLS}


def logs_in(flow: str, *servers: str) -> Callable[[Callable[..., None]], object]:
    """Run a test at each of these servers: the cells of docs/interop.md that it stands for.

    `tools.interop` reads these words from the source, so they are written as plain strings.
    """
    del flow
    return pytest.mark.parametrize("server", servers, indirect=True, scope="session")


@dataclass
class Server:
    """A running server, and what its person does in a browser.

    Attributes:
        programs: What a kind of program is called there, where it is not called by its kind.
        ports: Where a browser may come back to, if the server compares ports.
        endpoints: What its metadata does not say.
        is_resource: Whether it knows an API as `resource` (RFC 8707).
        interval: How often a program may ask for tokens.
        pause: How many seconds must really pass between two questions, if the server measures that.
    """

    issuer: str
    programs: dict[str, str] = field(default_factory=dict[str, str])
    ports: tuple[int, ...] = ()
    endpoints: dict[str, str] = field(default_factory=dict[str, str])
    is_resource: bool = False
    interval: timedelta = timedelta(seconds=1)
    pause: float = 0

    def app(self, program: str, world: Hurry, credential: Source | None = None, vault: Vault | None = None) -> App:
        """A program of ours that logs in there."""
        return App(
            issuer=self.issuer,
            client_id=self.programs.get(program, program),
            audience=AUDIENCE,
            scopes=[SCOPE],
            credential=credential,
            is_machine=program in MACHINES,
            is_resource=self.is_resource,
            callbacks=[f"http://127.0.0.1:{port}/callback" for port in self.ports],
            endpoints=self.endpoints,
            flow="browser" if "browser" in program else "device",
            vault=vault or MemoryVault(),
            world=world,
        )

    def approve(self, shown: CodeShown) -> None:
        """Enter a device's code, log in, and let it in."""
        raise NotImplementedError

    def decline(self, shown: CodeShown) -> None:
        """Enter a device's code, and do not let it in."""
        raise NotImplementedError

    def let_in(self, address: str, words: str = "Logged in") -> None:
        """Open a program's authorization address, log in, let it in, and come back to the program, which says that."""
        raise NotImplementedError

    def turn_away(self, address: str) -> None:
        """Open a program's authorization address, and do not let it in; back to the program all the same."""
        raise NotImplementedError


class OidcProvider(Server):
    """npm's oidc-provider, with the pages that it brings."""

    def _enter(self, shown: CodeShown) -> Person:
        person = Person()
        person.open(shown.verification_uri)
        person.press(user_code=shown.user_code)
        return person

    def approve(self, shown: CodeShown) -> None:
        """Its page for the code, its page to confirm, then log-in and consent."""
        person = self._enter(shown)
        person.press("")
        self._log_in(person)
        assert "Sign-in Success" in person.page.text, person.page.text

    def decline(self, shown: CodeShown) -> None:
        """The other button of the page to confirm."""
        person = self._enter(shown)
        person.press("abort")
        assert "The Sign-in request was interrupted" in person.page.text, person.page.text

    def _log_in(self, person: Person) -> None:
        person.press(login=PERSON, password=PASSWORD_THERE)
        person.press("")

    def let_in(self, address: str, words: str = "Logged in") -> None:
        """Log-in and consent."""
        person = Person()
        person.open(address)
        self._log_in(person)
        come_back(person, words)

    def turn_away(self, address: str) -> None:
        """The link `Cancel` of the page to log in."""
        person = Person()
        page = person.open(address)
        person.open(f"{page.url}/abort")
        come_back(person, "Not logged in")


class Django(Server):
    """PyPI's django-oauth-toolkit, with the pages that it brings."""

    def _enter(self, shown: CodeShown) -> Person:
        person = Person()
        person.open(shown.verification_uri_complete or "")
        person.press(username=PERSON, password=PASSWORD_THERE)
        person.press(user_code=shown.user_code)
        return person

    def approve(self, shown: CodeShown) -> None:
        """Log in, confirm the code, accept."""
        page = self._enter(shown).press("accept")
        assert "Authorized" in page.text, page.text

    def decline(self, shown: CodeShown) -> None:
        """Log in, confirm the code, deny."""
        page = self._enter(shown).press("deny")
        assert "Denied" in page.text, page.text

    def _arrive(self, address: str) -> Person:
        person = Person()
        person.open(address)
        person.press(username=PERSON, password=PASSWORD_THERE)
        return person

    def let_in(self, address: str, words: str = "Logged in") -> None:
        """Log in, authorize."""
        person = self._arrive(address)
        person.press("allow")
        come_back(person, words)

    def turn_away(self, address: str) -> None:
        """Log in, cancel."""
        person = self._arrive(address)
        person.press("Cancel")
        come_back(person, "Not logged in")


def come_back(person: Person, words: str) -> None:
    """The browser comes back to the program, which says how it ended."""
    if urlsplit(person.page.url).path != "/callback":
        # An answer in a form: it sends itself in a browser with JavaScript, and has a button for others.
        assert [urlsplit(form.action).path for form in person.page.forms] == ["/callback"], person.page
        person.press()
    assert words in person.page.text, (person.page.status, person.page.url, person.page.text)


@contextmanager
def running(command: list[str], said: IO[bytes], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process, ended by its own id; it is gone, too, when nobody holds its stdin any more.

    Args:
        command: How it is started.
        said: A file for all that it says.
        environment: What it is told besides.
    """
    # Neither our settings nor the machine's proxy are for it: it speaks with this machine alone.
    ours = ("KEYFOB", "PYTHON", "DJANGO")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }
    told = {**kept, "PYTHONUTF8": "1", **environment}
    process = subprocess.Popen(command, env=told, stdin=subprocess.PIPE, stdout=said, stderr=said)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=LONGEST_S)


def wait_for(process: subprocess.Popen[bytes], said: IO[bytes], find: Callable[[bytes], str | None]) -> str:
    """Return what is found in what a server says, as soon as it is."""
    end = time.monotonic() + LONGEST_S
    while True:
        has_ended = process.poll() is not None
        said.seek(0)
        text = said.read()
        if found := find(text):
            return found
        assert not has_ended, text.decode()
        assert time.monotonic() < end, text.decode()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)


def issuer_in(text: bytes) -> str | None:
    """The issuer that a server says it is, once it listens."""
    line = next((line for line in text.splitlines(keepends=True) if line.startswith(b'{"issuer"')), b"")
    return str(json.loads(line)["issuer"]) if line.endswith(b"\n") else None


@contextmanager
def speaking(*command: str) -> Iterator[str]:
    """A server that says what its issuer is."""
    with TemporaryFile() as said, running([*command, json.dumps(TOLD)], said) as process:
        yield wait_for(process, said, issuer_in)


@contextmanager
def oidc_provider() -> Iterator[Server]:
    """npm's oidc-provider."""
    with speaking(node(), "--no-warnings", str(PEERS / "serve_oidc_provider.mjs")) as issuer:
        # It names no interval, so it is five seconds (RFC 8628 §3.2).
        programs = {"browser": "native", "confidential browser": "confidential"}
        yield OidcProvider(issuer, programs, is_resource=True, interval=timedelta(seconds=5))


@contextmanager
def django() -> Iterator[Server]:
    """PyPI's django-oauth-toolkit, where a program has one grant and no more."""
    with speaking(python(), "-B", str(PEERS / "serve_django.py")) as issuer:
        programs = {"browser": "native-code", "confidential browser": "confidential-code"}
        # What it publishes for OpenID Connect has neither.
        addresses = {"device_authorization": "device-authorization", "revocation": "revoke_token"}
        endpoints = {f"{name}_endpoint": f"{issuer}/{path}/" for name, path in addresses.items()}
        yield Django(issuer, programs, endpoints=endpoints)
