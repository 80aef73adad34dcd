"""The logins and guards of docs/issuers.md, at issuers that answer as the services on the page are documented to."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

from keyfob.cli.commands import login
from keyfob.cli.first_login import complete, read_words
from keyfob.cli.profiles import profile_of
from keyfob.client.model.credential import CertificateFiles, Credential, PlatformToken, PrivateKey
from keyfob.client.model.notices import BrowserOpened, CodeShown, FlowRefused
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.model.surroundings import Surroundings
from keyfob.client.session.login import Login
from keyfob.errors import InvalidToken, LoginDeclined, Misuse, Refused
from keyfob.guard import Denial, Guard, Policy, Principal, explain, verify
from keyfob.jose.keys import KeySet
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemoryVault

from .cloud_issuers import CLOUDS, GUID, KEY, POOL, REALM, CloudWorld, access_token

PAGE = (Path(__file__).parents[2] / "docs" / "issuers.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINES = [
    (name, line[2:])
    for name, body in SECTIONS.items()
    for kind, block in BLOCK.findall(body)
    if kind == "console"
    for line in block.splitlines()
    if line.startswith("$ keyfob login")
]
USERS = [(name, line) for name, line in LINES if "--flow machine" not in line]
SSH = Surroundings(is_ssh=True)
API = "https://api.northwind.example/"
TIMES = {"iat": int(NOON.timestamp()), "exp": int(NOON.timestamp()) + 300}


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))


def profile_from(line: str) -> Profile:
    parser = ArgumentParser()
    login.configure(parser)
    flags = parser.parse_args(shlex.split(line)[2:])
    read_words(flags)
    return profile_of(complete(flags))


def credential_from(source: Source | CertificateFiles) -> Credential:
    assert isinstance(source, Source)
    match source.kind:
        case "secret":
            return Secret("the secret")
        case "key":
            return PrivateKey(KEY)
        case "identity":
            claims = {"iss": "https://actions.example", "sub": "repo", "aud": "api://AzureADTokenExchange", **TIMES}
            return PlatformToken(access_token({}, claims), Fields(claims, "identity token"))


def log_in(world: CloudWorld, line: str) -> StoredLogin:
    profile = profile_from(line)
    return run(Login(profile, MemoryVault(), world, credential_from).log_in())


def test_the_page_has_a_section_and_a_scripted_service_for_each_of_six_issuers() -> None:
    assert list(SECTIONS) == list(CLOUDS)
    assert {name for name, _ in LINES} == set(CLOUDS)


@pytest.mark.parametrize(("name", "line"), USERS)
def test_a_user_logs_in_by_the_line_of_the_page(name: str, line: str) -> None:
    world = CloudWorld(CLOUDS[name])
    stored = log_in(world, line)
    assert stored.issuer == CLOUDS[name].issuer
    assert stored.person == ("pat@northwind.example" if CLOUDS[name].is_openid else None)
    by_code = name == "GitHub" or "--flow device" in line
    assert any(isinstance(notice, CodeShown) for notice in world.notices) == by_code
    assert any(isinstance(notice, BrowserOpened) for notice in world.notices) != by_code
    assert not any(isinstance(notice, FlowRefused) for notice in world.notices)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, line in LINES if "--flow machine" in line])
def test_a_service_account_logs_in_by_the_line_of_the_page(name: str, line: str) -> None:
    world = CloudWorld(CLOUDS[name])
    assert log_in(world, line).access_token == Secret("at")
    assert not world.notices


@pytest.mark.parametrize("name", ["Keycloak", "Microsoft Entra ID", "Okta"])
def test_over_ssh_the_same_line_is_a_login_by_code(name: str) -> None:
    world = CloudWorld(CLOUDS[name])
    world.here = SSH
    log_in(world, dict(USERS)[name])
    assert any(isinstance(notice, CodeShown) for notice in world.notices)


@pytest.mark.parametrize("name", ["Keycloak", "Microsoft Entra ID", "Okta", "Google", "GitHub"])
def test_a_user_who_says_no_has_declined_whatever_the_service_calls_that(name: str) -> None:
    """[C-8628-06]: Entra answers authorization_declined."""
    world = CloudWorld(CLOUDS[name])
    world.declines, world.here = True, SSH
    by_code = [line for user, line in USERS if user == name][-1]
    with pytest.raises(LoginDeclined):
        log_in(world, by_code)


def test_cognito_has_no_login_by_code_and_that_is_said() -> None:
    world = CloudWorld(CLOUDS["Amazon Cognito"])
    with pytest.raises(Refused) as raised:
        log_in(world, f"{dict(USERS)['Amazon Cognito']} --flow device")
    assert raised.value.code == "flow-unavailable"


@pytest.mark.parametrize("name", ["Google", "GitHub"])
def test_a_login_by_browser_without_the_secret_is_refused_before_anything_is_sent(name: str) -> None:
    world = CloudWorld(CLOUDS[name])
    with pytest.raises(Misuse, match="secret"):
        log_in(world, f"keyfob login {name.lower()} CLIENT_ID --flow browser")
    assert world.sent == []


ENTRA = f"https://login.microsoftonline.com/{GUID}/v2.0"
OKTA = "https://northwind.okta.com/oauth2/default"
ORDERS = "5c3e0f1a-0000-4000-8000-abcdefabcdef"
# By the service's documentation: header, claims, and what the guard makes of them: client, is it a machine, scope.
TOKENS: list[tuple[str, dict[str, object], dict[str, object], tuple[str, bool, set[str]]]] = [
    (
        "Keycloak",
        {"typ": "JWT"},
        {"iss": REALM, "sub": "f1", "aud": API, "azp": "orders-cli", "typ": "Bearer", "sid": "s", "acr": "1",
         "scope": "profile read:orders", "jti": "j", "preferred_username": "pat"},
        ("orders-cli", False, {"profile", "read:orders"}),
    ),
    (
        "Microsoft Entra ID",
        {"typ": "JWT", "x5t": "thumbprint"},
        {"iss": ENTRA, "sub": "pairwise", "aud": ORDERS, "azp": "cli", "azpacr": "0", "scp": "orders.read", "oid": "o",
         "tid": GUID, "ver": "2.0", "uti": "u", "nbf": int(NOON.timestamp())},
        ("cli", False, {"orders.read"}),
    ),
    (
        "Microsoft Entra ID",
        {"typ": "JWT"},
        {"iss": ENTRA, "sub": "o", "aud": ORDERS, "appid": "nightly", "idtyp": "app", "roles": ["orders.read"],
         "oid": "o", "ver": "1.0"},
        ("nightly", True, set()),
    ),
    (
        "Okta",
        {},
        {"ver": 1, "jti": "AT.j", "iss": OKTA, "aud": "api://default", "sub": "pat@northwind.example",
         "cid": "orders-cli", "uid": "00u", "scp": ["openid", "read:orders"], "auth_time": int(NOON.timestamp())},
        ("orders-cli", False, {"openid", "read:orders"}),
    ),
    (
        "Okta",
        {},
        {"ver": 1, "jti": "AT.j", "iss": OKTA, "aud": "api://default", "sub": "nightly", "cid": "nightly",
         "scp": ["read:orders"]},
        ("nightly", True, {"read:orders"}),
    ),
    (
        "Amazon Cognito",
        {},
        {"iss": POOL, "sub": "u", "aud": "https://api.northwind.example", "client_id": "cli", "token_use": "access",
         "scope": "openid https://api.northwind.example/orders.read", "auth_time": int(NOON.timestamp()),
         "version": 2, "jti": "j", "username": "pat"},
        ("cli", False, {"openid", "https://api.northwind.example/orders.read"}),
    ),
]  # fmt: skip


def guard_of(name: str) -> Guard:
    """Return the guard of the page, which fetches keys from the scripted service."""
    metadata = {
        "issuer": CLOUDS[name].issuer,
        "jwks_uri": f"{CLOUDS[name].issuer}/keys",
        "token_endpoint": "https://x/",
    }

    def send(request: Request) -> Response:
        return json_response(200, {"keys": [KEY.public_jwk()]} if request.url.endswith("/keys") else metadata)

    names: dict[str, object] = {"send": send, "clock": lambda: NOON}
    [code] = [block for kind, block in BLOCK.findall(SECTIONS[name]) if kind == "python"]
    here = re.sub(r"^guard = Guard\((.*)\)$", r"guard = Guard(\1, send=send, clock=clock)", code, flags=re.MULTILINE)
    exec(compile(here, "issuers.md", "exec"), names)
    guard = names["guard"]
    assert isinstance(guard, Guard)
    return guard


def shown(token: Secret) -> Request:
    return Request("GET", API, (("authorization", f"Bearer {token.reveal()}"),))


@pytest.mark.parametrize(("name", "header", "claims", "expected"), TOKENS)
def test_the_guard_of_the_page_accepts_the_tokens_of_the_service(
    name: str, header: dict[str, object], claims: dict[str, object], expected: tuple[str, bool, set[str]]
) -> None:
    """[RS-8725-03]"""
    found = guard_of(name).check(shown(access_token(header, claims | TIMES)))
    assert isinstance(found, Principal), found
    assert (found.client_id, found.is_machine, set(found.scope.names)) == expected


@pytest.mark.parametrize("name", ["Okta", "Amazon Cognito"])
def test_a_guard_that_was_not_told_says_that_the_typ_is_missing(name: str) -> None:
    claims = next(claims for service, _, claims, _ in TOKENS if service == name)
    usual = Policy(str(claims["iss"]), str(claims["aud"]))
    token = access_token({}, claims | TIMES)
    with pytest.raises(InvalidToken, match="has no typ"):
        verify(token, KeySet((KEY.public_key(),)), usual, NOON)
    [check] = [check for check in explain(token, KeySet((KEY.public_key(),)), usual, NOON).checks if not check.holds]
    assert (check.name, check.why) == ("typ", "the token has no typ, and this API requires one")


@pytest.mark.parametrize(("name", "header", "claims"), [token[:3] for token in TOKENS])
def test_the_guard_of_the_page_refuses_tokens_for_others(
    name: str, header: dict[str, object], claims: dict[str, object]
) -> None:
    """[RS-9068-03] [FS-23]: another audience, none (Cognito without resource binding), and the ID token."""
    guard = guard_of(name)
    for changed in ({"aud": "https://other.example"}, {"aud": "orders-cli", "nonce": "n", "email": "pat@x.example"}):
        assert isinstance(guard.check(shown(access_token(header, claims | TIMES | changed))), Denial)
    without = {key: value for key, value in (claims | TIMES).items() if key != "aud"}
    assert isinstance(guard.check(shown(access_token(header, without))), Denial)
