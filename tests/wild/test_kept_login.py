"""What keyfob does with a login that servers of others have given: use it, renew it, end it."""

from datetime import timedelta

import pytest

from keyfob.errors import LoginRequired, Refused
from keyfob.guard import Guard, Principal
from keyfob.login import App, Source, StoredLogin
from keyfob.protocol.http import Request
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from tests.wild.glewlwyd import Glewlwyd
from tests.wild.hurry import Hurry
from tests.wild.servers import IN_VARIABLE, SCOPE, VARIABLE, Server, logs_in
from tests.wild.stage import AUDIENCE, SECRET

USERINFO = {"Glewlwyd": "/userinfo", "Django": "/userinfo/"}


def logged_in(
    server: Server, program: str = "native", credential: Source | None = None
) -> tuple[App, Hurry, MemoryVault, StoredLogin]:
    """A login that is kept."""
    vault, world = MemoryVault(), Hurry(server.approve)
    app = server.app(program, world, credential, vault)
    return app, world, vault, app.log_in()


def lapse(world: Hurry, stored: StoredLogin) -> None:
    """Let the time pass that the access token lives for."""
    assert stored.expires_at is not None
    world.later += stored.expires_at - world.now().wall + timedelta(minutes=1)


@logs_in("refresh, a new one each time", "oidc-provider", "django-oauth-toolkit")
def test_a_refresh_token_that_changes_is_kept_and_the_old_one_ends(server: Server) -> None:
    app, world, vault, before = logged_in(server)
    lapse(world, before)
    assert app.session().token() != before.access_token.reveal()
    after = app.session().stored()
    assert after.refresh_token is not None
    assert after.refresh_token != before.refresh_token
    assert after.subject == before.subject
    run(vault.save(app.profile.name, before))
    with pytest.raises(LoginRequired):
        app.session().token()


@logs_in("refresh, the same for ever", "oidc-provider", "glewlwyd")
def test_a_refresh_token_that_stays_is_used_again(server: Server) -> None:
    app, world, _, before = logged_in(server, "keeps")
    for _ in range(2):
        lapse(world, app.session().stored())
        assert app.session().token() != before.access_token.reveal()
        assert app.session().stored().refresh_token == before.refresh_token


@logs_in("userinfo", "glewlwyd", "django-oauth-toolkit")
def test_a_token_is_brought_to_an_api(server: Server) -> None:
    app, _, _, stored = logged_in(server)
    answer = app.session().send(Request("GET", f"{server.issuer}{USERINFO[type(server).__name__]}"))
    assert answer.status == 200
    assert (stored.subject or "").encode() in answer.body


@logs_in("its tokens, judged by keyfob.guard", "oidc-provider")
def test_the_guard_of_an_api_takes_the_servers_tokens(server: Server) -> None:
    _, _, _, stored = logged_in(server)
    guard = Guard(issuer=server.issuer, audience=AUDIENCE, algorithms=("ES256",))
    found = guard.check(Request("GET", AUDIENCE, (("authorization", f"Bearer {stored.access_token.reveal()}"),)), SCOPE)
    assert isinstance(found, Principal)
    assert found.subject == stored.subject


@logs_in("revoke", "oidc-provider", "django-oauth-toolkit")
def test_a_log_out_ends_the_login_at_the_server(server: Server) -> None:
    assert isinstance(used_after_log_out(*logged_in(server)), LoginRequired)


@logs_in("revoke, confidential", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_log_out_of_a_program_with_a_secret_ends_the_login(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    refused = used_after_log_out(*logged_in(server, "confidential", IN_VARIABLE))
    # glewlwyd says 400 and nothing else, which could mean anything.
    assert isinstance(refused, LoginRequired) != isinstance(server, Glewlwyd)


def used_after_log_out(app: App, world: Hurry, vault: MemoryVault, stored: StoredLogin) -> Refused:
    """Log out, and use what was kept before."""
    ended = app.session().log_out()
    assert (ended.revoked, ended.problem) == (True, "")
    run(vault.save(app.profile.name, stored))
    lapse(world, stored)
    with pytest.raises(Refused) as problem:
        app.session().token()
    return problem.value


@logs_in("revoke, refused", "glewlwyd")
def test_a_log_out_says_what_the_server_will_not_end(server: Server) -> None:
    app, _, vault, _ = logged_in(server)
    ended = app.session().log_out()
    assert ended.revoked is False
    assert "40" in ended.problem
    assert ended.is_alive
    assert run(vault.load(app.profile.name)) is None
