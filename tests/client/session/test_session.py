from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from keyfob.client.model.notices import VaultNote
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import LoginDeclined, LoginRequired, Refused, Unreachable, VaultUnavailable
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.fake_time import NOON
from keyfob.testing.memory_vault import MemorySlot
from keyfob.testing.scripted_server import Answer, ScriptedWorld, Silence
from tests.client.blocking import Session
from tests.client.scripts import DOCUMENT, OPENID, PAGE, PROFILE, codes, error, stored, tokens

API_CALL = Request("GET", "https://api.example/orders")


class Drawer:
    """A vault in memory; `meanwhile` is what another process does while we wait for the lock."""

    def __init__(self, content: StoredLogin | None, meanwhile: Callable[["Drawer"], None] | None = None) -> None:
        self.content = content
        self.kept: list[StoredLogin] = []
        self.locks = 0
        self._meanwhile = meanwhile

    async def load(self, _drawer: str, **_: bool) -> StoredLogin | None:
        return self.content

    async def save(self, _drawer: str, stored: StoredLogin) -> None:
        self.kept.append(stored)
        self.content = stored

    @asynccontextmanager
    async def reserve(self, entry: str) -> AsyncGenerator[MemorySlot]:
        yield MemorySlot(self, entry)

    async def delete(self, _drawer: str) -> None:
        self.content = None

    async def prepare(self) -> str:
        async with self.lock(""):
            return ""

    async def remove_quick(self, _drawer: str) -> None:
        pass

    @asynccontextmanager
    async def lock(self, _drawer: str, _on_wait: object = None) -> AsyncGenerator[None]:
        self.locks += 1
        if self._meanwhile is not None:
            self._meanwhile(self)
        yield


def log_in_elsewhere(vault: Drawer) -> None:
    vault.content = stored(token="theirs")


def log_out_elsewhere(vault: Drawer) -> None:
    vault.content = None


def in_its_last_minute() -> StoredLogin:
    return replace(stored(expires_in=30), obtained_at=NOON - timedelta(hours=1))


def disk_full(_: Drawer) -> None:
    raise VaultUnavailable("the disk is full")


def session(
    vault: Drawer, *answers: Answer, profile: Profile = PROFILE, **more: list[Answer]
) -> tuple[Session, ScriptedWorld]:
    script: dict[str, list[Answer]] = {"/token": list(answers)} | {
        f"/{name}": list(said) for name, said in more.items()
    }
    world = ScriptedWorld(script)
    return Session(profile, vault, world), world


def test_a_good_token_is_given_without_network_and_without_a_lock() -> None:
    vault = Drawer(stored())
    ours, world = session(vault)

    assert ours.token() == Secret("at-1")
    assert (world.sent, vault.locks) == ([], 0)


def test_a_lapsed_token_is_refreshed_and_kept() -> None:
    """[C-6749-21]"""
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, tokens(access_token="at-2", refresh_token="rt-2"))

    assert ours.token() == Secret("at-2")
    assert len(world.sent) == 1
    assert vault.content is not None
    assert vault.content.refresh_token == Secret("rt-2")
    assert ours.token() == Secret("at-2")
    assert len(world.sent) == 1


def test_what_another_process_got_meanwhile_is_adopted() -> None:
    """[C-IMPL-02]"""
    vault = Drawer(stored(expires_in=-1), meanwhile=log_in_elsewhere)
    ours, world = session(vault)

    assert ours.token() == Secret("theirs")
    assert world.sent == []


def test_what_another_process_got_meanwhile_will_do_for_an_api_that_refused_the_old_one() -> None:
    vault = Drawer(stored(), meanwhile=log_in_elsewhere)
    ours, world = session(vault)

    assert ours.token(renew=True) == Secret("theirs")
    assert world.sent == []


def test_a_logout_in_another_process_while_we_waited_needs_a_login() -> None:
    ours, _ = session(Drawer(stored(expires_in=-1), meanwhile=log_out_elsewhere))

    with pytest.raises(LoginRequired):
        ours.token()


def test_a_token_that_lives_too_short_for_the_job_is_renewed() -> None:
    ours, world = session(Drawer(stored(expires_in=600)), tokens(access_token="at-2", expires_in=86400))

    assert ours.token(timedelta(hours=2)) == Secret("at-2")
    assert len(world.sent) == 1


@pytest.mark.parametrize(
    "content", [None, stored(expires_in=-1, refresh=None), replace(stored(), issuer="https://b.example/"),
                replace(stored(), client_id="another"), replace(stored(), audience=None)]
)  # fmt: skip
def test_without_anything_usable_only_the_person_can_help_and_nobody_is_asked(content: StoredLogin | None) -> None:
    """[C-8628-01] [C-9700-02]"""
    ours, world = session(Drawer(content))

    with pytest.raises(LoginRequired) as caught:
        ours.token()

    assert caught.value.exit == 4
    assert caught.value.hint == "Run: keyfob login"
    assert world.sent == []


def test_the_hint_names_the_profile() -> None:
    ours, _ = session(Drawer(None), profile=replace(PROFILE, name="work"))

    with pytest.raises(LoginRequired) as caught:
        ours.token()

    assert caught.value.hint == "Run: keyfob login --profile work"


def test_a_dead_refresh_token_is_dropped_and_never_tried_again() -> None:
    """[C-6749-23]"""
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, error("invalid_grant"))

    for _ in range(2):
        with pytest.raises(LoginRequired):
            ours.token()

    assert len(world.sent) == 1
    assert vault.content is not None
    assert vault.content.refresh_token is None


@pytest.mark.parametrize("status", [200, 400])
def test_githubs_word_for_a_dead_refresh_token_is_understood(status: int) -> None:
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, error("bad_refresh_token", status))

    for _ in range(2):
        with pytest.raises(LoginRequired) as raised:
            ours.token()
        assert raised.value.hint == "Run: keyfob login"

    assert len(world.sent) == 1


@pytest.mark.parametrize("code", ["interaction_required", "login_required", "consent_required"])
def test_an_issuer_that_wants_to_see_the_user_gets_a_login_and_the_refresh_token_stays(code: str) -> None:
    """Entra answers so when a policy demands more than the login had; it may demand less tomorrow."""
    vault = Drawer(stored(expires_in=-1))
    ours, _ = session(vault, error(code), tokens(access_token="at-2"))

    with pytest.raises(LoginRequired) as raised:
        ours.token()
    assert (raised.value.oauth_code, raised.value.hint) == (code, "Run: keyfob login")
    assert vault.content is not None
    assert vault.content.refresh_token is not None

    assert ours.token() == Secret("at-2")


@pytest.mark.parametrize("trouble", [Response(503), Silence(), Unreachable("gone")], ids=str)
def test_a_refresh_token_outlives_a_network_that_is_down(trouble: Answer) -> None:
    """[C-6749-23]"""
    vault = Drawer(stored(expires_in=-1))
    ours, _ = session(vault, trouble, tokens(access_token="at-2"))

    with pytest.raises(Unreachable):
        ours.token()

    assert vault.kept == []
    assert ours.token() == Secret("at-2")


def test_a_token_in_its_last_minute_is_better_than_none() -> None:
    ours, _ = session(Drawer(in_its_last_minute()), Response(503))

    assert ours.token() == Secret("at-1")


def test_a_token_too_short_for_the_job_is_not_passed_off_as_long_enough() -> None:
    ours, _ = session(Drawer(stored(expires_in=600)), Response(503))

    with pytest.raises(Unreachable):
        ours.token(timedelta(hours=2))


def test_another_refusal_is_said_and_the_refresh_token_stays() -> None:
    vault = Drawer(stored(expires_in=-1))
    ours, _ = session(vault, error("invalid_client", 401))

    with pytest.raises(Refused):
        ours.token()

    assert vault.kept == []


def test_a_login_that_fails_leaves_the_vault_as_it_was() -> None:
    """[C-OIDC-01]"""
    vault = Drawer(stored())
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [error("access_denied")]})

    with pytest.raises(LoginDeclined):
        Session(PROFILE, vault, world).log_in()

    assert vault.content == stored()


def test_a_login_that_could_not_be_kept_is_not_begun() -> None:
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens()]})

    with pytest.raises(VaultUnavailable):
        Session(PROFILE, Drawer(None, meanwhile=disk_full), world).log_in()

    assert world.sent == []


def test_a_login_is_kept() -> None:
    vault = Drawer(None)
    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens(refresh_token="rt-9")]})

    Session(PROFILE, vault, world).log_in()

    assert vault.content is not None
    assert vault.content.refresh_token == Secret("rt-9")


@pytest.mark.parametrize("answer", [Response(200), Response(503), Unreachable("gone")], ids=str)
def test_a_logout_forgets_whatever_the_server_says(answer: Answer) -> None:
    """[C-RPIL-01]"""
    vault = Drawer(stored())
    ours, _ = session(vault, revoke=[answer])

    done = ours.log_out()

    assert vault.content is None
    assert done.revoked is (isinstance(answer, Response) and answer.status == 200)
    with pytest.raises(LoginRequired):
        ours.log_out()


def test_a_call_after_a_401_is_made_once_more_with_a_new_token() -> None:
    """[C-6750-02] [C-6750-03]"""
    ours, world = session(Drawer(stored()), tokens(access_token="at-2"), orders=[Response(401), Response(200)])

    assert ours.send(API_CALL).status == 200

    brought = [request.header("authorization") for request in world.requests("/orders")]
    assert brought == ["Bearer at-1", "Bearer at-2"]
    assert all("at-" not in request.url for request in world.requests("/orders"))


@pytest.mark.parametrize("answers", [[Response(401)], [Response(403)]], ids=["401 again and again", "403"])
def test_a_call_that_is_refused_is_not_made_for_ever(answers: list[Answer]) -> None:
    """[C-6750-03]"""
    ours, world = session(Drawer(stored()), tokens(access_token="at-2"), orders=answers)

    ours.send(API_CALL)

    assert len(world.requests("/orders")) <= 2


def test_what_the_api_says_is_worth_more_than_why_it_could_not_be_mended() -> None:
    ours, _ = session(Drawer(stored(refresh=None)), orders=[Response(401, (), b"who are you?")])

    assert ours.send(API_CALL).body == b"who are you?"


def test_another_process_that_was_quicker_where_locks_do_not_hold_is_adopted_after_invalid_grant() -> None:
    """[C-IMPL-02]"""
    theirs = replace(stored(token="theirs"), refresh_token=Secret("rt-2"), generation=1)
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, error("invalid_grant"))
    world.meanwhile["/token"] = lambda: run(vault.save("", theirs))

    assert ours.token() == Secret("theirs")
    assert vault.content == theirs
    assert len(world.sent) == 1


def test_what_another_process_kept_meanwhile_is_tried_once_if_it_has_lapsed_too() -> None:
    theirs = replace(stored(expires_in=-1, token="theirs"), refresh_token=Secret("rt-2"), generation=1)
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, error("invalid_grant"), tokens(access_token="at-3", refresh_token="rt-3"))
    world.meanwhile["/token"] = lambda: vault.content is theirs or run(vault.save("", theirs))

    assert ours.token() == Secret("at-3")
    assert [b"refresh_token=rt-1" in sent.body for sent in world.requests("/token")] == [True, False]
    assert vault.content is not None
    assert (vault.content.generation, vault.content.refresh_token) == (2, Secret("rt-3"))


def test_a_result_that_comes_late_does_not_overwrite_a_newer_one() -> None:
    theirs = replace(stored(token="theirs"), refresh_token=Secret("rt-9"), generation=5)
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, tokens(access_token="late", refresh_token="rt-late"))
    world.meanwhile["/token"] = lambda: run(vault.save("", theirs))

    assert ours.token() == Secret("theirs")
    assert vault.content == theirs


def test_a_result_that_comes_after_a_logout_brings_nobody_back() -> None:
    vault = Drawer(stored(expires_in=-1))
    ours, world = session(vault, tokens(access_token="late", refresh_token="rt-late"))
    world.meanwhile["/token"] = lambda: run(vault.delete(""))

    with pytest.raises(LoginRequired):
        ours.token()

    assert vault.content is None


def test_every_refresh_and_every_login_is_a_generation_of_its_own() -> None:
    vault = Drawer(replace(stored(expires_in=-1), generation=7))
    ours, _ = session(vault, tokens(access_token="at-2", refresh_token="rt-2"))

    ours.token()

    assert vault.content is not None
    assert vault.content.generation == 8


class ReadOnly(Drawer):
    """A vault on a disk that nobody can write to."""

    async def save(self, _drawer: str, _held: StoredLogin) -> None:
        raise VaultUnavailable("the disk cannot be written", code="vault-readonly")

    @asynccontextmanager
    async def reserve(self, entry: str) -> AsyncGenerator[MemorySlot]:
        raise VaultUnavailable("the disk cannot be written", code="vault-readonly")
        yield MemorySlot(self, entry)

    @asynccontextmanager
    async def lock(self, _drawer: str, _on_wait: object = None) -> AsyncGenerator[None]:
        raise VaultUnavailable("the disk cannot be written", code="vault-readonly")
        yield


def test_on_a_read_only_disk_no_refresh_token_is_spent() -> None:
    """[FC-01]"""
    ours, world = session(ReadOnly(stored(expires_in=-1)), tokens(access_token="at-2", refresh_token="rt-2"))

    with pytest.raises(VaultUnavailable) as caught:
        ours.token()

    assert caught.value.exit == 8
    assert caught.value.message == "the new tokens could not be stored: the disk cannot be written"
    assert world.sent == []


def test_on_a_read_only_disk_the_token_at_hand_is_used_while_it_is_valid() -> None:
    """[FC-01]"""
    ours, world = session(ReadOnly(in_its_last_minute()))

    assert ours.token() == Secret("at-1")
    assert world.sent == []
    why = "the login was not refreshed: the new tokens could not be stored: the disk cannot be written"
    assert world.notices == [VaultNote(why)]


def test_on_a_read_only_disk_a_service_accounts_token_is_served_from_memory_and_said_to_be_lost() -> None:
    machine = replace(PROFILE, credential=Source("secret", "env", "SECRET"), is_machine=True)
    world = ScriptedWorld({OPENID: [DOCUMENT], "/token": [tokens(access_token="at-2")]})
    ours = Session(machine, ReadOnly(stored(expires_in=-1, refresh=None)), world, lambda _: Secret("its secret"))

    assert ours.token() == Secret("at-2")
    assert ours.token() == Secret("at-2")
    assert len(world.requests("/token")) == 1
    assert world.notices == [VaultNote("the new tokens cannot be stored: the disk cannot be written")]


def test_a_lock_that_somebody_holds_is_no_reason_to_go_without() -> None:
    ours, world = session(Drawer(stored(expires_in=-1), meanwhile=disk_full), tokens(access_token="at-2"))

    with pytest.raises(VaultUnavailable):
        ours.token()

    assert world.sent == []


@pytest.mark.parametrize("trouble", [Silence(), error("temporarily_unavailable", 503), PAGE], ids=repr)
def test_a_token_that_still_lives_is_served_while_the_server_cannot_be_had(trouble: Answer) -> None:
    ours, world = session(Drawer(in_its_last_minute()), trouble)

    assert ours.token() == Secret("at-1")
    assert len(world.sent) == 1


def test_a_token_that_lives_shortly_is_not_renewed_at_every_use() -> None:
    ours, world = session(Drawer(stored(expires_in=40)))

    assert ours.token() == Secret("at-1")
    assert world.sent == []


def test_a_clock_that_was_set_back_is_no_reason_to_believe_in_an_old_token() -> None:
    early = replace(stored(), obtained_at=NOON + timedelta(hours=5), expires_at=NOON + timedelta(hours=6))
    ours, world = session(Drawer(early), tokens(access_token="at-2"))

    assert ours.token() == Secret("at-2")
    assert len(world.sent) == 1


def test_a_login_that_cannot_be_read_is_forgotten_at_logout_all_the_same() -> None:
    class Locked(Drawer):
        async def load(self, _drawer: str, **_: bool) -> StoredLogin | None:
            raise VaultUnavailable("the keyring is locked", code="key-locked")

    vault = Locked(stored())
    ours, world = session(vault)

    done = ours.log_out()

    assert (done.revoked, done.problem, done.is_alive) == (False, "the keyring is locked", True)
    assert vault.content is None
    assert world.sent == []


def test_where_tokens_are_kept_is_told_before_the_person_is_bothered() -> None:
    class Telling(Drawer):
        async def prepare(self) -> str:
            return "tokens are stored on paper"

    world = ScriptedWorld({OPENID: [DOCUMENT], "/device": [codes()], "/token": [tokens()]})

    Session(PROFILE, Telling(None), world).log_in()

    assert world.notices[0] == VaultNote("tokens are stored on paper")
    assert len(world.notices) > 1
