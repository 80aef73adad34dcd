"""A program with a certificate: which addresses it asks, what it says there, and when a token is another one's."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.auth.client_auth import methods_for
from keyfob.client.flows.discovery import discover
from keyfob.client.io.vault.vault_file import lay_quick
from keyfob.client.model.credential import Certificate, CertificateFiles, bound_to
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import LoginRequired, Malformed, Misuse
from keyfob.io.key_pair import KeyPair
from keyfob.login import App
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.metadata import aliases
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.example_tenant import MACHINE_KEY
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld
from tests.client.scripts import CLIENT, ISSUER, METADATA, OPENID, codes, error, stored, tokens
from tests.tls import make

MTLS = "https://mtls.login.example"
ALIASES = {
    "token_endpoint": f"{MTLS}/m/token",
    "revocation_endpoint": f"{MTLS}/m/revoke",
    "device_authorization_endpoint": f"{MTLS}/m/device",
    "pushed_authorization_request_endpoint": f"{MTLS}/m/par",
    "introspection_endpoint": f"{MTLS}/m/introspect",
    "userinfo_endpoint": f"{MTLS}/m/userinfo",
}
OFFER: dict[str, object] = {
    **METADATA.write(),
    "authorization_endpoint": f"{ISSUER}authorize",
    "pushed_authorization_request_endpoint": f"{ISSUER}par",
    "require_pushed_authorization_requests": True,
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "tls_client_auth"],
    "mtls_endpoint_aliases": ALIASES,
}
FILES = CertificateFiles("/x/robot.pem", "/x/robot.key")
ROBOT = Profile("ci", ISSUER, CLIENT, is_machine=True, certificate=FILES)


def offering(**paths: list[Response]) -> ScriptedWorld:
    """An issuer with other addresses for certificates; those that are not for them answer nothing."""
    return ScriptedWorld(
        {OPENID: [json_response(200, OFFER)]}
        | {f"/m/{name}": answers for name, answers in ({"token": [tokens()]} | paths).items()}  # type: ignore[arg-type]
    )


def app_at(world: ScriptedWorld, certificate: Path, vault: MemoryVault | None = None, **more: object) -> App:
    more = {"is_machine": True, "profile": "default"} | more
    return App(
        issuer=ISSUER, client_id=CLIENT, certificate=certificate, vault=vault or MemoryVault(), world=world, **more  # type: ignore[arg-type]
    )  # fmt: skip


def laid(folder: Path) -> Path:
    return make().lay_together(folder)


def form(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode())


# Where it asks, and what it says.


def test_a_machine_asks_where_certificates_are_asked_for_and_says_whose_it_is(tmp_path: Path) -> None:
    """[C-8705-01]"""
    world = offering()
    app_at(world, laid(tmp_path)).log_in()
    [(_, asked)] = [sent for sent in world.sent if sent[1].method == "POST"]
    assert asked.url == ALIASES["token_endpoint"]
    assert form(asked) == {"grant_type": ["client_credentials"], "client_id": [CLIENT]}
    assert asked.header("authorization") is None


def test_a_person_s_login_by_browser_its_refresh_and_its_end_go_there_too(tmp_path: Path) -> None:
    """[C-8705-01]: pushed request, code, refresh and revocation; the browser itself is sent where it always is."""
    answers = [tokens(refresh_token="rt-1"), tokens(access_token="at-2", refresh_token="rt-2")]
    world = offering(token=answers, revoke=[Response(200)], par=[json_response(201, {"request_uri": "urn:x"})])
    world.brings = {"code": "c"}
    app = app_at(world, laid(tmp_path), is_machine=False, flow="browser")
    app.log_in()
    app.session().token(renew=True)
    app.session().log_out()
    posted = [request for _, request in world.sent if request.method == "POST"]
    asked = ("par", "token", "token", "revoke", "revoke")
    assert [request.url for request in posted] == [f"{MTLS}/m/{name}" for name in asked]
    assert all(form(request)["client_id"] == [CLIENT] for request in posted)
    assert world.address.startswith(f"{ISSUER}authorize?")


def test_a_login_by_code_begins_and_polls_there(tmp_path: Path) -> None:
    """[C-8705-01]"""
    world = offering(device=[codes()])
    app_at(world, laid(tmp_path), is_machine=False, flow="device").log_in()
    posted = [request for _, request in world.sent if request.method == "POST"]
    assert [request.url for request in posted] == [f"{MTLS}/m/device", f"{MTLS}/m/token"]
    assert all(form(request)["client_id"] == [CLIENT] for request in posted)


def test_without_a_certificate_the_aliases_are_not_looked_at() -> None:
    """[C-8705-01]"""
    for said in (ALIASES, "x", {"token_endpoint": 7}, ["x"]):
        world = ScriptedWorld({OPENID: [json_response(200, OFFER | {"mtls_endpoint_aliases": said})]})
        found = run(discover(world, replace(ROBOT, certificate=None, credential=Source("key", "env", "X"))))
        assert found.token_endpoint == METADATA.token_endpoint


def test_what_the_profile_says_of_an_endpoint_comes_before_an_alias() -> None:
    """[C-8705-01]"""
    ours = replace(ROBOT, endpoints={"revocation_endpoint": "https://login.example/other"})
    found = run(discover(offering(), ours))
    assert (found.revocation_endpoint, found.token_endpoint) == (
        "https://login.example/other",
        ALIASES["token_endpoint"],
    )


def test_the_other_endpoints_stay_where_no_alias_is() -> None:
    """[C-8705-01]"""
    document = OFFER | {
        "mtls_endpoint_aliases": {"token_endpoint": ALIASES["token_endpoint"], "jwks_uri": f"{MTLS}/no"}
    }
    found = run(discover(ScriptedWorld({OPENID: [json_response(200, document)]}), ROBOT))
    assert (found.token_endpoint, found.revocation_endpoint) == (
        ALIASES["token_endpoint"],
        METADATA.revocation_endpoint,
    )
    assert found.jwks_uri == METADATA.jwks_uri


@pytest.mark.parametrize(
    "said", ["x", [], 7, {"token_endpoint": 7}, {"token_endpoint": "ftp://x"}, {"token_endpoint": "x"}]
)
def test_aliases_that_are_none_are_refused_where_they_are_wanted(said: object) -> None:
    """[C-8705-01]"""
    with pytest.raises(Malformed, match="mtls_endpoint_aliases"):
        aliases(Fields({"mtls_endpoint_aliases": said}, "metadata"))


def test_an_alias_over_plain_http_beyond_this_machine_is_refused() -> None:
    """[C-8705-01]"""
    document = OFFER | {"mtls_endpoint_aliases": {"token_endpoint": "http://mtls.login.example/token"}}
    with pytest.raises(Malformed, match="token_endpoint is plain http"):
        run(discover(ScriptedWorld({OPENID: [json_response(200, document)]}), ROBOT))


@given(st.dictionaries(st.sampled_from([*ALIASES, "jwks_uri", "x"]), st.one_of(st.text(), st.none(), st.integers())))
def test_of_any_aliases_only_web_addresses_are_taken(said: dict[str, object]) -> None:
    try:
        found = aliases(Fields({"mtls_endpoint_aliases": said}, "metadata"))
    except Malformed:
        return
    assert found.keys() <= ALIASES.keys()
    assert all(address.startswith(("http://", "https://")) for address in found.values())


# What it proves itself with.


@pytest.mark.parametrize(
    ("offered", "method"),
    [
        ((), "tls_client_auth"),
        (("client_secret_basic",), "tls_client_auth"),
        (("tls_client_auth", "self_signed_tls_client_auth"), "tls_client_auth"),
        (("self_signed_tls_client_auth",), "self_signed_tls_client_auth"),
    ],
)
def test_a_certificate_is_shown_in_one_way_by_whichever_name(offered: tuple[str, ...], method: str) -> None:
    metadata = replace(METADATA, token_endpoint_auth_methods_supported=offered)
    assert methods_for(Certificate("x"), metadata) == (method,)


def test_the_method_is_kept_with_the_login(tmp_path: Path) -> None:
    vault, world = MemoryVault(), offering()
    app_at(world, laid(tmp_path), vault).log_in()
    kept = run(vault.load("default"))
    assert kept is not None
    assert kept.methods == ("tls_client_auth",)
    assert StoredLogin.read(kept.write()) == kept


def test_beside_a_key_the_certificate_only_binds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """[C-8705-01]: as FAPI 2.0 has it; the aliases count all the same (RFC 8705 §5)."""
    monkeypatch.setenv("ROBOT_KEY", MACHINE_KEY.pem().decode())
    world = offering()
    app_at(world, laid(tmp_path), credential=Source("key", "env", "ROBOT_KEY")).log_in()
    asked = world.requests("/m/token")[0]
    assert form(asked).keys() == {"grant_type", "client_id", "client_assertion", "client_assertion_type"}


def test_a_certificate_that_the_server_does_not_know_is_named_in_the_hint(tmp_path: Path) -> None:
    world = offering(token=[error("invalid_client", 401)])
    with pytest.raises(Exception, match="invalid_client") as raised:
        app_at(world, laid(tmp_path)).log_in()
    assert "certificate" in getattr(raised.value, "hint", "")
    assert len(world.requests("/m/token")) == 1


def test_a_certificate_that_is_not_there_asks_nobody(tmp_path: Path) -> None:
    world = offering()
    with pytest.raises(Misuse, match="No such file") as raised:
        app_at(world, tmp_path / "none.pem").log_in()
    assert raised.value.code == "certificate-unusable"
    assert world.sent == []


def test_a_key_without_a_certificate_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="without a certificate"):
        App(issuer=ISSUER, client_id=CLIENT, certificate_key=tmp_path / "robot.key")


@pytest.mark.parametrize("files", [FILES, CertificateFiles("/x/both.pem")])
def test_where_it_lies_is_kept_in_the_profile(files: CertificateFiles) -> None:
    profile = replace(ROBOT, certificate=files)
    assert Profile.read("ci", profile.write()) == profile
    assert json.loads(profile.write())["certificate"] == files.certificate


# What a token is bound to.


def jwt(**claims: object) -> Secret:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)]
    return Secret(".".join([*parts, "c2ln"]))


@pytest.mark.parametrize(
    ("token", "is_bound"),
    [
        (jwt(cnf={"x5t#S256": "x"}), True),
        (jwt(cnf={"jkt": "x"}), False),
        (jwt(cnf="x5t#S256"), False),
        (jwt(sub="x"), False),
        (Secret("opaque"), True),
        (Secret("a.b.c"), True),
        (Secret("ö.ö.ö"), True),
    ],
)
def test_a_token_that_can_be_read_says_whether_it_is_bound(token: Secret, is_bound: bool) -> None:
    """[C-8705-01]"""
    assert bound_to(token.reveal(), "ours") == ("ours" if is_bound else None)


@given(st.text())
def test_any_token_is_bound_or_not(text: str) -> None:
    assert bound_to(text, "ours") in {"ours", None}


def test_a_bound_token_is_known_as_such_and_lies_in_no_quick_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    vault, certificate = MemoryVault(), laid(tmp_path)
    app = app_at(offering(), certificate, vault)
    app.log_in()
    found = app.session().stored()
    assert found.certificate == KeyPair.of(str(certificate), None).thumbprint()
    assert found.is_bound
    assert not lay_quick(tmp_path, "default", "state", found)
    assert not lay_quick(tmp_path, "default", "state", found, holds_token=False)


def test_a_plain_token_of_a_program_with_a_certificate_stays_plain(tmp_path: Path) -> None:
    app = app_at(offering(token=[tokens(access_token=jwt(sub="x").reveal())]), laid(tmp_path))
    assert not app.log_in().is_bound


@pytest.mark.parametrize("is_machine", [True, False])
def test_once_the_certificate_is_replaced_the_next_token_is_of_the_new_one(tmp_path: Path, is_machine: bool) -> None:
    """[C-8705-01]: a token of the old one would be refused (RFC 8705 §3)."""
    answers = [tokens(access_token=f"at-{number}", refresh_token="rt-1") for number in (1, 2)]
    world, certificate = offering(token=answers, device=[codes()]), laid(tmp_path)
    app = app_at(world, certificate, is_machine=is_machine, flow="device" if not is_machine else "auto")
    app.log_in()
    session = app.session()
    assert session.token() == session.token() == "at-1"
    laid(tmp_path)
    assert session.token() == session.token() == app.session().token() == "at-2"
    assert session.stored().certificate == KeyPair.of(str(certificate), None).thumbprint()


def test_while_its_file_is_being_replaced_a_token_is_what_it_was(tmp_path: Path) -> None:
    certificate = laid(tmp_path)
    app = app_at(offering(), certificate)
    app.log_in()
    certificate.unlink()
    assert app.session().token() == "at-1"


def test_where_nothing_renews_a_replaced_certificate_takes_a_login(tmp_path: Path) -> None:
    app = app_at(offering(device=[codes()]), laid(tmp_path), is_machine=False, flow="device")
    app.log_in()
    laid(tmp_path)
    with pytest.raises(LoginRequired):
        app.session().token()


def test_a_login_of_before_says_nothing_of_certificates() -> None:
    members = json.loads(stored().write())
    del members["certificate"]
    assert StoredLogin.read(json.dumps(members).encode()) == stored()
    assert not stored().is_bound
    assert replace(stored(), token_type="DPoP").is_bound


@pytest.mark.parametrize("spoil", [lambda: CertificateFiles(""), lambda: CertificateFiles("x", "")])
def test_a_file_has_a_name(spoil: Callable[[], object]) -> None:
    with pytest.raises(Misuse):
        spoil()


def test_a_lapsed_token_and_a_replaced_certificate_ask_once(tmp_path: Path) -> None:
    answers = [tokens(access_token="at-1", expires_in=60), tokens(access_token="at-2")]
    world = offering(token=answers)
    app = app_at(world, laid(tmp_path))
    app.log_in()
    laid(tmp_path)
    world.time.wait(timedelta(hours=1))
    assert app.session().token() == "at-2"
    assert len(world.requests("/m/token")) == 2
