"""keyfob logs a program in as itself, at servers of others (RFC 6749 §4.4, RFC 7523 §2.2)."""

import json

import pytest

from keyfob.client.model.source import Source
from keyfob.errors import Refused
from tests.wild.hurry import Hurry
from tests.wild.servers import IN_VARIABLE, KEY, SCOPE, VARIABLE, Server, logs_in
from tests.wild.stage import PLUS_SECRET, SECRET, WRONG_SECRET


@logs_in("client credentials, Basic", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_program_shows_its_secret_in_the_header(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    world = Hurry()
    stored = server.app("basic", world, IN_VARIABLE).log_in()
    assert world.errors == []
    assert stored.expires_at is not None
    assert (stored.refresh_token, stored.subject, stored.scope.write()) == (None, None, SCOPE)


@logs_in("client credentials, Basic with +", "oidc-provider", "django-oauth-toolkit")
def test_a_secret_with_a_plus_is_escaped_in_the_header(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PLUS_SECRET)
    world = Hurry()
    assert server.app("plus", world, IN_VARIABLE).log_in().scope.write() == SCOPE
    assert world.errors == []


@logs_in("client credentials, post", "glewlwyd")
def test_a_secret_is_shown_in_the_body_where_the_header_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, PLUS_SECRET)
    world = Hurry()
    assert server.app("post", world, IN_VARIABLE).log_in().scope.write() == SCOPE
    assert world.errors == [None], "403 and an empty body"


@logs_in("client credentials, private_key_jwt", "oidc-provider")
def test_a_program_signs_for_itself(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(KEY.as_dict(private=True)))
    world = Hurry()
    stored = server.app("key", world, Source("key", "env", VARIABLE)).log_in()
    assert world.errors == []
    assert stored.scope.write() == SCOPE


@logs_in("wrong secret", "oidc-provider", "glewlwyd", "django-oauth-toolkit")
def test_a_program_with_a_wrong_secret_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, WRONG_SECRET)
    with pytest.raises(Refused) as problem:
        server.app("basic", Hurry(), IN_VARIABLE).log_in()
    assert WRONG_SECRET not in str(problem.value)
