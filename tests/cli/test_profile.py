"""Several logins at once: which is meant, one less, and none any more."""

import pytest

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.run import run
from tests.cli.desk import Desk, desk
from tests.cli.issuer import issuer
from tests.loopback import says

__all__ = ["desk"]
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
NOWHERE = "http://127.0.0.1:9/"


def test_each_is_named_with_how_its_login_stands(desk: Desk) -> None:
    desk.save(NOWHERE)
    desk.save(NOWHERE, "work")
    run(FileVault(desk.home).delete("work"))
    (desk.home / "profiles" / "odd.json").write_text("{", encoding="utf-8")

    told = {str(line["profile"]): (line["in_use"], line["state"]) for line in
            desk.type("profile", "list", "--json").events()}  # fmt: skip

    assert told == {
        "default": (True, "logged-in"), "odd": (False, "vault-damaged"), "work": (False, "login-needed"),
    }  # fmt: skip
    assert desk.type("profile", "list").out.splitlines()[0].split()[:2] == ["*", "default"]


def test_one_is_shown_without_a_secret(desk: Desk) -> None:
    desk.save(NOWHERE)

    shown = desk.type("profile", "show", "default", "--json")

    assert shown.members()["issuer"] == NOWHERE
    assert "at-1" not in shown.out
    assert NOWHERE in desk.type("profile", "show", "default").out


def test_the_one_in_use_is_meant_until_another_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(NOWHERE)
    desk.save(NOWHERE, "work", person="work@example.com")
    assert desk.type("profile", "use", "work").code == 0
    assert desk.type("whoami", "--json").members()["name"] == "work@example.com"
    assert desk.type("whoami", "--json", "--profile", "default").members()["name"] == "pat@example.com"

    monkeypatch.setenv("KEYFOB_PROFILE", "default")
    told = desk.type("profile", "use", "work")
    assert "KEYFOB_PROFILE selects default" in told.err
    monkeypatch.delenv("KEYFOB_PROFILE")

    assert desk.type("profile", "use", "default").code == 0
    assert desk.type("whoami", "--json").members()["name"] == "pat@example.com"
    assert not ProfileFiles(desk.home).choice.exists()


@pytest.mark.parametrize("verb", ["show", "use", "remove"])
@pytest.mark.parametrize("name", ["nobody", "../vault", ""])
def test_what_is_not_there_is_refused(desk: Desk, verb: str, name: str) -> None:
    desk.save(NOWHERE)

    assert desk.type("profile", verb, name).code == 2
    assert run(FileVault(desk.home).load("default")) is not None


@pytest.mark.parametrize(("answer", "code"), [(200, 0), (503, 1)])
def test_one_that_is_removed_is_revoked_first_and_gone_whatever_the_server_says(
    desk: Desk, answer: int, code: int
) -> None:
    with issuer(revoke=says(answer)) as server:
        desk.save(f"{server.url}/")
        desk.save(f"{server.url}/", "work")
        desk.type("profile", "use", "work")
        desk.type("token")

        ran = desk.type("profile", "remove", "work", "--json")

    assert (ran.code, ran.members()["revoked"], ran.members()["forgotten"]) == (code, answer == 200, True)
    assert any(b"rt-1" in body for _, path, _, body in server.came if path == "/revoke")
    assert [str(path.relative_to(desk.home)) for path in desk.home.rglob("*work*") if path.suffix != ".lock"] == []
    assert desk.type("whoami", "--json").members()["profile"] == "default"


def test_logout_of_all_ends_each_and_one_that_is_damaged_keeps_none_waiting(desk: Desk) -> None:
    with issuer() as server:
        for name in ("default", "second", "third"):
            desk.save(f"{server.url}/", name)
        (desk.home / "vault" / "second.json").write_bytes(b"{")

        ran = desk.type("logout", "--all", "--json")
        again = desk.type("logout", "--all", "--json")

    assert ran.code == 1
    assert [(told["profile"], told["forgotten"]) for told in ran.events()] == [
        ("default", True), ("second", True), ("third", True),
    ]  # fmt: skip
    assert sum(path == "/revoke" for _, path, _, _ in server.came) >= 2
    assert FileVault(desk.home).entries() == []
    assert again.code == 0
    assert [told["forgotten"] for told in again.events()] == [False, False, False]


def test_logout_of_all_where_there_is_none_is_done(desk: Desk) -> None:
    ran = desk.type("logout", "--all")

    assert (ran.code, ran.out) == (0, "")
    assert "there was no login" in ran.err


def test_a_login_whose_settings_are_lost_or_damaged_is_ended_too(desk: Desk) -> None:
    with issuer() as server:
        for name in ("orphan", "damaged"):
            desk.save(f"{server.url}/", name)
        (desk.home / "profiles" / "orphan.json").unlink()
        (desk.home / "profiles" / "damaged.json").write_text("{", encoding="utf-8")

        assert desk.type("logout", "--all").code == 0

    assert sum(path == "/revoke" for _, path, _, _ in server.came) == 4  # of each a refresh and an access token
    assert FileVault(desk.home).entries() == []
