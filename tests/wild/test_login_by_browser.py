"""keyfob logs a person in through the browser of this machine, at servers of others (RFC 8252, RFC 7636)."""

import pytest

from keyfob.errors import LoginDeclined, Refused
from keyfob.login import Assurance
from tests.wild.hurry import Hurry
from tests.wild.servers import IN_VARIABLE, VARIABLE, OidcProvider, Server, logs_in
from tests.wild.stage import SECRET, WRONG_SECRET


@logs_in("code", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_person_logs_in_through_the_browser(server: Server) -> None:
    world = Hurry(visit=server.let_in)
    stored = server.app("browser", world).log_in()
    assert stored.subject
    assert world.errors == []
    # oidc-provider lets no program stay logged in that does not ask the person (OpenID Connect Core §11).
    is_kept = not isinstance(server, OidcProvider)
    assert (stored.refresh_token is not None) == is_kept
    assert world.missing == (set() if is_kept else {"offline_access"})


@logs_in("code, consent", "oidc-provider")
def test_a_program_stays_logged_in_where_the_person_is_asked(server: Server) -> None:
    world = Hurry(visit=server.let_in)
    stored = server.app("browser", world).log_in(assurance=Assurance(prompt=("consent",)))
    assert stored.refresh_token is not None
    assert world.missing == set()


@logs_in("code, declined", "oidc-provider", "django-oauth-toolkit")
def test_the_program_is_told_that_the_person_declined_in_the_browser(server: Server) -> None:
    world = Hurry(visit=server.turn_away)
    with pytest.raises(LoginDeclined):
        server.app("browser", world).log_in()


@logs_in("code, confidential", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_program_with_a_secret_logs_a_person_in_through_the_browser(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    world = Hurry(visit=server.let_in)
    assert server.app("confidential browser", world, IN_VARIABLE).log_in().subject
    assert world.errors == []
    monkeypatch.setenv(VARIABLE, WRONG_SECRET)
    world = Hurry(visit=lambda address: server.let_in(address, "Not logged in"))
    with pytest.raises(Refused):
        server.app("confidential browser", world, IN_VARIABLE).log_in()
