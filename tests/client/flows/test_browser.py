"""A login through this machine's browser: the flow by itself, and in a scene. The listener has tests elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.client.flows.interactive import begin, log_in, plan, resume
from keyfob.client.model.assurance import Assurance
from keyfob.client.model.login_state import ServerCapabilities
from keyfob.client.model.notices import FlowChosen, FlowRefused, PasteAsked, PasteRefused
from keyfob.client.model.profile import FlowName, Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.ports import DeviceRequested, Pasted
from keyfob.errors import InvalidToken, KeyfobError, LoginDeclined, LoginRequired, Malformed, Refused, TimedOut
from keyfob.login import App, BrowserOpened, CodeShown
from keyfob.protocol.http import json_response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.pkce import challenge_of
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.server.settings.config import Wire
from keyfob.testing.example_tenant import ORDERS, example_config
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scene import EMAIL, Scene, SceneWorld
from keyfob.testing.scene import ISSUER as TENANT
from keyfob.testing.scripted_server import Answer, ScriptedWorld
from tests.client.blocking import Session
from tests.client.scripts import API, CLIENT, ISSUER, METADATA, OPENID, PENDING, codes, error, pending, tokens

PROFILE = Profile("default", ISSUER, CLIENT, API, Scope.of(["openid", "read:orders"]))
SERVER = replace(METADATA, authorization_endpoint="https://login.example/authorize?tenant=1")
STRICT = replace(SERVER, authorization_response_iss_parameter_supported=True)
BROWSER_ONLY = replace(SERVER, device_authorization_endpoint=None)
MINUTE = timedelta(minutes=1)


def world_of(
    brings: Mapping[str, str] | None, *answers: Answer, server: ServerMetadata = SERVER, **more: Answer
) -> ScriptedWorld:
    script = {
        OPENID: [json_response(200, server.write())],
        "/token": list(answers or (tokens(),)),
        "/device": [codes()],
    }
    world = ScriptedWorld(script | {f"/{path}": [answer] for path, answer in more.items()})
    world.brings = brings
    return world


BY_BROWSER = replace(PROFILE, flow="browser")


def whole_login(world: ScriptedWorld, profile: Profile = BY_BROWSER) -> StoredLogin:
    """As a program logs in, up to the page that the browser is left at."""
    return Session(profile, MemoryVault(), world).log_in()


def browser_login(world: ScriptedWorld, way: FlowName = "browser", profile: Profile = PROFILE) -> StoredLogin:
    return run(log_in(world, replace(profile, flow=way)))


def query(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def body(world: ScriptedWorld, number: int = 0, path: str = "/token") -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(world.requests(path)[number].body.decode()).items()}


def told(world: ScriptedWorld) -> BrowserOpened | PasteAsked:
    [notice] = [notice for notice in world.notices if isinstance(notice, BrowserOpened | PasteAsked)]
    return notice


def test_the_browser_is_sent_with_all_that_keeps_the_answer_ours() -> None:
    """[C-7636-01] [C-7636-02] [C-6749-11]: S256, a state and a nonce, each new; the code comes with its verifier."""
    world = world_of({"code": "c"})
    whole_login(world, replace(PROFILE, flow="browser", callbacks=("http://127.0.0.1:8484/callback",)))
    sent, back = query(world.address), body(world)
    assert sent["tenant"] == "1"
    assert (sent["response_type"], sent["code_challenge_method"], sent["audience"]) == ("code", "S256", API)
    assert sent["redirect_uri"] == back["redirect_uri"] == "http://127.0.0.1:8484/callback"
    assert sent["code_challenge"] == challenge_of(Secret(back["code_verifier"]))
    assert back["client_id"] == CLIENT
    assert len({sent["state"], sent["nonce"], back["code_verifier"]}) == 3
    assert min(map(len, (sent["state"], sent["nonce"], back["code_verifier"]))) == 43
    assert told(world) == BrowserOpened(world.address, timedelta(minutes=10), has_opened=True, offers_device=True)
    assert world.went_well is True


def test_two_logins_share_nothing_and_a_server_that_refuses_s256_is_not_asked_with_less() -> None:
    """[C-7636-01] [C-9700-04] [C-9700-06]."""
    world = world_of({"error": "invalid_request", "error_description": "code challenge method not supported"})
    addresses = []
    for _ in range(2):
        with pytest.raises(Refused):
            browser_login(world)
        addresses.append(query(world.address))
    assert {sent["code_challenge_method"] for sent in addresses} == {"S256"}
    assert {sent["response_type"] for sent in addresses} == {"code"}
    assert all(len({sent[name] for sent in addresses}) == 2 for name in ("state", "nonce", "code_challenge"))


ENDS: dict[str, tuple[Mapping[str, str] | None, type[KeyfobError]]] = {
    "declined": ({"error": "access_denied"}, LoginDeclined),
    "refused": ({"error": "invalid_scope", "error_description": "no \x1b[2J such"}, Refused),
    "the browser sent no response": (None, TimedOut),
    "neither": ({}, Malformed),
    "a token and no code": ({"access_token": "planted"}, Malformed),
    "both": ({"code": "c", "error": "x"}, Malformed),
    "another issuer": ({"code": "c", "iss": "https://evil.example/"}, Malformed),
    "its own issuer with a slash more": ({"code": "c", "iss": f"{ISSUER}/"}, Malformed),
    "an error of another issuer": ({"error": "access_denied", "iss": "https://evil.example/"}, Malformed),
}


@pytest.mark.parametrize("case", ENDS)
def test_what_comes_back_ends_as_it_should_and_no_code_is_spent(case: str) -> None:
    """[C-9207-01] [C-9700-06]."""
    brings, kind = ENDS[case]
    world = world_of(brings)
    with pytest.raises(kind) as raised:
        whole_login(world)
    assert "\x1b" not in raised.value.message
    assert world.requests("/token") == []
    assert world.went_well is False


def test_an_issuer_that_promised_to_name_itself_must() -> None:
    """[C-9207-01]: and what it says must be so, on errors too."""
    with pytest.raises(Malformed):
        browser_login(world_of({"code": "c"}, server=STRICT))
    assert browser_login(world_of({"code": "c", "iss": ISSUER}, server=STRICT))


def test_what_the_pages_are_to_ask_for_is_said_to_them() -> None:
    world = world_of({"code": "c"})
    wanted = Assurance(prompt=("login", "consent"))
    run(log_in(world, replace(PROFILE, flow="browser"), assurance=wanted))
    assert query(world.address)["prompt"] == "login consent"
    assert "prompt" not in body(world)


def test_a_server_without_that_leg_and_one_that_gives_no_tokens_are_said_plainly() -> None:
    with pytest.raises(Refused) as raised:
        browser_login(world_of({"code": "c"}, server=METADATA))
    assert raised.value.code == "flow-unavailable"
    with pytest.raises(Refused, match="invalid_grant"):
        browser_login(world_of({"code": "c"}, error("invalid_grant")))


def test_the_browser_we_open_answers_in_a_form_and_the_address_we_show_can_be_pasted() -> None:
    """[C-6749-13]: no code in the history of the browser that we open."""
    world = world_of({"code": "c"}, server=replace(SERVER, response_modes_supported=("query", "form_post")))
    browser_login(world)
    opened, shown = query(world.address), query(told(world).address)
    assert opened.pop("response_mode") == "form_post"
    assert opened == shown


def test_a_request_that_must_be_pushed_leaves_two_parameters_in_the_address() -> None:
    """[C-9126-01]: and is pushed anew for each login."""
    server = replace(
        SERVER,
        pushed_authorization_request_endpoint="https://login.example/par",
        require_pushed_authorization_requests=True,
    )
    pushed = json_response(201, {"request_uri": "urn:example:1", "expires_in": 60})
    world = world_of({"code": "c"}, server=server, par=pushed)
    for _ in range(2):
        browser_login(world)
        assert query(world.address) == {"tenant": "1", "client_id": CLIENT, "request_uri": "urn:example:1"}
    first, second = (body(world, number, "/par") for number in (0, 1))
    assert first["state"] != second["state"]
    assert first["code_challenge_method"] == "S256"
    with pytest.raises(Refused, match="invalid_request"):
        browser_login(world_of({"code": "c"}, server=server, par=error("invalid_request")))


def pasted(world: ScriptedWorld, text: str, after: timedelta = MINUTE) -> None:
    world.events.append((after, Pasted(Secret(text))))


def test_an_answer_may_be_pasted_and_what_is_none_does_not_end_the_wait() -> None:
    """[C-6749-10] [C-6749-12]: nothing of it is said again, and no code of another login is traded."""
    world = world_of(None)
    for text in ("", "hello", "https://login.example/", "http://127.0.0.1:1/callback?code=c&state=other", "%zz=%ff"):
        pasted(world, text)
    pasted(world, "http://127.0.0.1:1234/callback?code=stolen")
    with pytest.raises(TimedOut):
        browser_login(world, "paste")
    refused = [notice for notice in world.notices if isinstance(notice, PasteRefused)]
    assert len(refused) == 6
    assert not any("stolen" in notice.why for notice in refused)
    assert world.requests("/token") == []

    again = world_of(None)
    state = "AQEB" * 10 + "AQE"  # the first word that a scripted world draws
    pasted(again, f"  http://127.0.0.1:1234/callback?code=c&state={state}#  ")
    assert browser_login(again, "paste").access_token == Secret("at-1")
    assert query(told(again).address)["state"] == state
    assert isinstance(told(again), PasteAsked)
    assert again.address == "", "no browser is opened"
    assert body(again)["code"] == "c"


def test_where_no_keys_are_seen_the_answer_is_a_line() -> None:
    world = world_of(None)
    world.here = Surroundings(has_terminal=False)
    state = "AQEB" * 10 + "AQE"
    world.answers = ["nonsense", f"http://127.0.0.1:1234/callback?code=c&state={state}"]
    assert browser_login(world, "paste")
    assert [question.kind for question in world.asked] == ["address", "address"]
    world.answers = ["nonsense"] * 9
    with pytest.raises(Refused, match="no response"):
        browser_login(world, "paste")


def test_one_key_asks_for_a_code_and_the_first_to_finish_wins() -> None:
    world = world_of(None, PENDING, tokens(access_token="by-code"))
    world.events.append((MINUTE, DeviceRequested()))
    assert browser_login(world).access_token == Secret("by-code")
    assert any(isinstance(notice, CodeShown) for notice in world.notices)
    assert world.parked == {}

    world = world_of({"code": "c"}, PENDING, tokens(access_token="by-browser"))
    world.events += [(MINUTE, DeviceRequested()), (MINUTE + timedelta(seconds=8), Pasted(Secret("nonsense")))]
    assert browser_login(world).access_token == Secret("by-browser")
    assert [body(world, number)["grant_type"] for number in (0, 1)] == [
        "urn:ietf:params:oauth:grant-type:device_code",
        "authorization_code",
    ]
    assert world.parked == {}


def test_a_key_for_what_the_server_does_not_have_does_nothing() -> None:
    world = world_of({"code": "c"}, server=BROWSER_ONLY)
    world.events.append((MINUTE, DeviceRequested()))
    assert browser_login(world)
    assert not any(isinstance(notice, CodeShown) for notice in world.notices)
    notice = told(world)
    assert isinstance(notice, BrowserOpened)
    assert not notice.offers_device


def test_a_way_that_is_closed_to_us_is_left_for_the_next_and_remembered() -> None:
    world = world_of({"code": "c"})
    world.here = Surroundings(is_ssh=True)
    world._script["/device"] = [error("unauthorized_client", 403)]
    state = "AQEB" * 10 + "AQE"
    pasted(world, f"http://127.0.0.1:1234/callback?code=c&state={state}")
    assert run(log_in(world, PROFILE))
    kinds = [type(notice) for notice in world.notices]
    assert kinds[:3] == [FlowChosen, FlowRefused, PasteAsked]
    assert set(world.capabilities[ISSUER, CLIENT].refused) == {"device"}

    world.brings = {"code": "c"}
    asked = len(world.requests("/device"))
    run(log_in(world, PROFILE))
    assert len(world.requests("/device")) == asked, "it is not asked again"
    chosen = [notice for notice in world.notices if isinstance(notice, FlowChosen)][-1]
    assert chosen.door == "paste"
    assert any("refused the device flow to this client" in reason for reason in chosen.reasons)

    world.time.wait(timedelta(days=31))
    world._script["/device"] = [codes()]
    assert run(log_in(world, PROFILE))
    assert len(world.requests("/device")) == asked + 1, "but not for ever"


def test_a_way_that_was_refused_and_is_taken_by_name_is_refused_no_more() -> None:
    world = world_of(None)
    world.capabilities[ISSUER, CLIENT] = ServerCapabilities({"device": world.now().wall})
    browser_login(world, "device")
    assert world.capabilities[ISSUER, CLIENT] == ServerCapabilities()


@pytest.mark.parametrize("answer", [error("access_denied", 403), error("invalid_scope"), error("server_error", 500)])
def test_another_refusal_is_no_reason_to_go_on(answer: Answer) -> None:
    world = world_of(None)
    world.here = Surroundings(is_ssh=True)
    world._script["/device"] = [answer]
    with pytest.raises(KeyfobError):
        run(log_in(world, PROFILE))
    assert world.capabilities == {}


def test_where_nobody_is_nothing_is_asked_of_the_server() -> None:
    """[C-8628-01]: and the error says what to run where there is somebody."""
    world = world_of(None)
    world.has_user, world.here = False, Surroundings(has_terminal=False, ci="GitHub Actions")
    with pytest.raises(LoginRequired) as raised:
        run(log_in(world, replace(PROFILE, name="work")))
    assert (raised.value.code, raised.value.exit) == ("no-terminal", 4)
    assert "GitHub Actions" in raised.value.message
    assert "keyfob login --profile work" in raised.value.hint
    assert [request.path for _, request in world.sent] == [OPENID]


def test_another_process_goes_on_with_a_login_that_waits() -> None:
    first = world_of(None)
    begun = run(begin(first, PROFILE))
    assert begun.shown.user_code == "WDJB-MJHT"
    second = world_of(None, PENDING, tokens())
    second.parked = first.parked
    assert run(resume(second, PROFILE)).access_token == Secret("at-1")
    assert body(second)["device_code"] == "the-device-code"
    assert second.parked == {}
    with pytest.raises(LoginRequired):
        run(resume(second, PROFILE))


def test_a_login_that_waits_for_another_program_is_not_ours() -> None:
    world = world_of(None)
    run(begin(world, PROFILE))
    with pytest.raises(LoginRequired):
        run(resume(world, replace(PROFILE, client_id="other")))
    world.time.wait(timedelta(hours=1))
    with pytest.raises(TimedOut):
        run(resume(world, PROFILE))
    assert world.parked == {}


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_a_person_logs_a_program_in_through_the_browser(wire: Wire) -> None:
    scene = Scene(example_config(TENANT, wire))
    app = App(
        issuer=TENANT,
        client_id="native",
        audience=ORDERS,
        scopes=["read:orders"],
        callbacks=["http://127.0.0.1:8484/callback"],
        flow="browser",
        vault=MemoryVault(),
        world=SceneWorld(scene, lambda _: None),
    )
    stored = app.log_in(lambda _: None)
    assert (stored.person, stored.refresh_token is not None) == (EMAIL, True)
    first = app.session().token()
    scene.time.go(timedelta(days=1))
    assert app.session().token() != first, "and it is renewed as any other"


def test_an_id_token_with_another_nonce_is_not_believed() -> None:
    """[C-OIDC-03]: a code that was planted brings somebody else's ID token."""
    scene = Scene(example_config(TENANT))

    class Planted(SceneWorld):
        async def open_browser(self, address: str) -> bool:
            return await super().open_browser(address.replace("nonce=", "nonce=x"))

    app = App(
        issuer=TENANT,
        client_id="native",
        callbacks=["http://127.0.0.1:8484/callback"],
        flow="browser",
        vault=MemoryVault(),
        world=Planted(scene, lambda _: None),
    )
    with pytest.raises(InvalidToken):
        app.log_in(lambda _: None)


@pytest.mark.parametrize("left", [Secret("{"), replace(pending(), device_code=Secret("another")).write()])
def test_a_note_of_another_login_stays_and_a_damaged_one_goes(left: Secret) -> None:
    """Another login may have begun meanwhile, by `--no-wait`."""
    world = world_of(None)
    run(begin(world, PROFILE))
    world.meanwhile["/token"] = lambda: world.save_pending(PROFILE.name, left)
    assert run(resume(world, PROFILE)).access_token == Secret("at-1")
    assert world.parked == ({} if left == Secret("{") else {PROFILE.name: left})


def test_a_scope_that_is_refused_to_a_waiting_login_is_left_out_of_the_next() -> None:
    world = world_of(None, error("invalid_scope"), codes())
    run(begin(world, PROFILE))
    with pytest.raises(Refused, match="invalid_scope") as raised:
        run(resume(world, PROFILE))
    assert (raised.value.hint, raised.value.flags) == (PROFILE.login_hint(), "")
    run(begin(world, PROFILE))
    first, second = (body(world, number, "/device")["scope"].split() for number in (0, 1))
    assert set(second) < set(first)


def test_a_waiting_login_of_which_nothing_can_be_left_out_is_just_refused() -> None:
    world = world_of(None, error("invalid_grant"))
    run(begin(world, PROFILE))
    with pytest.raises(Refused, match="invalid_grant"):
        run(resume(world, PROFILE))
    assert world.capabilities == {} or not world.load_capabilities(ISSUER, CLIENT).refused_scope


def test_the_flows_are_told_without_a_login() -> None:
    world = world_of(None)
    assert run(plan(world, PROFILE)).flows[0] == "browser"
    assert [request.path for _, request in world.sent] == [OPENID]


def test_a_program_without_a_terminal_names_its_own_command() -> None:
    world = world_of(None)
    world.surroundings = lambda: (Surroundings(), False)  # type: ignore[method-assign]
    with pytest.raises(LoginRequired) as raised:
        run(log_in(world, replace(PROFILE, login_command="shop login")))
    assert raised.value.hint.endswith("shop login")


def test_a_pushed_request_is_not_opened_to_see_whether_the_client_is_known() -> None:
    """[C-9126-01]: it is for one use, which is the user's."""
    server = replace(
        SERVER,
        pushed_authorization_request_endpoint="https://login.example/par",
        require_pushed_authorization_requests=True,
    )
    pushed = json_response(201, {"request_uri": "urn:example:1", "expires_in": 60})
    world = world_of(None, server=server, par=pushed)
    world.here = Surroundings(is_ssh=True)
    world._script["/device"] = [error("unauthorized_client", 403)]
    with pytest.raises(TimedOut):
        run(log_in(world, PROFILE))
    assert [type(notice) for notice in world.notices][:3] == [FlowChosen, FlowRefused, PasteAsked]
    assert "/authorize" not in [request.path for _, request in world.sent]


def test_a_server_that_wants_a_push_and_has_pushes_already_refuses() -> None:
    """Nothing is left to give up, so it is not asked again and again."""
    server = replace(
        SERVER,
        pushed_authorization_request_endpoint="https://login.example/par",
        require_pushed_authorization_requests=True,
    )
    refusal = json_response(400, {"error": "invalid_request", "error_description": "Please push the request."})
    world = world_of({"code": "c"}, server=server, par=refusal)
    with pytest.raises(Refused, match="push"):
        browser_login(world)
    assert len(world.requests("/par")) == 1
