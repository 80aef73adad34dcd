import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin, name_of
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.claims import IdClaims
from keyfob.protocol.fields import read_json
from keyfob.protocol.scope import Scope
from keyfob.protocol.tokens import TokenAnswer
from keyfob.testing.fake_time import NOON
from tests.client.scripts import API, CLIENT, ISSUER, METADATA, PROFILE, client, stored, tokens

WHO = IdClaims(ISSUER, "auth0|1", (CLIENT,), NOON, NOON + timedelta(hours=1), person=(("email", "a@b.example"),))


def answered(**changed: object) -> TokenAnswer:
    return TokenAnswer.read(read_json(tokens(**changed).body, "x"))


@given(
    st.one_of(st.none(), st.integers(-(10**6), 10**8)),
    st.one_of(st.none(), st.text(min_size=1)),
    st.text(min_size=1),
)
def test_what_is_kept_is_what_is_found(expires_in: int | None, refresh: str | None, token: str) -> None:
    login = stored(expires_in, refresh, token)

    assert StoredLogin.read(login.write()) == login


def test_a_login_is_kept_with_who_it_was_and_what_was_granted() -> None:
    """[C-6749-17]"""
    login = StoredLogin.of(answered(scope="openid", refresh_token="rt-1"), METADATA, PROFILE, client(), WHO, NOON)

    assert (login.subject, login.person) == ("auth0|1", "a@b.example")
    assert login.scope == Scope.of(["openid"])
    assert login.expires_at == NOON + timedelta(hours=1)
    assert StoredLogin.of(answered(), METADATA, PROFILE, client(), None, NOON).scope == PROFILE.scope


@pytest.mark.parametrize(
    ("person", "name"),
    [((), None), ((("email", 7), ("name", "Ada")), "Ada"), ((("nickname", "ada"), ("email", "a@b")), "a@b")],
)
def test_a_name_to_show_is_the_first_that_is_one(person: tuple[tuple[str, object], ...], name: str | None) -> None:
    assert name_of(IdClaims(ISSUER, "s", (CLIENT,), NOON, NOON, person=person)) == name


@pytest.mark.parametrize(("version", "field"), [(3, "version"), (0, ""), ("1", ""), (None, "")])
def test_another_version_is_not_guessed_at(version: object, field: str) -> None:
    """[FC-20]: only a later keyfob's file is left alone; anything else is damage."""
    members = json.loads(stored().write()) | {"version": version}

    with pytest.raises(Malformed) as caught:
        StoredLogin.read(json.dumps(members).encode())

    assert caught.value.field == field


@given(st.data())
def test_a_damaged_vault_is_said_to_be_damaged_and_nothing_else(data: st.DataObject) -> None:
    whole = stored().write()
    context = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from([whole[:context], whole[:context] + b"\0" + whole[context + 1 :], b"\xff" * context])
    )

    with pytest.raises(Malformed):
        StoredLogin.read(damaged)


def test_no_token_shows_when_a_login_is_printed() -> None:
    assert "at-1" not in repr(stored())
    assert "rt-1" not in repr(stored())


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "a\\b", "a b", "-x", "x" * 41, "é", "a\n"])
def test_a_profile_is_not_called_what_a_file_cannot_be(name: str) -> None:
    with pytest.raises(Misuse):
        Profile(name, ISSUER, CLIENT)


@pytest.mark.parametrize(("issuer", "client_id"), [("", CLIENT), (ISSUER, "")])
def test_a_profile_needs_an_issuer_and_a_client(issuer: str, client_id: str) -> None:
    with pytest.raises(Misuse):
        Profile("work", issuer, client_id)


def test_a_profile_survives_being_kept() -> None:
    assert Profile.read("default", PROFILE.write()) == PROFILE
    assert PROFILE.audience == API
