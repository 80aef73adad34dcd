"""Programs that embed keyfob: their logins are their own, and errors name them and not keyfob."""

from __future__ import annotations

from datetime import timedelta

import pytest

from keyfob.cli.profiles import app_of
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import KeyfobError, LoginRequired, Misuse
from keyfob.login import App, Source
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld

A = "https://a.example/"
B = "https://b.example/"


def app(issuer: str = A, vault: MemoryVault | None = None, **more: object) -> App:
    settings: dict[str, object] = {"client_id": "cli", "world": ScriptedWorld({})} | more
    if more.get("is_machine"):
        settings["credential"] = Source("secret", "env", "ORDERS_SECRET")
    return App(issuer=issuer, vault=vault or MemoryVault(), **settings)  # type: ignore[arg-type]


def keep(app: App) -> StoredLogin:
    """Store what a login by this program would have left."""
    profile, now = app.profile, app.find_world().now().wall
    stored = StoredLogin(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        token_endpoint=f"{profile.issuer}token",
        revocation_endpoint=None,
        access_token=Secret(f"at of {profile.issuer}"),
        expires_at=now + timedelta(hours=1),
        obtained_at=now,
        scope=profile.scope,
    )
    run(app.vault.save(profile.name, stored))
    return stored


def test_two_programs_without_a_profile_share_nothing() -> None:
    """[FC-05]: the second login destroyed the first, keyfob's own included."""
    vault = MemoryVault()
    programs = [
        app(A, vault),
        app(B, vault),
        app(A, vault, client_id="another"),
        app(A, vault, audience="https://api.example"),
        app(A, vault, is_machine=True),
        app_of(app(A, profile="default").profile),
    ]
    assert len({one.profile.name for one in programs}) == len(programs)
    stored = [keep(one) for one in programs[:4]]
    assert [one.session().token() for one in programs[:4]] == [one.access_token.reveal() for one in stored]


def test_a_program_finds_its_login_again() -> None:
    """[FC-05]."""
    vault = MemoryVault()
    keep(app(A, vault))
    assert app(A, vault, scopes=["read:orders"]).session().token() == f"at of {A}"


@pytest.mark.parametrize("client_id", ["-", "ä" * 50, "x" * 200, "https://c.example/a.json", "..", "a b"])
def test_any_client_id_makes_a_profile_name(client_id: str) -> None:
    """[FC-05]: of at most 40 letters, and a file's name."""
    assert app(client_id=client_id).profile.name


def test_another_programs_login_under_a_name_is_refused_before_anybody_logs_in() -> None:
    """[FC-05]: nothing of another issuer or client is overwritten silently."""
    vault = MemoryVault()
    first = app(A, vault, profile="shared")
    keep(first)
    for other in (app(B, vault, profile="shared"), app(A, vault, client_id="another", profile="shared")):
        with pytest.raises(Misuse) as caught:
            other.log_in(lambda _: None)
        assert caught.value.code == "profile-taken"
    machine = app(B, vault, profile="shared", is_machine=True)
    with pytest.raises(Misuse) as caught:
        machine.session().token()
    assert caught.value.code == "profile-taken"
    assert first.session().token() == f"at of {A}"


def hints(program: App) -> list[str]:
    """Return the hints of errors that a program meets."""
    found: list[str] = []
    for act in (program.session().token, lambda: program.resume(lambda _: None), program.session().log_out):
        with pytest.raises(KeyfobError) as caught:
            act()
        found.append(caught.value.hint)
    return found


def test_errors_name_the_programs_own_login_command() -> None:
    """[FC-06]."""
    assert hints(app(login_command="orders login")) == ["Run: orders login"] * 3
    assert hints(app(login_command="orders login", profile="work")) == ["Run: orders login"] * 3
    assert hints(app()) == ["Log in again."] * 3


def test_keyfobs_own_errors_name_keyfob_and_the_profile() -> None:
    """[FC-06]: and a hint followed to the letter logs in the same profile."""
    own = app(login_command="keyfob login", profile="work")
    assert hints(own) == ["Run: keyfob login --profile work"] * 3


def test_scopes_in_one_text_are_separated_by_spaces() -> None:
    """[FC-22]: they were asked for letter by letter."""
    assert app(scopes="read").profile.scope.names == {"read"}
    assert app(scopes="read write").profile.scope.names == {"read", "write"}
    assert app(scopes="").profile.scope.names == frozenset()


def test_not_logged_in_is_said_the_same_everywhere() -> None:
    """[FC-06]: no module of the client writes the command by itself."""
    with pytest.raises(LoginRequired) as caught:
        app(login_command="orders login").session().stored()
    assert "keyfob" not in f"{caught.value} {caught.value.hint}"
