"""When an API wants more of a login, and when another account logs in than before."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.flows.id_token import LEEWAY
from keyfob.client.flows.interactive import log_in
from keyfob.client.model.assurance import Assurance
from keyfob.client.model.notices import CodeShown, Notice
from keyfob.client.model.profile import FlowName, Profile
from keyfob.client.model.step_up import StepUp, challenge_of
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.session.calls import Calls
from keyfob.errors import InvalidToken, LoginRequired, Refused, VaultUnavailable
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import sign
from keyfob.login import App
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.example_tenant import ORDERS as ORDERS_API
from keyfob.testing.example_tenant import example_config
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scene import ORDERS, Scene, SceneWorld, approve
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import CLIENT, ISSUER, METADATA, OPENID, PROFILE, codes, stored, tokens

KEY = SigningKey.generate("RS256")
SERVER = replace(METADATA, authorization_endpoint="https://login.example/authorize")
MINUTE = timedelta(minutes=1)
SURE = Assurance(("urn:example:mfa", "phr"), MINUTE)
WHO = replace(stored(), subject="auth0|1", person="a@b.example", auth_time=NOON, nonce="n-1")


def answer(*headers: str, status: int = 401) -> Response:
    return Response(status, tuple(("www-authenticate", header) for header in headers))


TOLD: dict[str, tuple[Response, StepUp | None]] = {
    "scope": (answer('Bearer error="insufficient_scope", scope="a b"', status=403), StepUp(Scope.of(["a", "b"]))),
    "scope, unsaid": (answer('Bearer error="insufficient_scope"', status=403), None),
    "scope, not one": (answer('Bearer error="insufficient_scope", scope="a\\"b"', status=403), None),
    "an older login": (answer('bearer error=insufficient_user_authentication, max_age="60"'),
                       StepUp(assurance=Assurance(max_age=MINUTE))),
    "at once": (answer('DPoP error="insufficient_user_authentication", max_age=0'),
                StepUp(assurance=Assurance(max_age=timedelta()))),
    "surer": (answer('Bearer error="insufficient_user_authentication", acr_values="urn:example:mfa phr", max_age=60, '
                     'scope="a"'), StepUp(Scope.of(["a"]), SURE)),
    "how, unsaid": (answer('Bearer error="insufficient_user_authentication"'), None),
    "an age that is none": (answer('Bearer error="insufficient_user_authentication", max_age="-1"'), None),
    "behind others": (answer("Negotiate", 'Basic realm="x"', 'Bearer realm="y"',
                             'DPoP algs="ES256", error="insufficient_scope", scope="a"'), StepUp(Scope.of(["a"]))),
    "a bad token": (answer('Bearer error="invalid_token", scope="a"'), None),
    "another scheme": (answer('Basic error="insufficient_scope", scope="a"'), None),
    "nothing": (Response(403), None),
}  # fmt: skip


@pytest.mark.parametrize("case", TOLD)
def test_what_an_api_wants_is_read_from_its_challenge(case: str) -> None:
    """[C-6750-03] [C-9470-01]."""
    response, wanted = TOLD[case]
    assert StepUp.read(response) == wanted


@given(st.lists(st.text(max_size=80), max_size=3))
def test_no_challenge_can_do_more_than_be_misread(headers: list[str]) -> None:
    response = answer(*headers, 'Bearer error="insufficient_user_authentication"')
    StepUp.read(response)
    challenge_of(response)


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        (StepUp(Scope.of(["b", "a"])), "keyfob login --scope 'a b openid'"),
        (StepUp(Scope.of(["openid"])), "keyfob login"),
        (StepUp(Scope.of(["it's"])), "keyfob login --scope 'it'\"'\"'s openid'"),
        (StepUp(assurance=SURE), "keyfob login --acr 'urn:example:mfa phr' --max-age 60s"),
    ],
)
def test_the_command_that_helps_asks_for_what_is_held_and_what_is_missing(wanted: StepUp, command: str) -> None:
    """[C-6749-05]."""
    assert wanted.command(PROFILE, Scope.of(["openid"])) == command
    named = wanted.command(replace(PROFILE, name="work"), Scope.of(["openid"]))
    assert named.startswith("keyfob login --profile work")


def signed(**changed: object) -> str:
    members: Mapping[str, object] = {
        "iss": ISSUER, "sub": "auth0|1", "aud": CLIENT, "iat": NOON.timestamp(), "email": "a@b.example",
        "exp": (NOON + timedelta(days=1)).timestamp(),
    } | changed  # fmt: skip
    return sign({name: value for name, value in members.items() if value is not None}, KEY, token_type="JWT").reveal()


def world_of(*answers: Response, **more: Response) -> ScriptedWorld:
    script = {
        OPENID: [json_response(200, SERVER.write())], "/device": [codes()], "/token": list(answers),
        "/jwks": [json_response(200, {"keys": [KEY.public_jwk()]})], "/revoke": [Response(200)],
    }  # fmt: skip
    world = ScriptedWorld(script | {f"/{path}": [said] for path, said in more.items()})  # type: ignore[arg-type]
    world.brings = {"code": "c"}
    return world


def browser_login(world: ScriptedWorld, assurance: Assurance, way: FlowName = "browser") -> StoredLogin:
    return run(log_in(world, replace(PROFILE, flow=way), assurance=assurance))


def test_what_is_wanted_of_a_login_stands_in_its_request() -> None:
    """[C-9470-01]: in the browser's, and in that for a code, where a server may take it."""
    for way, place in (("browser", "authorize"), ("device", "device")):
        world = world_of(tokens())
        browser_login(world, SURE, way)  # type: ignore[arg-type]
        query = urlsplit(world.address).query if place == "authorize" else world.requests("/device")[0].body.decode()
        sent = parse_qs(query)
        assert (sent["acr_values"], sent["max_age"]) == (["urn:example:mfa phr"], ["60"])
    world = world_of(tokens())
    browser_login(world, Assurance())
    assert not {"acr_values", "max_age"} & parse_qs(urlsplit(world.address).query).keys()


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [
        ({"acr": "phr", "auth_time": NOON.timestamp()}, True),
        ({"acr": "urn:example:mfa", "auth_time": (NOON - MINUTE - LEEWAY + timedelta(seconds=10)).timestamp()}, True),
        ({"acr": "phr", "auth_time": (NOON - MINUTE - LEEWAY - timedelta(seconds=1)).timestamp()}, False),
        ({"acr": "phr"}, False),
        ({"acr": "pwd", "auth_time": NOON.timestamp()}, False),
        ({"auth_time": NOON.timestamp()}, False),
        ({"acr": "phr", "auth_time": "now"}, False),
    ],
)
def test_a_login_must_be_as_sure_and_as_young_as_was_asked(said: dict[str, object], is_taken: bool) -> None:
    """[C-OIDC-05]: max_age=60 with an old auth_time, or none, is refused."""
    world = world_of(tokens(id_token=signed(**said)))
    if is_taken:
        assert browser_login(world, SURE, "device").subject == "auth0|1"
        return
    with pytest.raises(InvalidToken):
        browser_login(world, SURE, "device")


RENEWED: dict[str, tuple[dict[str, object], bool]] = {
    "the same": ({"auth_time": NOON.timestamp()}, True),
    "with less": ({}, True),
    "the nonce again": ({"nonce": "n-1"}, True),
    "another account": ({"sub": "auth0|2"}, False),
    "another issuer": ({"iss": "https://evil.example/"}, False),
    "another program": ({"aud": "other"}, False),
    "other programs too": ({"aud": [CLIENT, "other"]}, False),
    "another login": ({"auth_time": NOON.timestamp() + 60}, False),
    "another nonce": ({"nonce": "n-2"}, False),
    "no person": ({"sub": None}, False),
}


@pytest.mark.parametrize("case", RENEWED)
def test_an_id_token_of_a_refresh_is_about_the_same_login(case: str) -> None:
    """[C-OIDC-07]."""
    changed, is_taken = RENEWED[case]
    vault, world = MemoryVault(), world_of(tokens(access_token="at-2", id_token=signed(**changed)))
    run(vault.save(PROFILE.name, WHO))
    ours = Session(PROFILE, vault, world)
    if is_taken:
        assert ours.token(renew=True).reveal() == "at-2"
        assert ours.stored().auth_time == NOON
    else:
        with pytest.raises(InvalidToken):
            ours.token(renew=True)
        assert ours.stored() == WHO
    assert world.requests("/jwks") == [], "it came from the issuer, over TLS"


def test_a_refresh_of_a_login_that_knew_nobody_is_not_held_against_it() -> None:
    vault, world = MemoryVault(), world_of(tokens(access_token="at-2", id_token=signed(auth_time=NOON.timestamp())))
    run(vault.save(PROFILE.name, stored()))
    assert Session(PROFILE, vault, world).token(renew=True).reveal() == "at-2"


def test_what_the_id_token_said_is_kept_for_the_next_one() -> None:
    world = world_of(tokens(id_token=signed(auth_time=NOON.timestamp(), nonce="AgIC" * 10 + "AgI")))
    kept = browser_login(world, Assurance())
    assert (kept.auth_time, kept.nonce) == (NOON, "AgIC" * 10 + "AgI")
    assert StoredLogin.read(kept.write()) == kept


def log_in_as(
    subject: str | None, before: StoredLogin | None, **more: object
) -> tuple[MemoryVault, ScriptedWorld, Session]:
    id_token = None if subject is None else signed(sub=subject)
    vault, world = MemoryVault(), world_of(tokens(access_token="new", refresh_token="rt-new", id_token=id_token))
    if before is not None:
        run(vault.save(PROFILE.name, before))
    return vault, world, Session(replace(PROFILE, flow="device"), vault, world)


def test_another_person_does_not_take_the_place_of_the_last_unasked() -> None:
    """[C-OIDC-06]: who has the same e-mail address is another all the same, and the unwanted login is ended."""
    vault, world, ours = log_in_as("auth0|2", WHO)
    with pytest.raises(Refused) as raised:
        ours.log_in()
    assert (raised.value.code, "--switch-account" in raised.value.hint) == ("account-mismatch", True)
    assert run(vault.load(PROFILE.name)) == WHO
    assert b"rt-new" in world.requests("/revoke")[0].body


def test_whoever_is_asked_may_let_another_person_in() -> None:
    """[C-OIDC-06]."""
    vault, world, ours = log_in_as("auth0|2", WHO)
    asked: list[tuple[str | None, str | None]] = []

    def agrees(before: StoredLogin, after: StoredLogin) -> bool:
        asked.append((before.subject, after.subject))
        return True

    ours.log_in(may_replace_account=agrees)
    assert asked == [("auth0|1", "auth0|2")]
    assert (run(vault.load(PROFILE.name)) or WHO).subject == "auth0|2"
    assert b"token=rt-1&" in world.requests("/revoke")[0].body  # [FC-08] the login before


@pytest.mark.parametrize(
    ("subject", "before"),
    [("auth0|1", replace(WHO, person="renamed")), ("auth0|2", replace(WHO, issuer="https://other.example/")),
     ("auth0|2", replace(WHO, subject=None)), (None, WHO), ("auth0|2", None)],
)  # fmt: skip
def test_the_same_person_or_one_that_nobody_knows_is_not_asked_about(
    subject: str | None, before: StoredLogin | None
) -> None:
    """[C-OIDC-06]: neither a name nor an address tells people apart."""
    vault, _, ours = log_in_as(subject, before)
    ours.log_in(may_replace_account=lambda one, other: one.issuer != other.issuer)
    assert (run(vault.load(PROFILE.name)) or WHO).access_token.reveal() == "new"


def test_a_login_helps_a_vault_that_could_not_be_read() -> None:
    class Damaged(MemoryVault):
        async def load(self, entry: str, **_: bool) -> StoredLogin | None:
            raise VaultUnavailable(f"{entry} is damaged", code="vault-damaged")

    world = world_of(tokens())
    assert Session(replace(PROFILE, flow="device"), Damaged(), world).log_in().access_token.reveal() == "at-1"


# With a real tenant and a real API.


@pytest.fixture
def scene() -> Scene:
    return Scene()


def screen(scene: Scene, notices: list[Notice]) -> SceneWorld:
    def notify(notice: Notice) -> None:
        notices.append(notice)
        if isinstance(notice, CodeShown):
            approve(scene.person(), notice)

    return SceneWorld(scene, notify)


def test_a_call_that_lacks_scope_logs_in_for_just_that_and_is_made_again(scene: Scene) -> None:
    """[C-6750-03] [C-6749-05]: once; the profile itself is not widened."""
    shown: list[CodeShown] = []

    def approves(notice: Notice) -> None:
        if isinstance(notice, CodeShown):
            shown.append(notice)
            approve(scene.person(), notice)

    app = scene.app(approves, "email")
    app.log_in()
    request = Request("GET", ORDERS)
    assert app.session().send(request).status == 403
    assert len(shown) == 1
    assert app.session(step_up=app.step_up).send(request).status == 200
    assert len(shown) == 2
    assert {"read:orders", "email", "openid"} <= app.session().stored().scope.names
    assert "read:orders" not in app.profile.scope
    assert app.session().send(request).status == 200
    assert len(shown) == 2


@pytest.mark.parametrize("sessions", ["one", "one for each, as of processes"])
def test_of_many_that_lack_scope_at_once_one_logs_in(sessions: str) -> None:
    vault, logins = MemoryVault(), list[StepUp]()
    run(vault.save(PROFILE.name, WHO))

    def log_in_again(wanted: StepUp) -> None:
        logins.append(wanted)
        if len(logins) > 1:
            another.set()
        another.wait(0.3)  # a person takes a while: time enough for another to begin, if it may
        scope = Scope(WHO.scope.names | wanted.scope.names)
        run(vault.save(PROFILE.name, replace(WHO, access_token=Secret(f"at-{1 + len(logins)}"), scope=scope)))

    made = [Session(PROFILE, vault, ScriptedWorld({}), step_up=log_in_again) for _ in range(8)]
    ours = [made[0]] * 8 if sessions == "one" else made
    everybody_was_refused, another = threading.Barrier(8), threading.Event()

    def api(request: Request) -> Response:
        if request.header("authorization") != "Bearer at-1":
            return Response(200)
        everybody_was_refused.wait(10)
        return answer('Bearer error="insufficient_scope", scope="write"', status=403)

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(Calls(one).send, Request("GET", "https://api.example/"), api) for one in ours]
        assert [call.result().status for call in calls] == [200] * 8
    assert logins == [StepUp(Scope.of(["write"]))]


def test_where_nobody_can_log_in_the_error_says_which_command_helps(scene: Scene) -> None:
    """[C-8628-01]."""
    app = scene.app(lambda notice: approve(scene.person(), notice) if isinstance(notice, CodeShown) else None, "email")
    app.log_in()

    class Nobody(SceneWorld):
        def surroundings(self) -> tuple[Surroundings, bool]:
            return Surroundings(has_terminal=False), False

    app.profile = replace(app.profile, login_command="keyfob login")
    app._world = Nobody(scene, lambda _: None)
    with pytest.raises(LoginRequired) as raised:
        app.session(step_up=app.step_up).send(Request("GET", ORDERS))
    said = raised.value.hint
    assert said.startswith("Run in a terminal: keyfob login --scope '")
    assert "read:orders" in said
    assert app.session().stored().scope


def test_a_real_tenant_proves_how_young_a_login_is() -> None:
    """[C-OIDC-05] [C-9470-01]."""
    scene = Scene(example_config(TENANT))
    app = App(
        issuer=TENANT, client_id="native", audience=ORDERS_API, callbacks=("http://127.0.0.1:8484/callback",),
        flow="browser", vault=scene.vault, world=screen(scene, []),
    )  # fmt: skip
    first = app.log_in(assurance=Assurance(max_age=timedelta()))
    scene.time.go(timedelta(hours=1))
    again = app.step_up(StepUp(assurance=Assurance(max_age=MINUTE)))
    assert first.auth_time is not None
    assert again.auth_time is not None
    assert again.auth_time - first.auth_time >= timedelta(hours=1)
    with pytest.raises(InvalidToken):
        app.step_up(StepUp(assurance=Assurance(("phr",))))
    assert Profile.read(app.profile.name, app.profile.write()) == app.profile
