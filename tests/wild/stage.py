"""A real tenant on this machine, programs of every kind registered at it, and a person at a browser."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import argon2
from joserfc.jwk import RSAKey

from keyfob.io import http
from keyfob.protocol.client_authentication import AuthMethod, Credentials
from keyfob.protocol.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    PASSWORD,
    PASSWORD_REALM,
    REFRESH_TOKEN,
)
from keyfob.protocol.http import Headers, Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Api, ApiGrant, Application, Connection, Running, Tenant, TenantConfig, bind, url_of
from keyfob.server.io.passwords import Argon2Passwords
from keyfob.server.settings.config import Wire
from keyfob.testing.person import Page, Person

AUDIENCE = "https://orders.example/"
EMAIL = "person@example.com"
ANOTHER_EMAIL = "another@example.com"
PASSWORD_OF_PERSON = "correct horse battery staple"
# Nobody listens there: the person's browser stops before it, and the test hands the address to the program.
CALLBACK = "http://127.0.0.1:51089/cb"
# As Auth0's look.
SECRET = "aZ-9_bTYc8-Xd7_We6WVf5-Ug4_Th3RSi2-Rj1_Qk0BPl9-Om8_Nn7HMo6-Lp5_k"
# As `openssl rand -base64` makes them. In a Basic header a plus has to be escaped, or it is a space (RFC 6749 App. B).
PLUS_SECRET = "aZ-9_b+Yc8-Xd7_We6+Vf5-Ug4_Th3+Si2-Rj1_Qk0+Pl9-Om8_Nn7+Mo6-Lp5_k"
WRONG_SECRET = "a-wrong-secret-that-is-long-enough-to-be-one"
ORDERS = {"read:orders": "see your orders", "write:orders": "change your orders"}
# What a program says of itself, and what it asks for.
FULL = "openid profile email offline_access read:orders"
NATIVE = {"client_id": "wild-native", "audience": AUDIENCE, "scope": FULL}
CODE = {**NATIVE, "callback": CALLBACK}
BASIC = {"client_id": "wild-basic", "method": "client_secret_basic", "secret": SECRET}
POST = {"client_id": "wild-post", "method": "client_secret_post", "secret": PLUS_SECRET}
PERSONS = (AUTHORIZATION_CODE, REFRESH_TOKEN)
LONGEST_S = 20.0


@dataclass(frozen=True)
class Exchange:
    """One request as it came over the wire, and what it got."""

    method: str
    path: str
    headers: dict[str, str]
    status: int
    body: bytes

    @property
    def error(self) -> object:
        """The OAuth error of the answer."""
        return json.loads(self.body).get("error") if self.status >= 400 else None


@dataclass
class Tap:
    """Stands in front of the tenant, changes nothing and remembers what passed."""

    app: Callable[..., object]
    passed: list[Exchange] = field(default_factory=list[Exchange], repr=False)
    _news: threading.Condition = field(default_factory=threading.Condition, repr=False)

    async def __call__(self, scope: dict, receive: object, send: Callable) -> None:  # type: ignore[type-arg]
        start: dict[str, Any] = {}

        async def save(message: dict) -> None:  # type: ignore[type-arg]
            # The first half waits for the second: some programs are gone once they have read a status.
            if message["type"] == "http.response.start":
                start.update(message)
                return
            headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            with self._news:
                exchange = Exchange(scope["method"], scope["path"], headers, start["status"], message["body"])
                self.passed.append(exchange)
                self._news.notify_all()
            await send(start)
            await send(message)

        await self.app(scope, receive, save)  # type: ignore[misc]

    def to(self, path: str) -> list[Exchange]:
        """What went to one address."""
        return [one for one in self.passed if one.path == path]

    def errors(self, path: str = "/oauth/token") -> list[object]:
        """The errors that one address answered, in order."""
        return [one.error for one in self.to(path) if one.error]

    def wait_for(self, error: str) -> None:
        """Return when the token endpoint has answered that."""
        with self._news:
            assert self._news.wait_for(lambda: error in self.errors(), LONGEST_S), f"{error} was never answered"


@dataclass
class Stage:
    """Everybody together.

    Attributes:
        sub: The person's.
        key: The private key of `wild-key`, as a JWK.
    """

    wire: Wire
    issuer: str
    tap: Tap
    sub: str
    key: dict[str, object] = field(repr=False)
    pem: str = field(repr=False)

    @property
    def with_key(self) -> dict[str, object]:
        """What the machine with a key says of itself."""
        return {"client_id": "wild-key", "method": "private_key_jwt", "jwk": self.key, "pem": self.pem}

    @property
    def is_rfc(self) -> bool:
        """Whether the tenant speaks as the RFCs have it."""
        return self.wire == "rfc"

    def choose(self, auth0: object, rfc: object) -> object:
        """What is right in this dialect."""
        return rfc if self.is_rfc else auth0

    def person(self) -> Person:
        """Somebody at a browser that stops at the program's callback."""

        def send(request: Request) -> Response:
            return Response(200) if request.url.startswith(CALLBACK) else http.send(request)

        return Person(send)

    def decide(self, url: str, answer: str = "approve") -> str:
        """Open a program's authorization address, log in, approve or decline; the address that the browser ends at."""
        person = self.person()
        page = person.open(url)
        if answer == "approve" and _offers(page, "login"):
            page = person.press("login", email=EMAIL, password=PASSWORD_OF_PERSON)
        if not page.url.startswith(CALLBACK):
            page = person.press(answer)
        assert page.url.startswith(CALLBACK), page.text
        return page.url

    def post(self, path: str, headers: Headers = (), **fields: str) -> dict[str, object]:
        """A form, as the plainest of programs sends it; the answer's members."""
        answer = http.send(form_request(f"{self.issuer}{path}", fields, headers=headers))
        assert answer.status == 200, answer.body
        found: dict[str, object] = json.loads(answer.body)
        return found

    def still_opens_to(self, program: dict[str, str]) -> None:
        """The right secret is taken, whatever was tried before."""
        method: AuthMethod = "client_secret_basic" if program is BASIC else "client_secret_post"
        fields, headers = Credentials(method, program["client_id"], Secret(program["secret"])).write()
        assert self.post("oauth/token", headers, grant_type=CLIENT_CREDENTIALS, audience=AUDIENCE, **fields)

    def renew(self, token: object) -> dict[str, object]:
        """New tokens for `wild-native`, before the program of a test asks for some."""
        return self.post("oauth/token", client_id="wild-native", grant_type=REFRESH_TOKEN, refresh_token=str(token))

    def log_in(self, scope: str = FULL) -> dict[str, object]:
        """A person's tokens in `wild-native`, for a test that begins where a login ends."""
        codes = self.post("oauth/device/code", client_id="wild-native", scope=scope, audience=AUDIENCE)
        self.activate({name: str(value) for name, value in codes.items()})
        code = str(codes["device_code"])
        return self.post("oauth/token", client_id="wild-native", grant_type=DEVICE_CODE, device_code=code)

    def in_a_while(self, asked: dict[str, str]) -> None:
        """Approve a device's code, but not before the program has heard that nobody has."""
        threading.Thread(target=self._after, args=("authorization_pending", asked)).start()

    def after_a_slow_down(self, asked: dict[str, str]) -> None:
        """Approve a device's code, but not before the program was told to slow down."""
        threading.Thread(target=self._after, args=("slow_down", asked)).start()

    def _after(self, error: str, asked: dict[str, str]) -> None:
        self.tap.wait_for(error)
        self.activate(asked)

    def decline(self, asked: dict[str, str]) -> None:
        """Enter a device's code, and decline."""
        self.activate(asked, "decline")

    def check_person(self, tokens: dict[str, object], *, audience: str = AUDIENCE, scope: str = "read:orders") -> None:
        """The access token is this person's, for that API and with that scope."""
        said = claims(tokens["access_token"])
        assert (said["iss"], said["sub"]) == (self.issuer, self.sub)
        assert audience in audiences(tokens["access_token"])
        assert scope in str(said["scope"]).split()

    def check_machine(self, tokens: dict[str, object], client_id: str, scope: str) -> None:
        """The access token is that machine's, with no more than that scope, and nothing comes with it."""
        said = claims(tokens["access_token"])
        assert (said["iss"], said["sub"]) == (self.issuer, f"{client_id}@clients")
        assert audiences(tokens["access_token"]) == {AUDIENCE}
        assert str(said["scope"]).split() == scope.split()
        assert not {"refresh_token", "id_token"} & {name for name, value in tokens.items() if value}

    def activate(self, asked: dict[str, str], answer: str = "confirm") -> None:
        """Enter a device's code, and approve or decline."""
        person = self.person()
        person.open(asked["verification_uri"])
        person.press("continue", user_code=asked["user_code"])
        assert asked["user_code"] in person.page.text
        person.press(answer)
        if answer == "confirm":
            person.press("login", email=EMAIL, password=PASSWORD_OF_PERSON)
            assert "logged in" in person.page.text, person.page.text
        else:
            assert "Nobody was logged in" in person.page.text, person.page.text


def _offers(page: Page, button: str) -> bool:
    return any(button in pair for form in page.forms for pair in form.buttons)


def claims(token: object) -> dict[str, object]:
    """What a JWT says; whether it is right is for the programs to judge."""
    assert isinstance(token, str)
    assert token.count(".") == 2, "a JWT"
    middle = token.split(".")[1]
    said: dict[str, object] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return said


def audiences(token: object) -> set[str]:
    """Whom a token is for; `aud` is a string or a list."""
    said = claims(token)["aud"]
    return {said} if isinstance(said, str) else set(said)  # type: ignore[arg-type]


def query(url: str) -> dict[str, str]:
    """The parameters in an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def applications(jwk: dict[str, object]) -> tuple[Application, ...]:
    """A program of every kind."""
    # Two secrets, as while one is being changed for the other.
    secrets = (Secret(SECRET), Secret(PLUS_SECRET))
    web = {"kind": "web", "callbacks": (CALLBACK,), "secrets": secrets}
    both = (*PERSONS, CLIENT_CREDENTIALS)
    passwords = (PASSWORD, PASSWORD_REALM, REFRESH_TOKEN)
    return (
        Application("wild-native", "Native", grants=(DEVICE_CODE, *PERSONS), callbacks=(CALLBACK,)),
        Application("wild-basic", "Web, Basic", grants=both, auth_methods=("client_secret_basic",), **web),
        Application("wild-post", "Web, post", grants=both, auth_methods=("client_secret_post",), **web),
        Application(
            "wild-key",
            "Machine with a key",
            kind="machine",
            grants=(CLIENT_CREDENTIALS,),
            auth_methods=("private_key_jwt",),
            public_keys=(jwk,),
        ),
        Application("wild-password", "Password", grants=passwords),
        Application(
            "wild-web-password",
            "Web, password",
            kind="web",
            grants=passwords,
            auth_methods=("client_secret_post",),
            secrets=(Secret(SECRET),),
        ),
    )


def configure(issuer: str, wire: Wire, jwk: dict[str, object]) -> TenantConfig:
    """A tenant that allows everything that somebody's program may want."""
    machines = ("wild-basic", "wild-post", "wild-key")
    return TenantConfig(
        issuer=issuer,
        wire=wire,
        applications=applications(jwk),
        apis=(Api(AUDIENCE, "Orders", dict(ORDERS), profile="rfc9068" if wire == "rfc" else "auth0"),),
        grants=tuple(ApiGrant(name, AUDIENCE, tuple(ORDERS)) for name in machines),
        connections=(Connection(allows_password=True),),
        default_directory=Connection().name,
        allows_password=True,
        mfa="never",
        device_interval=timedelta(seconds=1),
        guess_odds=0.5,
    )


@contextmanager
def on_stage(wire: Wire) -> Iterator[Stage]:
    """A tenant on loopback, stopped at the end."""
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "wild"})
    listener = bind("127.0.0.1", 0)
    passwords = Argon2Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    config = configure(url_of(listener), wire, dict(key.as_dict(private=False)))
    tenant = Tenant.in_memory(config, passwords=passwords)
    tap = Tap(tenant.app)
    running = Running(tap, listener)
    person = asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD_OF_PERSON), "Pat Example"))
    assert asyncio.run(tenant.add_user(ANOTHER_EMAIL, Secret(PASSWORD_OF_PERSON), "Sam Example"))
    assert person is not None
    pem = key.as_pem(private=True).decode()
    yield Stage(wire, running.url, tap, person.user_id, dict(key.as_dict(private=True)), pem)
    running.stop()
    tenant.close()
