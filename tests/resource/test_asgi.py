"""What the guard of an ASGI application makes of a scope."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from keyfob.guard import PRINCIPAL, CertificateHeader, Guard, Principal
from keyfob.jose.keys import SigningKey, thumbprint
from keyfob.jose.proofs import write_proof
from keyfob.protocol.dpop import Proof, hash_of
from keyfob.resource.frameworks.asgi import certificate_of, request_of
from keyfob.testing.flawed_tokens import TokenMaker

from .conftest import AUDIENCE, ISSUER, NOW
from .scenes import Issuer
from .test_bound import CERTIFICATE, DER, JKT, KEY, X5T


def scope_of(mint: TokenMaker, claims: dict[str, object], **more: object) -> dict[str, Any]:
    token = mint.saying(claims).reveal()
    shown = [(b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "method": "GET", "path": "/orders", "headers": shown, **more}


def run(guard: Guard, scope: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """Who came through, and what was sent."""
    passed: list[Any] = []
    sent: list[Any] = []

    async def app(inner: Any, receive: Any, send: Any) -> None:
        passed.append(inner.get(PRINCIPAL))

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard.asgi(app, "read:orders")(scope, receive, send))
    return passed, sent


def guard(mint: TokenMaker, **more: object) -> Guard:
    ways: dict[str, object] = {"send": Issuer(mint.key), "clock": lambda: NOW, **more}
    return Guard(issuer=ISSUER, audience=AUDIENCE, **ways)  # type: ignore[arg-type]


def test_a_certificate_of_the_servers_own_tls_is_taken_from_the_scope(mint: TokenMaker) -> None:
    """[RS-8705-01]."""
    tls = {"tls": {"client_cert_chain": [CERTIFICATE, "another"]}}
    passed, _ = run(guard(mint), scope_of(mint, {"cnf": {"x5t#S256": X5T}}, extensions=tls))
    assert isinstance(passed[0], Principal)
    passed, sent = run(guard(mint), scope_of(mint, {"cnf": {"x5t#S256": X5T}}))
    assert not passed
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    "extensions", [None, {}, {"tls": {}}, {"tls": {"client_cert_chain": None}}, {"tls": {"client_cert_chain": [b"x"]}}]
)
def test_where_there_is_no_certificate_there_is_none(extensions: object) -> None:
    assert certificate_of({"extensions": extensions}) is None
    assert certificate_of({}) is None
    assert certificate_of({"extensions": {"tls": {"client_cert_chain": (CERTIFICATE,)}}}) == DER


def test_a_proxys_header_is_believed_by_the_peer_that_the_server_names(mint: TokenMaker) -> None:
    """[RS-8705-01]."""
    api = guard(mint, certificates=CertificateHeader("client-cert", ("10.0.0.0/8",)))
    shown = (b"client-cert", b":" + base64.b64encode(DER) + b":")
    for client, passes in ((("10.0.0.1", 5), True), (("192.0.2.1", 5), False), (None, False)):
        scope = scope_of(mint, {"cnf": {"x5t#S256": X5T}}, client=client)
        scope["headers"].append(shown)
        assert bool(run(api, scope)[0]) is passes


@pytest.mark.parametrize(
    ("path", "raw", "seen"),
    [
        ("/a b", b"/a%20b", "/a%20b"),
        ("/a/b", b"/a%2Fb?x=1", "/a%2Fb"),
        ("/€", None, "/%E2%82%AC"),
        ("/a b", None, "/a%20b"),
        ("/\ud800", None, "/%3F"),
    ],
)
def test_the_path_is_the_one_on_the_wire(path: str, raw: bytes | None, seen: str) -> None:
    """[RS-9449-02]: proofs are for the address as it was written."""
    scope = {"path": path, "headers": [], **({} if raw is None else {"raw_path": raw})}
    assert request_of(scope).url == seen


def test_a_bound_token_passes_with_its_proof_through_asgi(mint: TokenMaker) -> None:
    """[RS-9449-02]."""
    assert thumbprint({name: KEY.public_jwk()[name] for name in ("kty", "crv", "x", "y")}) == JKT
    token = mint.saying({"cnf": {"jkt": JKT}})
    proof = write_proof(Proof("one", "GET", "https://orders.example/a%20b", NOW, hash_of(token)), KEY)
    headers = [(b"authorization", b"DPoP " + token.reveal().encode()), (b"dpop", proof.reveal().encode())]
    scope = {"type": "http", "method": "GET", "path": "/a b", "raw_path": b"/a%20b", "headers": headers}
    passed, _ = run(guard(mint, address="https://orders.example"), scope)
    assert isinstance(passed[0], Principal)


def test_a_websocket_is_closed_to_whoever_has_no_token_and_lifespan_is_let_through(mint: TokenMaker) -> None:
    scope = {"type": "websocket", "path": "/.well-known/oauth-protected-resource", "headers": []}
    passed, sent = run(guard(mint, address="https://orders.example"), scope)
    assert not passed
    assert sent == [{"type": "websocket.close", "code": 1008}]
    passed, _ = run(guard(mint), {"type": "lifespan"})
    assert passed == [None]


def test_a_key_of_another_kind_proves_as_well(mint: TokenMaker) -> None:
    """[RS-9449-02]."""
    key = SigningKey.generate("Ed25519")
    token = mint.saying({"cnf": {"jkt": key.key_id}})
    proof = write_proof(Proof("one", "GET", "https://orders.example/orders", NOW, hash_of(token)), key)
    headers = [(b"authorization", b"dpop " + token.reveal().encode()), (b"dpop", proof.reveal().encode())]
    scope = {"type": "http", "method": "GET", "path": "/orders", "headers": headers}
    assert run(guard(mint, address="https://orders.example"), scope)[0]
