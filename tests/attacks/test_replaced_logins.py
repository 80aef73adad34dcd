"""A login that a new one replaces, or that is refused, does not stay alive at the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keyfob.client.model.assurance import Assurance
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.login import is_left_behind
from keyfob.errors import InvalidToken, LoginRequired, Misuse, Refused, Unreachable, VaultUnavailable
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import FakeTime
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.strict_issuer import StrictIssuer, expired
from tests.client.blocking import Session


class Desk:
    """A person who logs in, again and again, at an issuer with ID tokens."""

    def __init__(self, vault: MemoryVault | None = None, issuer: str = "https://strict.example/") -> None:
        self.issuer = StrictIssuer(issuer, FakeTime())
        self.issuer.subject = "auth0|1"
        self.world = self.issuer.world()
        self.vault = vault or MemoryVault()
        self.profile = Profile("default", issuer, "cli", None, Scope.of(["openid"]), flow="device")
        self.session = Session(self.profile, self.vault, self.world)

    def alive(self) -> list[bool]:
        """Of each login, the oldest first, whether it can be refreshed."""
        return [family.is_alive for family in self.issuer.families]


def test_a_new_login_ends_the_one_that_it_replaces() -> None:
    """[FC-08] [FC-36]"""
    desk = Desk()

    desk.session.log_in()
    desk.session.log_in()

    assert desk.alive() == [False, True]
    stored = run(desk.vault.load("default"))
    assert stored is not None
    assert desk.issuer.works(stored.refresh_token)


def test_the_new_login_is_kept_before_the_other_is_ended() -> None:
    """[FC-08]"""
    desk = Desk()
    desk.session.log_in()
    kept: list[StoredLogin | None] = []
    desk.world.meanwhile["/revoke"] = lambda: kept.append(run(desk.vault.load("default")))

    new = desk.session.log_in()

    assert kept == [new, new]  # refresh token, access token


def test_a_server_that_revokes_nothing_makes_no_login_fail() -> None:
    """[FC-08]"""
    desk = Desk()
    desk.session.log_in()

    def fails() -> None:
        raise Unreachable("gone")

    desk.world.meanwhile["/revoke"] = fails
    desk.session.log_in()

    assert desk.alive() == [True, True]


def test_what_was_refreshed_while_the_person_logged_in_is_ended_too() -> None:
    """[FC-08]: the refresh token that counts is the newest."""
    desk = Desk()
    first = desk.session.log_in()
    other = Session(desk.profile, desk.vault, desk.issuer.world())
    desk.world.meanwhile["/device"] = lambda: other.token(renew=True)

    desk.session.log_in()

    assert first.refresh_token == Secret("rt-1-1")
    assert desk.issuer.revocations[0] == "rt-1-2"


def test_the_account_before_is_ended_where_another_takes_its_place() -> None:
    """[FC-08] [FC-36]"""
    desk = Desk()
    desk.session.log_in()
    desk.issuer.subject = "auth0|2"

    desk.session.log_in(may_replace_account=lambda _before, _after: True)

    assert desk.alive() == [False, True]


def test_an_account_that_is_refused_is_ended() -> None:
    """[FC-36]"""
    desk = Desk()
    desk.session.log_in()
    desk.issuer.subject = "auth0|2"

    with pytest.raises(Refused):
        desk.session.log_in()

    assert desk.alive() == [True, False]


def test_a_login_that_is_not_as_sure_as_was_asked_is_ended() -> None:
    """[FC-36]"""
    desk = Desk()

    with pytest.raises(InvalidToken):
        desk.session.log_in(assurance=Assurance(("phr",)))

    assert desk.alive() == [False]


def test_a_login_that_cannot_be_kept_is_ended() -> None:
    """[FC-36]"""

    class Full(MemoryVault):
        async def save(self, entry: str, stored: StoredLogin) -> None:
            raise VaultUnavailable(f"{entry} cannot be kept for {stored.subject}")

    desk = Desk(Full())

    with pytest.raises(VaultUnavailable):
        desk.session.log_in()

    assert desk.alive() == [False]


def test_tokens_that_come_after_a_logout_are_ended() -> None:
    """[FC-36]: the login was deleted while its refresh was under way."""
    desk = Desk()
    run(desk.vault.save("default", expired(desk.session.log_in())))
    desk.issuer.before_answer = lambda _request, _response: run(desk.vault.delete("default"))

    with pytest.raises(LoginRequired):
        desk.session.token()

    assert desk.alive() == [False]


def test_a_session_that_goes_on_at_the_server_is_not_ended() -> None:
    """[FC-08]: Keycloak would end the new login with the old one."""
    desk = Desk()
    desk.issuer.claims = {"sid": "one for both"}

    desk.session.log_in()
    desk.session.log_in()

    assert desk.alive() == [True, True]


@pytest.mark.parametrize("changed", [{"issuer": "https://other.example/"}, {"client_id": "another"}])
def test_another_issuers_login_is_not_sent_this_clients_credential(changed: dict[str, str]) -> None:
    """[FC-08]: it is not replaced at all, and would not be revoked here."""
    desk = Desk()
    login = desk.session.log_in()
    other = replace(login, **changed)
    run(desk.vault.save("default", other))

    with pytest.raises(Misuse):
        desk.session.log_in()

    assert desk.issuer.revocations == []
    assert not is_left_behind(other, login, desk.profile)


def test_where_one_revocation_ends_all_logins_none_is_sent() -> None:
    """[FC-08]: Google ends all that a user has granted to a program."""
    desk = Desk(issuer="https://accounts.google.com/")
    before = desk.issuer.log_in(desk.profile)
    google = replace(before, issuer="https://accounts.google.com")

    assert not is_left_behind(google, replace(google, refresh_token=Secret("rt-2")), desk.profile)
    assert is_left_behind(
        replace(google, subject="1"), replace(google, refresh_token=Secret("rt-2"), subject="2"), desk.profile
    )
