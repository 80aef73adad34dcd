"""What a program's platform says of it: read from where it lies, and shown to a scripted issuer."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from keyfob.client.auth.workload_identity import read_platform_token
from keyfob.client.flows.client_credentials import log_in
from keyfob.client.io.platform_tokens import Platform, read_identity
from keyfob.client.model.credential import PlatformToken
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import IdentityUse, Source
from keyfob.errors import KeyfobError, Malformed, Misuse, Refused, Unreachable
from keyfob.login import App
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import API, DOCUMENT, ISSUER, OPENID, error, tokens
from tests.loopback import says, serving

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
GITHUB = Source("identity", "github", "https://aud.example")
LATER = int(NOON.timestamp()) + 300


def jwt(**changed: object) -> str:
    claims = {"iss": "https://ci.example", "sub": "repo:a/b", "aud": ISSUER, "exp": LATER, **changed}
    named = {name: value for name, value in claims.items() if value is not None}
    parts = (json.dumps(part).encode() for part in ({"alg": "ES384"}, named))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


TOKEN = jwt()


def profile(use: IdentityUse = "exchange", **changed: object) -> Profile:
    plain = Profile("ci", ISSUER, "robot", API, identity=GITHUB, identity_as=use, is_machine=True)
    return replace(plain, **changed)  # type: ignore[arg-type]


def world_of(answer: object) -> ScriptedWorld:
    return ScriptedWorld({OPENID: [DOCUMENT], "/token": [answer]})  # type: ignore[list-item]


def body_of(world: ScriptedWorld) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(world.requests("/token")[0].body.decode()).items()}


def test_a_platforms_token_is_exchanged_for_an_access_token() -> None:
    """[C-8693-01]: subject_token and its type, no actor, and nothing that would authenticate a public program."""
    world = world_of(tokens(issued_token_type=ACCESS))
    stored = run(log_in(world, profile(), None, read_platform_token(TOKEN, "here")))
    assert body_of(world) == {
        "grant_type": EXCHANGE,
        "client_id": "robot",
        "subject_token": TOKEN,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "requested_token_type": ACCESS,
        "audience": API,
    }
    assert stored.access_token == Secret("at-1")


def test_a_token_that_is_no_jwt_is_exchanged_as_what_it_is() -> None:
    """[C-8693-01]"""
    world = world_of(tokens())
    run(log_in(world, profile(), None, read_platform_token("opaque-token\n", "here")))
    assert (body_of(world)["subject_token"], body_of(world)["subject_token_type"]) == ("opaque-token", ACCESS)


def test_an_exchange_may_prove_the_program_too() -> None:
    """[C-6749-07]: one way, beside the token that is exchanged."""
    world = world_of(tokens())
    run(log_in(world, profile(), Secret("word"), read_platform_token(TOKEN, "here")))
    assert (world.requests("/token")[0].header("authorization") or "").startswith("Basic ")
    assert body_of(world).keys().isdisjoint({"client_secret", "client_assertion", "client_id"})


@pytest.mark.parametrize(
    "changed",
    [
        {"token_type": "N_A"},
        {"token_type": "N_A", "issued_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
    ],
)
def test_what_is_no_access_token_is_not_used_as_one(changed: dict[str, object]) -> None:
    """[C-8693-01]"""
    with pytest.raises(Malformed):
        run(log_in(world_of(tokens(**changed)), profile(), None, read_platform_token(TOKEN, "here")))


def test_a_platforms_token_is_the_grant() -> None:
    """[C-7523-02]: exactly one JWT, as it came."""
    world = world_of(tokens())
    run(log_in(world, profile("grant"), None, read_platform_token(TOKEN, "here")))
    assert parse_qs(world.requests("/token")[0].body.decode()) == {
        "grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
        "client_id": ["robot"],
        "assertion": [TOKEN],
        "audience": [API],
    }


def test_a_platforms_token_proves_the_program() -> None:
    """[C-7523-01] [C-6749-07]: as client assertion, beside the grant of a program as itself."""
    world = world_of(tokens())
    run(log_in(world, profile("assertion"), read_platform_token(TOKEN, "here")))
    assert body_of(world) == {
        "grant_type": "client_credentials",
        "client_id": "robot",
        "client_assertion": TOKEN,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "audience": API,
    }
    assert world.requests("/token")[0].header("authorization") is None


@pytest.mark.parametrize("missing", ["iss", "sub", "aud", "exp"])
@pytest.mark.parametrize("use", ["assertion", "grant"])
def test_a_jwt_that_lacks_what_an_assertion_needs_is_not_sent(missing: str, use: IdentityUse) -> None:
    """[C-7523-02]"""
    world, identity = world_of(tokens()), read_platform_token(jwt(**{missing: None}), "here")
    with pytest.raises(Misuse, match=missing):
        run(log_in(world, profile(use), *((identity,) if use == "assertion" else (None, identity))))
    assert world.sent == []


@pytest.mark.parametrize("use", ["exchange", "assertion", "grant"])
def test_a_lapsed_token_is_not_sent(use: IdentityUse) -> None:
    world, identity = world_of(tokens()), read_platform_token(jwt(exp=int(NOON.timestamp()) - 1), "here")
    with pytest.raises(Misuse, match="has expired"):
        run(log_in(world, profile(use), *((identity,) if use == "assertion" else (None, identity))))
    assert world.sent == []


def test_a_refusal_never_repeats_the_token() -> None:
    with pytest.raises(Refused) as raised:
        run(log_in(world_of(error("invalid_request")), profile(), None, read_platform_token(TOKEN, "here")))
    assert TOKEN not in f"{raised.value.message}{raised.value.hint}"


def test_a_token_does_not_show_when_it_is_printed() -> None:
    shown = repr(read_platform_token(TOKEN, "here"))
    assert not any(part in shown for part in [*TOKEN.split("."), "repo:a/b"])


def test_a_public_program_asks_nobody() -> None:
    """[C-6749-14]: refused before any request, by the profile and by the flow."""
    world = world_of(tokens())
    with pytest.raises(Misuse):
        run(log_in(world, profile(), None))
    assert world.sent == []
    with pytest.raises(Misuse):
        Profile("ci", ISSUER, "robot", is_machine=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"is_machine": False},
        {"identity_as": "assertion", "credential": Source("secret", "env", "X")},
    ],
)
def test_an_identity_that_could_not_be_meant_is_refused(changed: dict[str, object]) -> None:
    """[C-6749-07]"""
    with pytest.raises(Misuse):
        profile(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "word", ["github", "github:https://x", "gitlab:VAR", "google", "azure", "kubernetes", "file:/a:b", "env:X"]
)
def test_a_profile_keeps_where_an_identity_lies_and_how_it_is_used(word: str) -> None:
    kept = profile("grant", identity=Source.read(f"identity:{word}"))
    assert Profile.read("ci", kept.write()) == kept


@pytest.mark.parametrize("word", ["", "github2", "gitlab", "file:", "env", "file"])
def test_an_identity_that_names_no_place_is_refused(word: str) -> None:
    with pytest.raises(Misuse, match="workload identity is unknown"):
        Source.read(f"identity:{word}")


# Where it lies.


def read(source: Source, platform: Platform) -> str:
    found = read_identity(source, platform)
    assert isinstance(found, PlatformToken)
    return found.token.reveal()


def github(answer: Response, **environment: str) -> tuple[Platform, list[Request]]:
    asked: list[Request] = []

    def send(request: Request) -> Response:
        asked.append(request)
        return answer

    usual = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://run.example/idtoken?api-version=2", "GITHUB_ACTIONS": "true"}
    return Platform({**usual, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token", **environment}, send=send), asked


def test_github_is_asked_for_a_token_for_the_issuer() -> None:
    platform, asked = github(json_response(200, {"count": 1, "value": TOKEN}))
    assert read(GITHUB, platform) == TOKEN
    assert asked[0].header("authorization") == "Bearer request-token"
    assert parse_qs(urlsplit(asked[0].url).query) == {"api-version": ["2"], "audience": ["https://aud.example"]}


@pytest.mark.parametrize(
    ("platform", "kind", "says_what_helps"),
    [
        (github(Response(200), ACTIONS_ID_TOKEN_REQUEST_URL="")[0], Misuse, "id-token: write"),
        (github(Response(200), ACTIONS_ID_TOKEN_REQUEST_TOKEN="", GITHUB_ACTIONS="")[0], Misuse, "id-token: write"),
        (github(Response(200), ACTIONS_ID_TOKEN_REQUEST_URL="http://evil.example/?a=b")[0], Misuse, "was changed"),
        (github(Response(403, (), b"no"))[0], Refused, "id-token: write"),
        (github(json_response(200, {"value": ""}))[0], Malformed, ""),
        (github(json_response(200, {"value": "two words"}))[0], Misuse, "one word"),
    ],
)
def test_github_without_a_token_is_an_error_that_says_what_helps(
    platform: Platform, kind: type[KeyfobError], says_what_helps: str
) -> None:
    with pytest.raises(kind) as raised:
        read_identity(GITHUB, platform)
    assert says_what_helps in raised.value.hint
    assert "request-token" not in f"{raised.value.message}{raised.value.hint}"


def test_gitlabs_variable_is_read_and_its_absence_explained() -> None:
    source = Source("identity", "gitlab", "KEYFOB_TOKEN")
    assert read(source, Platform({"KEYFOB_TOKEN": TOKEN})) == TOKEN
    with pytest.raises(Misuse, match="KEYFOB_TOKEN") as raised:
        read_identity(source, Platform({}))
    assert "id_tokens" in raised.value.hint


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for text in (TOKEN, jwt(sub="other")):
        path.write_text(text + "\n")
        assert read(Source("identity", "file", str(path)), Platform({})) == text
        assert read(Source("identity", "kubernetes", ""), Platform({}, kubernetes=str(path))) == text
        assert read(Source("identity", "azure", ""), Platform({"AZURE_FEDERATED_TOKEN_FILE": str(path)})) == text


@pytest.mark.parametrize("place", ["file", "kubernetes"])
@pytest.mark.parametrize("content", [None, b"", b"two words", b"\xff\xfe", b"x" * 20_000])
def test_a_file_without_a_token_is_named(place: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misuse, match="token") as raised:
        read_identity(Source.read(f"identity:{place}:{path}"), Platform({}))
    assert raised.value.code == "identity-missing"
    assert raised.value.hint


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_metadata_servers_are_asked_directly_whatever_proxy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    google = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Fa&format=full"
    azure = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api%3A%2F%2FAzureADTokenExchange"
    paths = {
        google: says(200, TOKEN.encode(), metadata_flavor="Google"),
        azure: says(200, json.dumps({"access_token": TOKEN}).encode()),
    }
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(paths) as server:
        platform = Platform({}, google=server.url, azure=server.url)
        assert read(Source("identity", "google", "https://a"), platform) == TOKEN
        assert read(Source("identity", "azure", ""), platform) == TOKEN
    assert server.came[0][2]["metadata-flavor"] == "Google"
    assert server.came[1][2]["metadata"] == "true"


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("place", ["google", "azure"])
def test_what_is_no_such_machine_is_said(place: str) -> None:
    nowhere = Platform({}, google="http://127.0.0.1:9", azure="http://127.0.0.1:9")
    with pytest.raises(Unreachable) as raised:
        read_identity(Source.read(f"identity:{place}"), nowhere)
    assert f"The identity {place} works on" in raised.value.hint


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_another_server_on_the_link_is_not_taken_for_googles() -> None:
    google = "/computeMetadata/v1/instance/service-accounts/default/identity?audience=x&format=full"
    with (
        serving({google: says(200, TOKEN.encode())}) as server,
        pytest.raises(Misuse, match="did not come from Google's"),
    ):
        read_identity(Source("identity", "google", "x"), Platform({}, google=server.url))


def test_the_metadata_address_is_fixed() -> None:
    assert (Platform({}).google, Platform({}).azure) == ("http://169.254.169.254", "http://169.254.169.254")


# All together, at the door.


@pytest.mark.parametrize(("use", "shown_as"), [("exchange", "subject_token"), ("assertion", "client_assertion")])
def test_a_job_logs_in_by_its_identity_and_asks_once(
    use: IdentityUse, shown_as: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_TOKEN", TOKEN)
    world, vault = world_of(tokens()), MemoryVault()

    def app() -> App:
        source = Source("identity", "env", "JOB_TOKEN")
        return App(
            issuer=ISSUER, client_id="robot", audience=API, is_machine=True, identity=source, identity_as=use,
            vault=vault, world=world,
        )  # fmt: skip

    assert app().log_in().access_token == Secret("at-1")
    monkeypatch.delenv("JOB_TOKEN")
    assert [app().session().token() for _ in range(3)] == ["at-1"] * 3
    assert [request.path for _, request in world.sent].count("/token") == 1
    assert body_of(world)[shown_as] == TOKEN
    world.time.wait(timedelta(days=1))
    with pytest.raises(Misuse, match="JOB_TOKEN"):
        app().session().token()


@pytest.mark.parametrize("source", [Source("identity", "github", ""), Source("identity", "google", "")])
def test_a_token_is_asked_for_the_issuer_if_nobody_says_for_whom(source: Source) -> None:
    assert source.for_reader(ISSUER).name == ISSUER
    assert replace(source, name="x").for_reader(ISSUER).name == "x"
    assert Source("identity", "azure", "").for_reader(ISSUER).name == ""


def test_an_opaque_token_that_is_refused_is_not_exchanged_again_as_what_it_was() -> None:
    world = world_of(error("invalid_request"))
    with pytest.raises(Refused, match="invalid_request"):
        run(log_in(world, profile(), None, read_platform_token("opaque-token", "here")))
    assert len(world.requests("/token")) == 1
