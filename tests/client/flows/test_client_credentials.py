"""A program logs in as itself, against a scripted issuer and in a scene."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from keyfob.client.auth.client_auth import OAuthClient, methods_for, post
from keyfob.client.flows.client_credentials import log_in
from keyfob.client.io.secret_sources import read_credential
from keyfob.client.model.credential import PrivateKey
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.errors import Malformed, Misuse, Refused, Unreachable
from keyfob.jose.algorithms import Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import take_apart
from keyfob.login import App
from keyfob.protocol.http import Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.example_tenant import MACHINE_KEY, ORDERS, SECRET, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scene import Scene, SceneWorld
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import API, ISSUER, METADATA, OPENID, error, tokens

PROFILE = Profile(
    "ci", ISSUER, "machine", API, Scope.of(["read:orders"]), Source("secret", "env", "X"), is_machine=True
)
WORD = Secret("s3cret +/with %")


def world_of(*answers: object, offered: tuple[str, ...] = ()) -> ScriptedWorld:
    document = json_response(200, replace(METADATA, token_endpoint_auth_methods_supported=offered).write())
    return ScriptedWorld({OPENID: [document], "/token": list(answers)})  # type: ignore[dict-item]


def body_of(world: ScriptedWorld, number: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(world.requests("/token")[number].body.decode()).items()}


def test_a_secret_travels_in_the_basic_header_encoded() -> None:
    """[C-6749-02]: RFC 6749 §2.3.1; nothing of it stands in the body."""
    world = world_of(tokens(scope="read:orders"))
    stored = run(log_in(world, PROFILE, WORD))
    header = world.requests("/token")[0].header("authorization") or ""
    assert base64.b64decode(header.removeprefix("Basic ")) == b"machine:s3cret+%2B%2Fwith+%25"
    assert body_of(world) == {"grant_type": "client_credentials", "audience": API, "scope": "read:orders"}
    assert (stored.refresh_token, stored.subject, stored.client_id) == (None, None, "machine")


def test_a_secret_travels_in_the_body_where_only_that_is_offered() -> None:
    world = world_of(tokens(), offered=("client_secret_post",))
    run(log_in(world, PROFILE, WORD))
    assert body_of(world)["client_secret"] == WORD.reveal()
    assert world.requests("/token")[0].header("authorization") is None


def test_a_refused_header_is_followed_by_the_body_once() -> None:
    """Metadata speaks of the server; this program may be registered for one way only."""
    both = ("client_secret_post", "client_secret_basic")
    world = world_of(error("invalid_client", 401), tokens(), offered=both)
    stored = run(log_in(world, PROFILE, WORD))
    assert "client_secret" not in body_of(world, 0)
    assert body_of(world, 1)["client_secret"] == WORD.reveal()
    assert stored.methods == ("client_secret_post",), "what was refused is not tried again at every later request"
    refused = world_of(error("access_denied", 401), error("access_denied", 401), offered=both)
    with pytest.raises(Refused, match="access_denied"):
        run(log_in(refused, PROFILE, WORD))
    assert len(refused.requests("/token")) == 2


def test_a_server_that_fails_has_accepted_no_method() -> None:
    both = ("client_secret_basic", "client_secret_post")
    client = OAuthClient("machine", ISSUER, WORD, both)
    world = ScriptedWorld({"/token": [error("server_error", 503), tokens()]})
    assert run(post(world, client, f"{ISSUER}token", {})).status == 503
    assert client.methods == both
    assert run(post(world, client, f"{ISSUER}token", {})).status == 200
    assert client.methods == both[:1]


@pytest.mark.parametrize("answer", [Response(403), error("invalid_client", 400)], ids=["403 and no word", "400"])
def test_a_server_may_refuse_the_header_in_its_own_way(answer: Response) -> None:
    """RFC 6749 §5.2 lets it say `invalid_client` with 400, too; glewlwyd says 403 and nothing else."""
    world = world_of(answer, tokens(), offered=("client_secret_basic", "client_secret_post"))
    run(log_in(world, PROFILE, WORD))
    assert body_of(world, 1)["client_secret"] == WORD.reveal()
    forbidden = world_of(error("unauthorized_client", 403), offered=("client_secret_basic", "client_secret_post"))
    with pytest.raises(Refused, match="unauthorized_client"):
        run(log_in(forbidden, PROFILE, WORD))


def test_a_key_signs_a_fresh_assertion_for_the_issuer_alone() -> None:
    world = world_of(tokens())
    run(log_in(world, PROFILE, PrivateKey(MACHINE_KEY, "k1")))
    shown = body_of(world)
    unverified = take_apart(Secret(shown["client_assertion"]))
    claims = json.loads(unverified.payload)
    assert unverified.key_id == "k1"
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("machine", "machine", ISSUER)
    assert claims["exp"] - claims["iat"] == 60
    assert len(claims["jti"]) >= 22
    assert methods_for(PrivateKey(MACHINE_KEY), METADATA) == ("private_key_jwt",)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("server_error", 503), Unreachable),
        (error("too_many_requests", 429), Unreachable),
        (error("invalid_scope"), Refused),
        (Response(403, (("content-type", "text/html"),), b"<html>"), Refused),
        (json_response(200, {"token_type": "Bearer"}), Malformed),
        (Unreachable("nobody answers"), Unreachable),
    ],
)
def test_what_is_no_token_is_said_as_what_it_is(answer: object, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        run(log_in(world_of(answer), PROFILE, WORD))
    assert WORD.reveal() not in str(raised.value)


def app_in(scene: Scene, vault: MemoryVault, client_id: str, source: Source, *scopes: str) -> App:
    return App(
        issuer=TENANT,
        client_id=client_id,
        audience=ORDERS,
        scopes=scopes,
        credential=source,
        is_machine=True,
        vault=vault,
        world=SceneWorld(scene, lambda _: None),
    )


@pytest.fixture
def scene() -> Scene:
    return Scene(example_config(TENANT))


def asked(scene: Scene) -> int:
    return sum(request.path == "/oauth/token" for request in scene.pair.sent)


def test_a_loop_of_commands_asks_once_and_again_when_the_token_has_lapsed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auth0 bills each token."""
    monkeypatch.setenv("MACHINE_SECRET", SECRET.reveal())
    vault, source = MemoryVault(), Source("secret", "env", "MACHINE_SECRET")

    def app() -> App:
        return app_in(scene, vault, "machine", source, "read:orders")

    first = app().session().token()  # no login beforehand: a machine needs nobody
    before = asked(scene)
    assert [app().session().token() for _ in range(5)] == [first] * 5
    assert asked(scene) == before
    scene.time.go(timedelta(days=1))
    assert app().session().token() != first
    monkeypatch.delenv("MACHINE_SECRET")
    assert app().session().token(), "a token that is kept needs no secret"
    scene.time.go(timedelta(days=1))
    with pytest.raises(Misuse, match="MACHINE_SECRET"):
        app().session().token()


def test_a_token_that_is_still_good_is_better_than_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE_SECRET", SECRET.reveal())
    app = app_in(scene, MemoryVault(), "machine", Source("secret", "env", "MACHINE_SECRET"))
    token = app.session().token()
    scene.time.go(timedelta(days=1) - timedelta(seconds=30))
    scene.pair.cut.add(TENANT.rstrip("/"))
    assert app.session().token() == token
    with pytest.raises(Unreachable):
        app.session().token(min_ttl=timedelta(hours=1))


def pem(key: SigningKey) -> bytes:
    return key.pem()


def jwk(key: SigningKey) -> bytes:
    from joserfc.jwk import import_key

    kind = {"ES256": "EC", "RS256": "RSA", "Ed25519": "OKP"}[key.algorithm]
    members = import_key(key.pem().decode(), kind).as_dict(private=True)  # type: ignore[call-overload]
    return json.dumps({**members, "kid": "mine", "alg": key.algorithm}).encode()


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "Ed25519"])
@pytest.mark.parametrize("write", [pem, jwk])
def test_a_private_key_is_read_as_pem_and_as_jwk(algorithm: Algorithm, write: Callable[[SigningKey], bytes]) -> None:
    key = SigningKey.generate(algorithm)
    found, key_id = SigningKey.read(write(key))
    assert (found.algorithm, found.key_id) == (algorithm, key.key_id)
    assert key_id == ("mine" if write is jwk else None)


def test_a_key_in_a_file_opens_the_tenant(scene: Scene, tmp_path: Path) -> None:
    """[C-6749-02]."""
    path = tmp_path / "machine.pem"
    path.write_bytes(MACHINE_KEY.pem())
    app = app_in(scene, MemoryVault(), "signer", Source("key", "file", str(path)), "write:orders")
    stored = app.log_in()
    assert stored.scope == Scope.of(["write:orders"])
    assert stored.client_id == "signer"


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"\xff\xfe", b"{}", b'{"kty":"oct","k":"c2VjcmV0"}', SECRET.reveal().encode()]
)
def test_what_is_no_key_is_said_without_repeating_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(Misuse) as raised:
        read_credential(Source("key", "file", str(path)))
    assert str(path) in raised.value.message
    assert SECRET.reveal() not in f"{raised.value.message}{raised.value.hint}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="nowhere"):
        read_credential(Source("secret", "file", str(tmp_path / "nowhere")))


@pytest.mark.parametrize("text", ["", "secret", "secret:env:", "word:env:X", "secret:net:X"])
def test_a_profile_that_names_no_place_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        Source.read(text)


def test_a_profile_keeps_the_place_and_never_the_thing() -> None:
    raw = PROFILE.write()
    assert Profile.read("ci", raw) == PROFILE
    assert b'"secret:env:X"' in raw
