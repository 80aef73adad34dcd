"""A tenant behind real nginx and HAProxy, configured as docs/operations.md says; each client has its own address."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Headers, Request, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Running, Tenant, bind
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.person import Person
from keyfob.testing.scene import EMAIL, PASSWORD, quick_passwords
from tests.server.wires import CHALLENGE, body_of
from tests.stories.real import proxies
from tests.tls import Ground

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is this machine on Linux only")
ISSUER = "https://login.example.com/"
NAMED = ("127.0.0.1/32",)
ALICE, BOB = "127.0.0.2", "127.0.0.3"
FORGED: tuple[Headers, ...] = (
    (("x-forwarded-for", "6.6.6.6"),),
    (("x-forwarded-for", "127.0.0.3"), ("X-Forwarded-For", "127.0.0.1")),
    (("forwarded", "for=6.6.6.6;proto=http;host=evil.example"),),
    (("x-real-ip", "6.6.6.6"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example")),
    (("x-forwarded-for", "unknown, ,"), ("x_forwarded_for", "6.6.6.6")),
    (("host", "evil.example"),),
)


@dataclass
class Entry:
    """A tenant and the proxies before it.

    Attributes:
        port: Where the outermost proxy listens.
    """

    ground: Ground
    port: int = field(default_factory=proxies.free_port)
    events: list[Mapping[str, object]] = field(default_factory=list[Mapping[str, object]])

    def sender(self, source: str, forged: Headers = ()) -> Callable[[Request], Response]:
        return proxies.sender(source, self.ground.authority, self.port, forged)

    def send(self, source: str, request: Request, forged: Headers = ()) -> Response:
        if forged[:1] and forged[0][0] == "host":  # a request has one Host
            request, forged = replace(request, url=request.url.replace("login.example.com", forged[0][1])), ()
        return self.sender(source, forged)(request)

    def password(self, source: str, password: str, forged: Headers = ()) -> int:
        form = {
            "grant_type": "password",
            "client_id": "legacy",
            "audience": ORDERS,
            "username": EMAIL,
            "password": password,
        }
        return self.send(source, form_request(f"{ISSUER}oauth/token", form), forged).status

    def shown_address(self, source: str, forged: Headers = ()) -> str:
        """Ask for a device login, and return the address that the user is shown."""
        asked = form_request(f"{ISSUER}oauth/device/code", {"client_id": "native", "scope": "openid"})
        codes = body_of(self.send(source, asked, forged))
        page = Person(self.sender(BOB)).open(str(codes["verification_uri_complete"]))
        assert page.status == 200
        found = re.search(r"<dd data-nearness=.*?\(([^)]*)\)</span>", page.response.body.decode(), re.DOTALL)
        return found.group(1) if found else ""


def enter(
    folder: Path, opened: ExitStack, name: str, trusted: tuple[str, ...], *changes: tuple[str, str], inner: str = ""
) -> Entry:
    ground = Ground.at(folder)
    ground.server.lay(folder, "server")
    ground.server.lay_together(folder)
    entry = Entry(ground)
    config = replace(example_config(ISSUER), trusted_proxies=trusted)
    tenant = Tenant.in_memory(config, passwords=quick_passwords(), audit=entry.events.append)
    asyncio.run(tenant.add_user(EMAIL, Secret(PASSWORD), "Pat"))
    listener = bind("127.0.0.1", 0)
    opened.callback(Running(tenant.app, listener).stop)
    opened.callback(tenant.close)
    upstream = listener.getsockname()[1]
    if inner:
        port = proxies.free_port()
        opened.enter_context(proxies.proxy(inner, port, upstream, folder, (" ssl;", ";")))
        upstream = port
    opened.enter_context(proxies.proxy(name, entry.port, upstream, folder, *changes))
    return entry


@pytest.fixture(params=["nginx", "haproxy"])
def entry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Entry]:
    with ExitStack() as opened:
        yield enter(tmp_path, opened, request.param, NAMED)


def test_a_client_is_its_own_address_everywhere(entry: Entry) -> None:
    """[FS-05] In limits, pages and the audit log, whatever headers it forges."""
    statuses = [entry.password(ALICE, "wrong", forged) for forged in FORGED * 2]
    assert statuses[:5] == [403] * 5
    assert 429 in statuses, "the first wait is a second, and a busy machine may reach a longer one only"
    assert entry.password(BOB, PASSWORD) == 200
    assert {entry.shown_address(ALICE, forged) for forged in FORGED} == {ALICE}
    ips = {(event["type"], event["ip"]) for event in entry.events if event["type"] in {"fepft", "fp", "sepft"}}
    assert {ip for kind, ip in ips if kind == "sepft"} == {BOB}
    assert {ip for kind, ip in ips if kind != "sepft"} == {ALICE}


def test_wrong_user_codes_close_the_page_for_their_sender_only(entry: Entry) -> None:
    """[FS-05] 3 wrong codes from anywhere closed it for all."""
    statuses = {}
    for source in (ALICE, BOB):
        person = Person(entry.sender(source, FORGED[0]))
        for _ in range(4 if source == ALICE else 1):
            person.open(f"{ISSUER}activate")
            statuses[source] = person.press("continue", user_code="BBBB-BBBB").status
    assert statuses[ALICE] == 429
    assert statuses[BOB] != 429


def test_a_client_with_ipv6_is_its_address(entry: Entry) -> None:
    """[FS-05]."""
    assert entry.shown_address("::1", FORGED[0]) == "::1"


def test_addresses_in_answers_are_the_issuers(entry: Entry) -> None:
    """[FS-05] No header of a request chooses where a user or a code goes."""
    for forged in FORGED:
        metadata = body_of(entry.send(ALICE, Request("GET", f"{ISSUER}.well-known/openid-configuration"), forged))
        assert metadata["issuer"] == ISSUER
        assert {str(url)[: len(ISSUER)] for name, url in metadata.items() if name.endswith("_endpoint")} == {ISSUER}
        asked = form_request(f"{ISSUER}oauth/device/code", {"client_id": "native"})
        assert str(body_of(entry.send(ALICE, asked, forged))["verification_uri"]).startswith(ISSUER)


def test_a_login_passes_the_proxy(entry: Entry) -> None:
    """Cookies with __Host-, the checks of Origin, redirects and polls."""
    send = entry.sender(ALICE)
    asked = form_request(f"{ISSUER}oauth/device/code", {"client_id": "native", "scope": "openid offline_access"})
    codes = body_of(send(asked))
    person = Person(entry.sender(BOB))
    person.open(str(codes["verification_uri"]))
    person.press("continue", user_code=str(codes["user_code"]))
    person.press("confirm")
    person.press("login", email=EMAIL, password=PASSWORD)
    assert "logged in" in person.page.text
    assert all(name.startswith("__Host-") for name in person.cookies)
    polled = {"grant_type": DEVICE_CODE, "client_id": "native", "device_code": str(codes["device_code"])}
    tokens = body_of(send(form_request(f"{ISSUER}oauth/token", polled)))
    refreshed = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": str(tokens["refresh_token"])}
    assert body_of(send(form_request(f"{ISSUER}oauth/token", refreshed)))["access_token"]
    assert {event["ip"] for event in entry.events if event["type"] in {"s", "sede", "sertft"}} <= {ALICE, BOB}


def authorization(state: str) -> Request:
    asked = {"client_id": "native", "response_type": "code", "redirect_uri": "http://127.0.0.1:8484/callback"}
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return Request("GET", f"{ISSUER}authorize?{urlencode({**asked, **pkce, 'scope': 'openid', 'state': state})}")


def test_the_longest_state_passes_the_proxy_both_ways(entry: Entry) -> None:
    """A proxy's usual buffers are 4 to 16 KiB, and its answer was then 400 or 502."""
    state = "s" * 16_000  # is refused, and comes back all the same
    answer = entry.send(ALICE, authorization(state))
    assert answer.status in {302, 303}
    assert state in (answer.header("location") or "")
    assert Person(entry.sender(ALICE)).open(authorization("s" * 4_000).url).status == 200


def test_several_proxies_in_a_row(tmp_path: Path) -> None:
    """[FS-05] The right-most entry that is no named proxy is the client."""
    with ExitStack() as opened:
        entry = enter(tmp_path, opened, "haproxy", NAMED, inner="nginx")
        assert {entry.shown_address(ALICE, forged) for forged in FORGED} == {ALICE}


def test_a_proxy_that_writes_forwarded(tmp_path: Path) -> None:
    """[FS-05] RFC 7239 §6."""
    lines = """http-request del-header X-Forwarded-For
    http-request set-header Forwarded for="\\"[%[src]]\\"" if { src -m sub : }
    http-request set-header Forwarded for=%[src] if !{ src -m sub : }"""
    with ExitStack() as opened:
        entry = enter(tmp_path, opened, "haproxy", NAMED, ("option forwardfor", lines))
        assert {entry.shown_address(ALICE, forged) for forged in FORGED} == {ALICE}
        assert entry.shown_address("::1", FORGED[2]) == "::1"


def test_an_address_is_hidden_if_no_proxy_is_named(tmp_path: Path) -> None:
    """[FS-05] It was shown wrong."""
    with ExitStack() as opened:
        entry = enter(tmp_path, opened, "haproxy", ())
        assert {entry.shown_address(ALICE, forged) for forged in FORGED} == {""}
        assert {event["ip"] for event in entry.events if "ip" in event} <= {""}
