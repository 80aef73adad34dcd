"""Tokens bound to a key of the login (RFC 9449): against a scripted server, and in a scene with a real tenant."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.auth.dpop import DpopKey
from keyfob.client.flows.client_credentials import log_in as log_in_machine
from keyfob.client.flows.interactive import log_in
from keyfob.client.model.notices import CodeShown, NotBound, Notice
from keyfob.client.model.profile import Dpop, FlowName, Profile, read_dpop
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, Misuse, Refused
from keyfob.jose.keys import SigningKey
from keyfob.login import App
from keyfob.protocol.dpop import hash_of
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import ORDERS, SECRET, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import EMAIL, PASSWORD, Scene, SceneWorld, approve
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scripted_server import Answer, ScriptedWorld
from tests.client.auth.proofs import nonces_of, proof_of
from tests.client.blocking import Session
from tests.client.scripts import ISSUER, METADATA, OPENID, PENDING, PROFILE, codes, error, stored, tokens

SERVER = replace(
    METADATA, authorization_endpoint="https://login.example/authorize", dpop_signing_alg_values_supported=("ES256",)
)
WISHES: tuple[Dpop, Dpop] = ("prefer", "require")
API_CALL = Request("GET", "https://login.example/orders?page=2#top", (("accept", "*/*"),))


def with_nonce(response: Response, nonce: str) -> Response:
    return replace(response, headers=(*response.headers, ("dpop-nonce", nonce)))


def bound(token: str = "at-1", **changed: object) -> Response:
    return tokens(access_token=token, token_type="DPoP", **changed)


USE_NONCE = error("use_dpop_nonce")
API_WANTS_NONCE = Response(401, (("www-authenticate", 'DPoP error="use_dpop_nonce"'),))


def world_of(*answers: Answer, server: ServerMetadata = SERVER, **more: list[Answer]) -> ScriptedWorld:
    script: dict[str, list[Answer]] = {OPENID: [json_response(200, server.write())], "/device": [codes()]}
    world = ScriptedWorld(script | {"/token": list(answers)} | {f"/{path}": said for path, said in more.items()})
    world.brings = {"code": "c"}
    return world


def browser_login(world: ScriptedWorld, way: FlowName = "device", dpop: Dpop = "require") -> StoredLogin:
    return run(log_in(world, replace(PROFILE, flow=way, dpop=dpop)))


def test_every_poll_brings_a_fresh_proof_with_the_newest_nonce() -> None:
    """[C-9449-01] [C-9449-02]: asked again at once, once, when a nonce is wanted."""
    world = world_of(
        with_nonce(USE_NONCE, "n1"), with_nonce(PENDING, "n2"), PENDING, with_nonce(bound(refresh_token="rt-1"), "n3")
    )
    kept = browser_login(world)
    asked = world.requests("/token")
    assert nonces_of(asked) == [None, "n1", "n2", "n2"]
    assert world.moments("/token")[:2] == [6, 6]
    proofs = [proof_of(request) for request in asked]
    assert len({proof.token_id for proof, _ in proofs}) == 4
    assert {(proof.method, proof.address, proof.token_hash) for proof, _ in proofs} == {
        ("POST", METADATA.token_endpoint, None)
    }
    assert len({key for _, key in proofs}) == 1
    assert (kept.token_type, StoredLogin.read(kept.write())) == ("DPoP", kept)
    assert world.requests("/device")[0].header("dpop") is None


def test_a_server_that_wants_nonces_for_ever_is_asked_twice() -> None:
    """[C-9449-02]."""
    world = world_of(*(with_nonce(USE_NONCE, f"n{number}") for number in range(9)))
    with pytest.raises(Refused, match="use_dpop_nonce"):
        browser_login(world, "browser")
    assert len(world.requests("/token")) == 2
    silent = world_of(USE_NONCE)
    with pytest.raises(Refused):
        browser_login(silent, "browser")
    assert len(silent.requests("/token")) == 1, "no nonce came, so asking again would not help"


@pytest.mark.parametrize("nonce", ["", "x" * 1025, "n\x07", "é"])
def test_a_nonce_that_is_none_is_not_taken(nonce: str) -> None:
    world = world_of(with_nonce(USE_NONCE, nonce))
    with pytest.raises(Refused):
        browser_login(world, "browser")
    assert len(world.requests("/token")) == 1


def test_the_browser_is_told_the_key_and_a_push_is_proven() -> None:
    """[C-9449-01]: RFC 9449 §10, dpop_jkt."""
    world = world_of(bound())
    browser_login(world, "browser")
    [told] = parse_qs(urlsplit(world.address).query)["dpop_jkt"]
    assert told == proof_of(world.requests("/token")[0])[1]
    server = replace(
        SERVER,
        pushed_authorization_request_endpoint="https://login.example/par",
        require_pushed_authorization_requests=True,
    )
    pushed = json_response(201, {"request_uri": "urn:example:1", "expires_in": 60})
    world = world_of(bound(), server=server, par=[with_nonce(USE_NONCE, "n1"), with_nonce(pushed, "n2")])
    browser_login(world, "browser")
    pushes = world.requests("/par")
    assert nonces_of([*pushes, *world.requests("/token")]) == [None, "n1", "n2"]
    assert parse_qs(pushes[1].body.decode())["dpop_jkt"] == [proof_of(pushes[1])[1]]
    assert proof_of(pushes[1])[0].address == "https://login.example/par"


def test_who_insists_drops_a_plain_token_and_who_prefers_takes_it_and_is_told() -> None:
    """[C-9449-03]."""
    with pytest.raises(Malformed) as raised:
        browser_login(world_of(tokens()), dpop="require")
    assert (raised.value.field, "--dpop prefer" in raised.value.hint_with_flags) == ("token_type", True)
    world = world_of(tokens(refresh_token="rt-1"))
    kept = browser_login(world, dpop="prefer")
    assert (kept.token_type, NotBound() in world.notices) == ("Bearer", True)
    assert kept.proof_key is not None, "the refresh token may be bound all the same (RFC 9449 §5)"
    world = world_of(bound())
    assert browser_login(world, dpop="prefer").token_type == "DPoP"
    assert NotBound() not in world.notices
    with pytest.raises(Malformed):
        browser_login(world_of(bound()), dpop="off")


@pytest.mark.parametrize(
    ("offered", "prefer", "require"),
    [
        (("RS256", "Ed25519", "ES256"), "ES256", "ES256"),
        (("Ed25519",), "Ed25519", "Ed25519"),
        ((), None, "ES256"),
        (("RS256", "ES512"), None, Refused),
    ],
)
def test_a_key_is_made_of_a_kind_that_the_server_knows(
    offered: tuple[str, ...], prefer: str | None, require: str | type[Refused]
) -> None:
    server = replace(SERVER, dpop_signing_alg_values_supported=offered)
    world = world_of(tokens(), server=server)
    browser_login(world, dpop="prefer")
    assert (world.requests("/token")[0].header("dpop") is None) == (prefer is None)
    assert NotBound() in world.notices
    world = world_of(bound(), server=server)
    if isinstance(require, type):
        with pytest.raises(Refused) as raised:
            browser_login(world)
        assert (raised.value.code, world.requests("/device")) == ("flow-unavailable", [])
        return
    key = browser_login(world).proof_key
    assert key is not None
    assert DpopKey.read(key).key.algorithm == require


def test_nothing_changes_where_nobody_wants_a_key() -> None:
    world = world_of(tokens())
    kept = browser_login(world, "browser", "off")
    assert (kept.proof_key, kept.token_type) == (None, "Bearer")
    assert "dpop_jkt" not in world.address
    assert all(request.header("dpop") is None for _, request in world.sent)
    with pytest.raises(Misuse):
        read_dpop("always")


class Drawer(MemoryVault):
    def __init__(self, content: StoredLogin) -> None:
        super().__init__()
        run(self.save(PROFILE.name, content))


def session(
    content: StoredLogin, *answers: Answer, dpop: Dpop = "off", **more: list[Answer]
) -> tuple[Session, ScriptedWorld]:
    world = world_of(*answers, **more)
    return Session(replace(PROFILE, dpop=dpop), Drawer(content), world), world


def test_a_login_without_a_key_goes_on_without_one() -> None:
    ours, world = session(stored(expires_in=-1), tokens(access_token="at-2"), dpop="require", orders=[Response(200)])
    assert ours.send(API_CALL).status == 200
    assert [request.header("dpop") for _, request in world.sent] == [None, None]
    assert world.requests("/orders")[0].header("authorization") == "Bearer at-2"


def bound_login(**changed: object) -> StoredLogin:
    return replace(browser_login(world_of(bound(refresh_token="rt-1", **changed))))


def test_refreshes_are_proven_with_the_same_key() -> None:
    """[C-9449-03]: and the login's own key outlives every token."""
    login = bound_login()
    assert login.proof_key is not None
    ours, world = session(login, with_nonce(USE_NONCE, "n1"), with_nonce(bound("at-2"), "n2"), bound("at-3"))
    assert [ours.token(renew=True) for _ in range(2)] == [Secret("at-2"), Secret("at-3")]
    asked = world.requests("/token")
    assert nonces_of(asked) == [None, "n1", "n2"]
    assert {proof_of(request)[1] for request in asked} == {DpopKey.read(login.proof_key).thumbprint}
    assert ours.stored().proof_key == login.proof_key


def test_a_refresh_may_not_weaken_a_login_that_must_be_bound() -> None:
    """[C-9449-03]."""
    ours, _ = session(bound_login(), tokens(access_token="at-2"), dpop="require")
    with pytest.raises(Malformed):
        ours.token(renew=True)
    assert ours.stored().access_token == Secret("at-1")
    ours, world = session(bound_login(), tokens(access_token="at-2"), dpop="prefer", orders=[Response(200)])
    assert ours.token(renew=True) == Secret("at-2")
    ours.send(API_CALL)
    assert world.requests("/orders")[0].header("authorization") == "Bearer at-2"


def test_an_api_is_shown_a_proof_for_this_request_and_this_token() -> None:
    """[C-9449-01] [C-9449-02] [C-9449-03]: nonces of an API are the API's, even where the issuer lives there too."""
    login = bound_login()
    fine = Response(200, (("dpop-nonce", "a2"),))
    ours, world = session(
        login, with_nonce(USE_NONCE, "s1"), bound("at-2"), orders=[with_nonce(API_WANTS_NONCE, "a1"), fine]
    )
    assert [ours.send(API_CALL).status for _ in range(2)] == [200, 200]
    ours.token(renew=True)
    calls = world.requests("/orders")
    assert [request.header("authorization") for request in calls] == ["DPoP at-1"] * 3
    assert nonces_of(calls) == [None, "a1", "a2"]
    assert nonces_of(world.requests("/token")) == [None, "s1"]
    proofs = [proof_of(request)[0] for request in calls]
    assert len({proof.token_id for proof in proofs}) == 3
    assert {(proof.method, proof.address) for proof in proofs} == {("GET", "https://login.example/orders")}
    assert {proof.token_hash for proof in proofs} == {hash_of(Secret("at-1"))}
    assert all("at-1" not in request.url for request in calls)


@pytest.mark.parametrize("answers", [[with_nonce(API_WANTS_NONCE, "a1")], [API_WANTS_NONCE]])
def test_an_api_that_wants_a_nonce_for_ever_is_not_asked_for_ever(answers: list[Answer]) -> None:
    """[C-9449-02]."""
    ours, world = session(bound_login(), bound("at-2"), orders=answers)
    assert ours.send(API_CALL).status == 401
    assert len(world.requests("/orders")) == len({request.header("dpop") for request in world.requests("/orders")})
    assert len(world.requests("/orders")) <= 2
    assert world.requests("/token") == [], "a nonce is no reason to refresh"


def test_a_machine_keeps_its_key_over_all_its_tokens() -> None:
    """[C-9449-03]."""
    machine = Profile("ci", ISSUER, "m", PROFILE.audience, credential=Source("secret", "env", "X"), is_machine=True)
    machine = replace(machine, dpop="require")
    vault, world = MemoryVault(), world_of(bound("at-1", expires_in=60), bound("at-2"))
    ours = Session(machine, vault, world, lambda _: SECRET)
    assert ours.token() == Secret("at-1")
    run(world.wait(timedelta(minutes=2)))
    assert ours.token() == Secret("at-2")
    assert len({proof_of(request)[1] for request in world.requests("/token")}) == 1
    told = world_of(tokens())
    run(log_in_machine(told, replace(machine, dpop="prefer"), SECRET))
    assert NotBound() in told.notices


def test_the_key_is_as_secret_as_a_token() -> None:
    login = bound_login()
    assert login.proof_key is not None
    assert "PRIVATE KEY" in login.proof_key.reveal()
    assert "PRIVATE" not in repr(login)
    assert "PRIVATE" not in repr(DpopKey.read(login.proof_key))
    assert "PRIVATE" not in str(App(issuer=ISSUER, client_id="c", dpop="require").profile.write())


@given(st.binary(min_size=48, max_size=48))
def test_any_chance_makes_a_key_that_signs_and_survives_the_vault(random_bytes: bytes) -> None:
    for name in ("ES256", "Ed25519"):
        ours = DpopKey(SigningKey.from_chance(name, random_bytes))
        assert DpopKey.read(ours.write()).thumbprint == ours.thumbprint


def test_a_profile_keeps_the_wish() -> None:
    for wish in WISHES:
        profile = replace(PROFILE, dpop=wish)
        assert Profile.read(PROFILE.name, profile.write()) == profile
    assert "dpop" not in json.loads(PROFILE.write())


# With a real tenant, which checks every proof.


@pytest.fixture(params=["auth0", "rfc"])
def scene(request: pytest.FixtureRequest) -> Scene:
    wire: Wire = request.param
    return Scene(example_config(TENANT, wire))


def app_in(scene: Scene, way: FlowName, **more: object) -> App:
    def approves(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            approve(scene.person(), notice)

    settings: dict[str, object] = {
        "client_id": "native", "callbacks": ("http://127.0.0.1:8484/callback",), "flow": way,
        "vault": scene.vault, "world": SceneWorld(scene, approves), "dpop": "require",
    }  # fmt: skip
    return App(issuer=TENANT, audience=ORDERS, **(settings | more))  # type: ignore[arg-type]


def userinfo(app: App) -> int:
    return app.session().send(Request("GET", f"{TENANT}userinfo")).status


@pytest.mark.parametrize("way", ["device", "browser"])
def test_a_person_logs_in_calls_and_is_refreshed_with_one_key(scene: Scene, way: FlowName) -> None:
    """[C-9449-01] [C-9449-02] [C-9449-03]: a real tenant takes every proof, and takes each once."""
    app = app_in(scene, way)
    login = app.log_in()
    assert (login.token_type, login.person) == ("DPoP", EMAIL)
    assert [userinfo(app) for _ in range(3)] == [200] * 3
    plain = Request("GET", f"{TENANT}userinfo", (("authorization", f"Bearer {app.session().token()}"),))
    assert scene.send(plain).status == 401
    scene.time.go(timedelta(days=1))
    assert app.session().token() != login.access_token.reveal()
    after = app.session().stored()
    assert (after.token_type, after.proof_key) == ("DPoP", login.proof_key)
    assert userinfo(app) == 200
    assert app.session().log_out().revoked


def test_a_password_and_a_machine_bring_proofs_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-9449-01]."""
    world = SceneWorld(scene, lambda _: None)
    world.answers = {"username": lambda: EMAIL, "password": lambda: PASSWORD}
    legacy = app_in(scene, "password", client_id="legacy", allows_password=True, world=world)
    assert legacy.log_in().token_type == "DPoP"
    assert userinfo(legacy) == 200
    monkeypatch.setenv("MACHINE_SECRET", SECRET.reveal())
    source = Source("secret", "env", "MACHINE_SECRET")
    machine = app_in(scene, "auto", client_id="machine", credential=source, is_machine=True, callbacks=())
    login = machine.log_in()
    assert login.token_type == "DPoP"
    scene.time.go(timedelta(days=1))
    assert machine.session().token() != login.access_token.reveal()
    assert machine.session().stored().proof_key == login.proof_key


def test_a_stolen_refresh_token_is_worth_nothing_without_the_key(scene: Scene) -> None:
    app = app_in(scene, "device")
    login = app.log_in()
    assert login.refresh_token is not None
    asked = {"grant_type": "refresh_token", "client_id": "native", "refresh_token": login.refresh_token.reveal()}
    assert scene.post("oauth/token", **asked).status in {400, 403}
    assert userinfo(app) == 200
