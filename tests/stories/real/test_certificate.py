"""A program logs in by its certificate, where the issuer wants those, and calls an API that wants it too."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import aiohttp
import httpx
import httpx2
import pytest
import requests

from keyfob.login import App, Session, aio
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.http import Request
from tests.cli.desk import Desk, desk
from tests.cli.issuer import WELL_KNOWN, as_json
from tests.loopback import Answer, Loopback, says, serving
from tests.tls import Ground, Made, make

__all__ = ["desk"]
REFUSED = as_json(401, error="invalid_client")


@dataclass
class Place:
    """An issuer that is open to all, its address for certificates, and an API; the last two want a certificate.

    Attributes:
        robot: The certificate's name that the issuer has on record.
    """

    ground: Ground
    certificate: Path
    key: Path
    issuer: Loopback = field(init=False)
    mtls: Loopback = field(init=False)
    api: Loopback = field(init=False)
    issued: int = 0

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--certificate", str(self.certificate), "--certificate-key", str(self.key))

    def app(self, folder: Path, **more: object) -> App:
        return App(
            issuer=f"{self.issuer.url}/", client_id="robot", is_machine=True, ca=self.ground.ca, home=folder,
            certificate=self.certificate, certificate_key=self.key, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def token(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """To whoever has a certificate of the authority and says its name; bound to it."""
        shown = handler.connection.getpeercert(binary_form=True)  # type: ignore[attr-defined]
        if not shown or parse_qs(body.decode()).get("client_id") != ["robot"]:
            REFUSED(handler, body)
            return
        self.issued += 1
        said = json.dumps({"jti": self.issued, "cnf": {"x5t#S256": thumbprint_of(shown)}}).encode()
        token = f"e30.{base64.urlsafe_b64encode(said).rstrip(b'=').decode()}.c2ln"
        as_json(200, access_token=token, token_type="Bearer", expires_in=3600)(handler, body)

    def orders(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """To whoever shows the certificate that the token is bound to (RFC 8705 §3)."""
        shown = handler.connection.getpeercert(binary_form=True)  # type: ignore[attr-defined]
        token = (handler.headers.get("authorization") or "..").split(".")[1]
        bound = json.loads(base64.urlsafe_b64decode(f"{token}==") or "{}").get("cnf", {}).get("x5t#S256")
        is_ours = shown and bound == thumbprint_of(shown)
        refusal = says(401, b"no", www_authenticate='Bearer error="invalid_token"')
        (as_json(200, orders=[1, 2]) if is_ours else refusal)(handler, body)


@contextmanager
def login_status(folder: Path, asks: ssl.VerifyMode = ssl.CERT_REQUIRED) -> Generator[Place]:
    ground = Ground.at(folder)
    place = Place(ground, *make("robot", ground.authority).lay(folder))

    def metadata(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url, mtls = place.issuer.url, place.mtls.url
        aliases = {"token_endpoint": f"{mtls}/token", "device_authorization_endpoint": f"{mtls}/device"}
        methods = ["tls_client_auth", "client_secret_basic"]
        as_json(
            200, issuer=f"{url}/", token_endpoint=f"{url}/token", mtls_endpoint_aliases=aliases,
            tls_client_certificate_bound_access_tokens=True, token_endpoint_auth_methods_supported=methods,
        )(handler, body)  # fmt: skip

    with contextlib.ExitStack() as open_:

        def serve(paths: dict[str, Answer], verify: ssl.VerifyMode) -> Loopback:
            return open_.enter_context(serving(paths, ground.context(verify)))

        place.issuer = serve({WELL_KNOWN: metadata, "/token": REFUSED}, ssl.CERT_NONE)
        place.mtls = serve({"/token": place.token}, asks)
        place.api = serve({"/orders": place.orders}, asks)
        yield place


@pytest.fixture
def place(tmp_path: Path) -> Generator[Place]:
    (tmp_path / "place").mkdir()
    with login_status(tmp_path / "place") as stands:
        yield stands


def login(desk: Desk, place: Place, *more: str) -> tuple[int, str]:
    ran = desk.type(
        "login", "--flow", "machine", "--issuer", f"{place.issuer.url}/", "--client-id", "robot",
        "--ca", str(place.ground.ca), *(more or place.flags),
    )  # fmt: skip
    return ran.code, ran.err


# At the command line.


def test_the_address_for_certificates_gets_the_call_with_certificate_and_client_id(desk: Desk, place: Place) -> None:
    """[C-8705-01]"""
    assert login(desk, place)[0] == 0
    assert [path for _, path, _, _ in place.issuer.came] == [WELL_KNOWN]
    [(_, path, headers, body)] = place.mtls.came
    assert (path, parse_qs(body.decode())) == ("/token", {"grant_type": ["client_credentials"], "client_id": ["robot"]})
    assert "authorization" not in headers
    assert place.mtls.shown == [Made(place.certificate.read_bytes(), b"").der]


def test_a_call_shows_the_same_certificate_and_token_says_that_it_is_needed(desk: Desk, place: Place) -> None:
    """[C-8705-01]"""
    login(desk, place)
    called = desk.type("call", f"{place.api.url}/orders")
    assert (called.code, json.loads(called.out)) == (0, {"orders": [1, 2]})
    for _ in range(2):  # the second time would be the quick way's, if it had anything to give
        printed = desk.type("token")
        assert printed.out.count(".") == 2
        assert "with this login's client certificate" in printed.err
    assert not list(desk.home.glob("quick/*"))
    stands = desk.type("status", "--json").members()
    assert stands["bound"] is True
    assert place.issued == 1


def test_a_certificate_that_was_replaced_meanwhile_gets_a_token_of_its_own(desk: Desk, place: Place) -> None:
    """[C-8705-01]"""
    login(desk, place)
    first = desk.type("token").out
    make("robot", place.ground.authority).lay(place.certificate.parent)
    assert desk.type("call", f"{place.api.url}/orders").code == 0
    assert desk.type("token").out != first
    assert place.issued == 2


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (lambda _: make("robot"), 3, "refused the client certificate: its issuer is not trusted"),
        (lambda place: make("robot", place.ground.authority), 0, ""),
        (lambda place: Made(place.certificate.read_bytes(), make().key), 2, "does not match the certificate"),
    ],
)
def test_whose_certificate_it_is_matters(
    desk: Desk, place: Place, spoil: Callable[[Place], Made], code: int, said: str
) -> None:
    """[C-8705-01]"""
    spoil(place).lay(place.certificate.parent)
    found, err = login(desk, place)
    assert found == code
    assert said in err


def test_without_a_certificate_the_issuer_is_asked_where_it_always_is(
    desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """[C-8705-01]"""
    monkeypatch.setenv("ROBOT_SECRET", "x")
    code, err = login(desk, place, "--secret-env", "ROBOT_SECRET")
    assert (code, "invalid_client" in err) == (3, True)
    assert place.mtls.came == []


def test_a_certificate_that_nobody_wants_is_refused_by_the_server_in_its_own_words(desk: Desk, tmp_path: Path) -> None:
    """[C-8705-01]: it asks for none, so it is shown none."""
    (tmp_path / "open").mkdir()
    with login_status(tmp_path / "open", ssl.CERT_NONE) as place:
        code, err = login(desk, place)
    assert (code, "invalid_client" in err, "certificate" in err) == (3, True, True)


def test_an_api_that_wants_a_certificate_before_it_says_anything_is_a_refusal(
    desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_CA", str(place.ground.ca))
    ran = desk.type("call", "--json", f"{place.api.url}/orders")
    assert (ran.code, ran.error()) == (3, "certificate-refused")


def test_the_settings_say_where_it_lies_and_explain_says_who_did(
    desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_CERTIFICATE", str(place.certificate))
    monkeypatch.setenv("KEYFOB_CERTIFICATE_KEY", str(place.key))
    code, err = login(desk, place, "--scope", "read:orders")
    assert (code, err.count("logged in")) == (0, 1)
    monkeypatch.delenv("KEYFOB_CERTIFICATE")
    monkeypatch.delenv("KEYFOB_CERTIFICATE_KEY")
    found = desk.type("explain", "--json").members()["settings"]
    assert isinstance(found, dict)
    assert found["certificate"] == {"value": str(place.certificate), "from": "login", "where": None}
    assert found["certificate_key"] == {"value": str(place.key), "from": "login", "where": None}
    assert desk.type("call", f"{place.api.url}/orders").code == 0


# In Python, with each library.


def with_httpx2(session: Session, url: str) -> int:
    with httpx2.Client(auth=session.auth_for_httpx2(), verify=session.tls()) as client:
        return client.get(url).status_code


def with_httpx(session: Session, url: str) -> int:
    return httpx.get(url, auth=session.auth_for_httpx(), verify=session.tls()).status_code


def with_ours(session: Session, url: str) -> int:
    with session.http() as client:
        return client.get(url).status_code


def with_send(session: Session, url: str) -> int:
    return session.send(Request("GET", url)).status


def with_aiohttp(session: Session, url: str) -> int:
    async def run() -> int:
        connector = aiohttp.TCPConnector(ssl=session.tls())
        async with (
            aiohttp.ClientSession(middlewares=(session.auth_for_aiohttp(),), connector=connector) as client,
            client.get(url) as answer,
        ):
            return answer.status

    return asyncio.run(run())


EVERY_LIBRARY = pytest.mark.parametrize("call", [with_httpx2, with_httpx, with_ours, with_send, with_aiohttp])


@EVERY_LIBRARY
def test_every_library_that_takes_a_context_shows_the_certificate(
    place: Place, tmp_path: Path, call: Callable[[Session, str], int]
) -> None:
    """[C-8705-01]"""
    app = place.app(tmp_path / "home")
    app.log_in()
    session = app.session()
    assert call(session, f"{place.api.url}/orders") == 200
    make("robot", place.ground.authority).lay(place.certificate.parent)
    assert call(session, f"{place.api.url}/orders") == 200
    assert place.issued == 2


def test_requests_is_told_the_files(place: Place, tmp_path: Path) -> None:
    """[C-8705-01]"""
    app = place.app(tmp_path / "home")
    app.log_in()
    answer = requests.get(
        f"{place.api.url}/orders", auth=app.session().auth_for_requests(), timeout=5,
        cert=(str(place.certificate), str(place.key)), verify=str(place.ground.ca),
    )  # fmt: skip
    assert answer.json() == {"orders": [1, 2]}


def test_the_same_for_an_event_loop(place: Place, tmp_path: Path) -> None:
    """[C-8705-01]"""

    async def run() -> int:
        app = aio.App(place.app(tmp_path / "home"))
        await app.log_in()
        async with app.session().http() as client:
            return (await client.get(f"{place.api.url}/orders")).status_code

    assert asyncio.run(run()) == 200


def test_a_session_without_a_certificate_has_a_context_as_well(tmp_path: Path) -> None:
    app = App(issuer="https://login.example/", client_id="cli", home=tmp_path)
    assert app.session().tls().verify_mode is ssl.CERT_REQUIRED
