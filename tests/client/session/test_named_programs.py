"""Programs with a name: a folder, several logins, a name in every message; and their settings in a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from keyfob.client.io.vault.files import program_home
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import LoginRequired, Misuse
from keyfob.login import App
from keyfob.protocol.secret import Secret
from keyfob.run import run
from keyfob.testing.memory_vault import MemoryVault
from keyfob.testing.scripted_server import ScriptedWorld

A = "https://a.example/"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path))
    return tmp_path


def app(name: str | None = "orders", **more: object) -> App:
    settings: dict[str, object] = {"issuer": A, "client_id": "cli", "world": ScriptedWorld({}), "store": "file"} | more
    return App(name=name, **settings)  # type: ignore[arg-type]


def keep(app: App, token: str) -> None:
    """Store what a login by this program would have left."""
    profile, now = app.profile, app.find_world().now().wall
    stored = StoredLogin(
        issuer=profile.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        token_endpoint=f"{profile.issuer}token",
        revocation_endpoint=None,
        access_token=Secret(token),
        expires_at=now + timedelta(hours=1),
        obtained_at=now,
        scope=profile.scope,
    )
    run(app.vault.save(profile.name, stored))


def test_a_program_with_a_name_has_a_folder_of_its_own(home: Path) -> None:
    """[FC-05]."""
    keep(app("orders"), "of orders")
    keep(app("stock"), "of stock")
    keep(app(None), "of keyfob")
    assert [app(name).session().token() for name in ("orders", "stock", None)] == [
        "of orders",
        "of stock",
        "of keyfob",
    ]
    assert len(list((home / "programs" / "orders" / "vault").glob("default-*.json"))) == 1
    assert ProfileFiles(home).names() == []


def test_without_keyfobs_own_variable_it_is_the_platforms_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEYFOB_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert program_home("orders") == tmp_path / "orders" / "login"


@pytest.mark.parametrize(
    "other", [{"issuer": "https://b.example/"}, {"client_id": "another"}, {"audience": "https://api.example"}]
)
def test_two_programs_of_one_name_never_meet(home: Path, other: dict[str, object]) -> None:
    """[FC-05]: nor does one that changes its issuer."""
    keep(app(), "first")
    second = app(**other)
    with pytest.raises(LoginRequired):
        second.session().token()
    keep(second, "second")
    second.choose("default")
    assert (app().session().token(), app().names()) == ("first", ["default"])


@pytest.mark.parametrize("name", ["keyfob", "KEYFOB", "", "..", "a/b", "a b", "x" * 41, "-x", "a.", "ä"])
def test_a_program_has_a_plain_name(home: Path, name: str) -> None:
    with pytest.raises(Misuse):
        app(name)


def test_messages_begin_with_the_name_and_hints_name_its_login_command(home: Path) -> None:
    """[FC-06]."""
    assert (app().profile.program, app().profile.login_hint()) == ("orders", "Run: orders login")
    other = app(login_command="python -m orders auth login").profile
    assert (other.program, other.login_hint()) == ("orders", "Run: python -m orders auth login")


def test_the_login_in_use_is_the_one_that_was_chosen_last(home: Path) -> None:
    keep(app().under("home"), "of home")
    keep(app().under("work"), "of work")
    running = app()
    assert running.profile.name.startswith("default-")
    app().choose("work")
    assert (app().chosen(), app().session().token()) == ("work", "of work")
    assert running.chosen() == "default", "a running program does not change its user"
    running.choose("home")
    assert (running.session().token(), app().session().token()) == ("of home", "of home")
    assert app().names() == ["home", "work"]


@pytest.mark.parametrize("content", [b"", b"../../x\n", b"\xff\xfe", b"a b", b"x" * 50])
def test_a_choice_that_is_damaged_counts_as_none(home: Path, content: bytes) -> None:
    keep(app(), "default")
    app().choose("work")
    ProfileFiles(home / "programs" / "orders").choice.write_bytes(content)
    assert app().session().token() == "default"


@pytest.mark.parametrize("more", [{"profile": "fixed"}, {"vault": MemoryVault()}, {"name": None}])
def test_an_app_with_one_login_says_so(home: Path, more: dict[str, object]) -> None:
    one = app(**more)  # type: ignore[arg-type]
    assert one.chosen() == "default"
    acts: tuple[Callable[[], object], ...] = (one.names, lambda: one.under("work"), lambda: one.choose("work"))
    for act in acts:
        with pytest.raises(Misuse, match="one login"):
            act()


def test_making_an_app_reads_no_file(home: Path) -> None:
    ProfileFiles(home / "programs" / "orders").choose("work")
    made = app()
    ProfileFiles(home / "programs" / "orders").choose("home")
    assert made.chosen() == "home"


GOOD = """\
name = "orders"
issuer = "https://a.example/"
client_id = "cli"
audience = "https://api.example"
scopes = ["read:orders", "write:orders"]
ca = "company.pem"
flow = "device"
exact_scopes = true
callbacks = ["http://127.0.0.1:8484/"]
[endpoints]
token_endpoint = "https://a.example/oauth/token"
"""


def test_settings_come_from_a_file_that_is_shipped_with_the_program(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "login.toml"
    path.write_text(GOOD, encoding="utf-8")
    profile = App.from_toml(path).profile
    assert (profile.issuer, profile.client_id, profile.audience) == (A, "cli", "https://api.example")
    assert profile.scope.names == {"read:orders", "write:orders"}
    assert (profile.ca, profile.flow, profile.program) == (str(tmp_path / "company.pem"), "device", "orders")
    assert profile.endpoints == {"token_endpoint": "https://a.example/oauth/token"}
    assert profile.has_exact_scope


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('client_id = "cli"', "issuer"),
        ('issuer = "https://a.example/"', "client_id"),
        (f"{GOOD}[more]\nx = 1", "more"),
        (GOOD.replace("audience", "audiance"), "audience"),
        (GOOD.replace("client_id", "client_secret"), "client_secret"),
        (GOOD.replace('"https://api.example"', "7"), "audience"),
        (GOOD.replace('"https://api.example"', '""'), "audience"),
        (GOOD.replace('["read:orders", "write:orders"]', "[1]"), "scopes"),
        (GOOD.replace("true", '"true"'), "exact_scopes"),
        (GOOD.replace('["http://127.0.0.1:8484/"]', '"http://127.0.0.1:8484/"'), "callbacks"),
        (GOOD.replace("token_endpoint = ", "token_endpoint = 1 # "), "endpoints"),
        (GOOD.replace('"device"', '"devise"'), "flow"),
        ("x = = 1", "line 1"),
        ("x = ", "not TOML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_and_the_mistake_is_named(
    home: Path, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "login.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misuse) as caught:
        App.from_toml(path)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_a_misplaced_secret_is_not_repeated(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "login.toml"
    for text in ('"hunter2hunter2" = ', 'hunter2 hunter2 = "x"', 'client_secret = "hunter2"'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Misuse) as caught:
            App.from_toml(path)
        assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_file_that_is_not_there_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"login\.toml"):
        App.from_toml(tmp_path / "login.toml")
