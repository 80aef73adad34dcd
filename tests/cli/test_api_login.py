"""Whose token goes where, and a login at an API of which nothing but the address is known, on this machine."""

import io
import json
import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast

import pytest

from keyfob.cli.api_login import _profile_for
from keyfob.cli.main import main
from keyfob.client.flows.resource_discovery import ApiFound, profile_name
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import Profile
from keyfob.errors import Misuse
from keyfob.protocol.resource_metadata import WELL_KNOWN, ResourceMetadata
from keyfob.protocol.scope import Scope
from tests.cli.issuer import as_json, granted, issuer, keep_login
from tests.loopback import Answer, Loopback, says, serving

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
Keyfob = Callable[..., tuple[int, str, str]]


class Screen(io.TextIOWrapper):
    """A terminal at which somebody has typed this."""

    def __init__(self, typed: str) -> None:
        super().__init__(io.BytesIO(typed.encode()))

    def isatty(self) -> bool:
        return True


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    for name in ("PROFILE", "ISSUER", "CLIENT_ID", "AUDIENCE", "SCOPE", "DEBUG", "CA"):
        monkeypatch.delenv(f"KEYFOB_{name}", raising=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def types(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Screen(text))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return types


def taking(token: str, body: bytes = b"two") -> Answer:
    """What answers whoever brings that token, and challenges everybody else."""

    def answer(handler: BaseHTTPRequestHandler, sent: bytes) -> None:
        if handler.headers.get("authorization") == f"Bearer {token}":
            says(200, body)(handler, sent)
            return
        here = f"http://{handler.headers['host']}"
        said = f'Bearer realm="api", scope="read:orders", resource_metadata="{here}{WELL_KNOWN}"'
        says(401, b"who are you?", www_authenticate=said)(handler, sent)

    return answer


@contextmanager
def api(*issuers: str, resource: str | None = None, orders: Answer | None = None) -> Generator[Loopback]:
    def metadata(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        own = resource or f"http://{handler.headers['host']}"
        as_json(200, **ResourceMetadata(own, issuers, ("read:orders", "write:orders")).write())(handler, body)

    with serving({WELL_KNOWN: metadata, "/orders": orders or taking("at-1")}) as server:
        yield server


def shown(server: Loopback, path: str = "/orders") -> list[str | None]:
    """What was brought there, call by call."""
    return [headers.get("authorization") for _, came, headers, _ in server.came if came == path]


def error_of(out: str) -> dict[str, str]:
    return cast("dict[str, str]", json.loads(out.splitlines()[-1])["error"])


def test_an_api_of_which_only_the_address_is_known_is_logged_in_to(keyfob: Keyfob) -> None:
    """[C-9728-01] [C-8707-01]: found, logged in for it alone, called again; the next call needs no login."""
    with issuer() as login, api(f"{login.url}/") as server:
        code, out, _ = keyfob("call", f"{server.url}/orders", "--trust-issuer", f"{login.url}/", "--client-id", "cli",
                              "--json", "-d", "a=1")  # fmt: skip
        [asked] = [body.decode() for _, path, _, body in login.came if path == "/device"]
        again = keyfob("call", f"{server.url}/orders")
        profile = ProfileFiles().load(profile_name(server.url))
    assert code == 0
    events, _, body = out.rpartition("\n")
    assert [json.loads(line)["event"] for line in events.splitlines()] == ["chosen", "device_code"]
    assert body == "two"
    assert "resource=http%3A%2F%2F127.0.0.1" in asked
    assert "scope=read%3Aorders" in asked or "read%3Aorders" in asked
    assert "write%3Aorders" not in asked, "no more than the API has just missed"
    assert again == (0, "two", "")
    assert shown(server) == [None, "Bearer at-1", "Bearer at-1"]
    assert [body for _, path, _, body in server.came if path == "/orders"] == [b"a=1", b"a=1", b""]
    assert profile is not None
    assert (profile.audience, profile.is_resource, profile.client_id) == (server.url, True, "cli")


def test_a_new_issuer_is_shown_and_asked_about_before_anything_is_opened(
    keyfob: Keyfob, at_terminal: Callable[[str], None]
) -> None:
    """[C-9728-02]."""
    with issuer() as login, api(f"{login.url}/") as server:
        for typed in ("n\n", "\n", ""):
            at_terminal(typed)
            code, out, err = keyfob("call", f"{server.url}/orders", "--client-id", "cli")
            assert (code, out) == (5, "")
            assert f"{login.url}/\n" in err
            assert "do you trust this issuer" in err
        assert login.came == []
        assert list(ProfileFiles().folder.glob("*")) == []


def test_where_nobody_is_it_says_what_to_run(keyfob: Keyfob) -> None:
    """[C-9728-02]: exit 4, and no issuer is asked."""
    with issuer() as login, api(f"{login.url}/") as server:
        url = f"{server.url}/orders"
        code, out, err = keyfob("call", url, "--client-id", "cli", "-H", "x-key: hidden", "-d", "hidden=1")
        told = error_of(out)
        code_json, out_json, _ = keyfob("call", url, "--client-id", "cli", "--json")
        assert login.came == []
    ours = f"keyfob call --trust-issuer {login.url}/ --client-id cli {url}"
    assert (code, told["code"], told["run"], told["issuer"]) == (4, "new-issuer", ours, f"{login.url}/")
    assert (told["resource"], told["scope"]) == (server.url, "read:orders")
    assert ours in err
    assert "hidden" not in out + err
    assert code_json == 4
    assert error_of(out_json)["code"] == "new-issuer"
    assert "--trust-issuer" in error_of(out_json)["hint"]


def test_a_trusted_issuer_without_a_terminal_says_how_to_see_the_code(keyfob: Keyfob) -> None:
    """[C-8628-01]."""
    with issuer() as login, api(f"{login.url}/") as server:
        trusted = ("--trust-issuer", f"{login.url}/", "--client-id", "cli")
        code, out, err = keyfob("call", f"{server.url}/orders", *trusted)
        assert [path for _, path, _, _ in login.came if path == "/device"] == []
    assert (code, error_of(out)["code"]) == (4, "no-terminal")
    assert error_of(out)["run_and_show_events"].startswith("keyfob call --trust-issuer")
    assert "Run in a terminal: keyfob call" in err


def test_metadata_of_another_api_leads_nowhere(keyfob: Keyfob) -> None:
    """[C-9728-01]: ignored, no issuer contacted."""
    with issuer() as login, api(f"{login.url}/", resource="https://bank.example") as server:
        code, _, err = keyfob("call", f"{server.url}/orders", "--trust-issuer", f"{login.url}/", "--client-id", "cli")
        assert login.came == []
    assert (code, "another API" in err) == (1, True)


def test_no_client_id_is_said_before_anybody_is_asked(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    with issuer() as login, api(f"{login.url}/") as server:
        code, _, err = keyfob("call", f"{server.url}/orders", "--trust-issuer", f"{login.url}/")
        assert (code, "--client-id" in err) == (2, True)
        monkeypatch.setenv("KEYFOB_CLIENT_ID", "of-another")
        monkeypatch.setenv("KEYFOB_ISSUER", "https://another.example/")
        monkeypatch.setenv("KEYFOB_PROFILE", "x")
        assert keyfob("call", f"{server.url}/orders")[0] == 4, "that login is meant, and there is none"
        assert login.came == []


def test_a_public_api_is_called_without_a_login(keyfob: Keyfob) -> None:
    with serving({"/open": says(200, b"free"), "/gone": says(410, b"gone")}) as server:
        assert keyfob("call", f"{server.url}/open") == (0, "free", "")
        code, out, err = keyfob("call", "-i", f"{server.url}/gone")
    assert (code, out.splitlines()[0], out.splitlines()[-1]) == (3, "HTTP 410", "gone")
    assert "410" in err


def test_an_api_that_says_nothing_needs_a_login_by_hand(keyfob: Keyfob) -> None:
    paths: dict[str, Answer] = {WELL_KNOWN: says(404), f"{WELL_KNOWN}/x": says(404), "/x": says(401, b"no")}
    with serving(paths) as server:
        code, out, err = keyfob("call", f"{server.url}/x")
        assert (code, out) == (4, "")
        assert "keyfob login URL CLIENT_ID" in err
        assert error_of(keyfob("call", f"{server.url}/x", "--json")[1])["code"] == "login-required"


def test_plain_http_beyond_this_machine_is_refused_without_a_login_too(keyfob: Keyfob) -> None:
    """[C-6750-01]."""
    assert keyfob("call", "http://api.example/")[0] == 2


def test_a_token_that_one_api_has_taken_is_shown_to_no_other(keyfob: Keyfob) -> None:
    """[C-6750-01] [C-8707-01]: the first origin is remembered; another one needs a word, which is remembered too."""
    silent: dict[str, Answer] = {"/orders": taking("at-1"), WELL_KNOWN: says(404), f"{WELL_KNOWN}/orders": says(404)}
    with issuer(userinfo=says(200)) as login, serving({"/orders": says(200)}) as first, serving(silent) as other:
        keep_login(login)
        assert keyfob("call", f"{login.url}/userinfo")[0] == 0, "its issuer made it, and is no API"
        assert keyfob("call", f"{first.url}/orders")[0] == 0
        code, out, err = keyfob("call", f"{other.url}/orders")
        assert (code, out, "--send-token" in err, "keyfob help other-api" in err) == (2, "", True, True)
        assert shown(other) == [None]
        code, _, err = keyfob("call", f"{other.url}/orders", "--profile", "default")
        assert (code, "keyfob help other-api" in err) == (2, True)
        assert shown(other) == [None], "who is named and is another's is not even asked"
        assert keyfob("call", f"{other.url}/orders", "--send-token")[:2] == (0, "two")
        assert keyfob("call", f"{other.url}/orders")[:2] == (0, "two")
        assert keyfob("call", f"{login.url}/userinfo")[0] == 0
    assert shown(first) == ["Bearer at-1"]


def test_an_api_that_the_audience_names_is_remembered_too(keyfob: Keyfob) -> None:
    """[C-6750-01]: else the next stranger would pass for the first."""
    with issuer() as login, serving({"/orders": says(200)}) as named, serving({"/orders": says(200)}) as other:
        keyfob("login", "--issuer", f"{login.url}/", "--client-id", "cli", "--flow", "device", "--audience", named.url)
        assert keyfob("call", f"{named.url}/orders")[0] == 0
        assert keyfob("call", f"{other.url}/orders")[0] == 0
    assert (shown(named), shown(other)) == (["Bearer at-1"], [None])


@pytest.mark.parametrize("resource", ["x#y", "orders", "/orders", "https://api.example/#y"])
def test_a_resource_that_is_no_address_is_refused(keyfob: Keyfob, resource: str) -> None:
    """[C-8707-01]."""
    said = ("login", "--issuer", "https://login.example/", "--client-id", "cli", "--resource", resource)
    assert keyfob(*said)[0] == 2


def test_whatever_an_origin_answers_the_token_goes_to_no_second_one(keyfob: Keyfob) -> None:
    """[FC-04]: remembered before it is sent. A stranger that answers 404 has seen the token all the same."""
    for status in (404, 500, 403):
        with issuer() as login, serving({"/orders": says(status)}) as no, serving({"/orders": says(200)}) as other:
            keep_login(login)
            assert keyfob("call", f"{no.url}/orders")[0] == 3
            keyfob("call", f"{other.url}/orders")
            assert (shown(no), shown(other)) == (["Bearer at-1"], [None])


def test_an_origin_that_hangs_up_has_seen_the_token_too(keyfob: Keyfob) -> None:
    """[FC-04]."""

    def hangs_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.close_connection = True

    with issuer() as login, serving({"/orders": hangs_up}) as no, serving({"/orders": says(200)}) as other:
        keep_login(login)
        assert keyfob("call", f"{no.url}/orders")[0] != 0
        keyfob("call", f"{other.url}/orders")
        assert shown(other) == [None]


def test_send_token_pins_an_origin_whatever_it_answers(keyfob: Keyfob) -> None:
    """[FC-04]."""
    with issuer() as login, serving({"/orders": says(404)}) as named, serving({"/orders": says(200)}) as other:
        keep_login(login)
        assert keyfob("call", f"{named.url}/orders", "--send-token")[0] == 3
        keyfob("call", f"{other.url}/orders")
        assert keyfob("call", f"{named.url}/orders")[0] == 3
        assert (shown(named), shown(other)) == (["Bearer at-1"] * 2, [None])


def test_an_audience_elsewhere_is_asked_about_the_first_time_too(
    keyfob: Keyfob, at_terminal: Callable[[str], None]
) -> None:
    """[FC-04]: the audience is an address of another origin, so the first call is no evidence."""
    with issuer() as login, serving({"/orders": says(200)}) as there:
        keyfob("login", "--issuer", f"{login.url}/", "--client-id", "cli", "--flow", "device",
               "--audience", "https://api.example.com")  # fmt: skip
        code, _, err = keyfob("call", f"{there.url}/orders", "--profile", "default")
        assert (code, "--send-token" in err) == (2, True)
        at_terminal("n\n")
        keyfob("call", f"{there.url}/orders")
        assert shown(there) == [None]
        at_terminal("y\n")
        assert keyfob("call", f"{there.url}/orders")[0] == 0
        assert keyfob("call", f"{there.url}/orders")[0] == 0
    assert shown(there) == [None, "Bearer at-1", "Bearer at-1"]


def test_where_nothing_can_be_remembered_a_first_origin_has_to_be_named(keyfob: Keyfob, tmp_path: Path) -> None:
    """[FC-04]: on a read-only disk each origin would be the first."""
    (tmp_path / "origins").write_text("in the way")
    with issuer() as login, serving({"/orders": says(200)}) as there:
        keep_login(login)
        code, _, err = keyfob("call", f"{there.url}/orders")
        assert (code, "--send-token" in err) == (2, True)
        assert keyfob("call", f"{there.url}/orders", "--send-token")[0] == 0
    assert shown(there) == ["Bearer at-1"]


def test_a_login_that_has_ended_pins_nothing(keyfob: Keyfob) -> None:
    """[FC-04]: no token was sent."""
    with issuer(as_json(400, error="invalid_grant")) as login, serving({"/orders": says(200)}) as there:
        keep_login(login, expires_in=-60)
        assert keyfob("call", f"{there.url}/orders")[0] == 4
        keep_login(login)
        with serving({"/orders": says(200)}) as other:
            assert keyfob("call", f"{other.url}/orders")[0] == 0
            assert shown(other) == ["Bearer at-1"]
    assert there.came == []


def test_who_sits_at_the_terminal_may_send_a_named_login_elsewhere(
    keyfob: Keyfob, at_terminal: Callable[[str], None]
) -> None:
    """[C-6750-01]."""
    with issuer() as login, serving({"/orders": says(200)}) as first, serving({"/orders": says(200)}) as other:
        keep_login(login)
        keyfob("call", f"{first.url}/orders")
        at_terminal("n\n")
        assert keyfob("call", f"{other.url}/orders", "--profile", "default")[0] == 2
        at_terminal("y\n")
        code, _, err = keyfob("call", f"{other.url}/orders", "--profile", "default")
        assert (code, "send its token to http://127.0.0.1" in err) == (0, True)
        assert keyfob("call", f"{other.url}/orders", "--profile", "default")[0] == 0
    assert shown(other) == ["Bearer at-1"] * 2


def test_two_apis_of_one_issuer_have_two_tokens(keyfob: Keyfob) -> None:
    """[C-8707-01] [C-9728-01]: the issuer and the program are known from the first."""
    polls = (granted(), granted(access_token="at-2"))
    with (
        issuer(*polls) as login,
        api(f"{login.url}/") as one,
        api(f"{login.url}/", orders=taking("at-2", b"three")) as two,
    ):
        trusted = ("--trust-issuer", f"{login.url}/", "--client-id", "cli", "--json")
        assert keyfob("call", f"{one.url}/orders", *trusted)[0] == 0
        code, out, _ = keyfob("call", f"{two.url}/orders", "--json")
        assert (code, out.rpartition("\n")[2]) == (0, "three")
        assert keyfob("call", f"{one.url}/orders")[:2] == (0, "two")
        assert keyfob("call", f"{two.url}/orders")[:2] == (0, "three")
        named = [body.decode() for _, path, _, body in login.came if path == "/device"]
    assert shown(one) == [None, "Bearer at-1", "Bearer at-1"]
    assert shown(two) == [None, "Bearer at-2", "Bearer at-2"]
    assert len({body.partition("resource=")[2].partition("&")[0] for body in named}) == 2
    assert FileVault().entries() == sorted(profile_name(server.url) for server in (one, two))


def test_a_name_that_is_taken_is_not_taken_over(keyfob: Keyfob) -> None:
    with issuer() as login, api(f"{login.url}/") as server:
        keyfob("login", "--issuer", f"{login.url}/", "--client-id", "cli", "--flow", "device", "--profile",
               profile_name(server.url), "--audience", "https://elsewhere.example/")  # fmt: skip
        code, _, err = keyfob("call", f"{server.url}/orders", "--trust-issuer", f"{login.url}/", "--client-id", "cli")
        assert (code, "--profile NAME" in err) == (2, True)
        trusted = ("--trust-issuer", f"{login.url}/", "--client-id", "cli", "--json", "--profile", "orders")
        assert keyfob("call", f"{server.url}/orders", *trusted)[0] == 0
        assert keyfob("call", f"{server.url}/orders", "--profile", "orders")[:2] == (0, "two")


def test_an_address_that_an_api_names_elsewhere_is_not_connected_to(keyfob: Keyfob) -> None:
    """[C-9728-02]: whatever listens there."""
    inside = says(200, b"{}")
    with serving({"/latest": inside}) as other:
        told = f'Bearer resource_metadata="{other.url}/latest"'
        with serving({"/orders": says(401, www_authenticate=told)}) as server:
            code, _, err = keyfob("call", f"{server.url}/orders")
        assert (code, "it was not fetched" in err) == (1, True)
        assert other.came == []


FOUND = ApiFound("https://api.example/v1", ("https://login.example/",), Scope.of(["a"]))


def profile_for(found: ApiFound, *kept: Profile, client_id: str | None = None, name: str | None = None) -> Profile:
    return _profile_for(Namespace(profile=name, new_client_id=client_id), found, list(kept))


def test_the_program_that_is_known_at_the_issuer_is_used_with_all_that_is_known_of_it(keyfob: Keyfob) -> None:
    """[C-8707-01]."""
    known = Profile("default", FOUND.issuers[0], "cli", "https://other.example/", Scope.of(["b"]), dpop="prefer",
                    callbacks=("http://127.0.0.1:8484/",))  # fmt: skip
    found = profile_for(FOUND, known)
    assert found == replace(known, name=profile_name(FOUND.resource), audience=FOUND.resource, scope=FOUND.scope,
                            is_resource=True)  # fmt: skip
    assert profile_for(replace(FOUND, needs_proof=True), known).dpop == "require"
    other = profile_for(FOUND, known, client_id="another", name="mine")
    assert (other.client_id, other.dpop, other.callbacks, other.name) == ("another", "off", (), "mine")


def test_auth0_is_told_an_audience(keyfob: Keyfob) -> None:
    """It knows no resource unless a tenant is set up for it."""
    found = profile_for(replace(FOUND, issuers=("https://shop.eu.auth0.com/",)), client_id="cli")
    assert (found.audience, found.is_resource) == (FOUND.resource, False)


def test_a_client_id_of_the_environment_is_for_its_issuer_only(keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_CLIENT_ID", "env")
    assert profile_for(FOUND).client_id == "env"
    monkeypatch.setenv("KEYFOB_ISSUER", "https://another.example/")
    with pytest.raises(Misuse):
        profile_for(FOUND)
    monkeypatch.setenv("KEYFOB_ISSUER", FOUND.issuers[0])
    assert profile_for(FOUND).client_id == "env"
