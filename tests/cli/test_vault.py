"""`keyfob vault`, and how a login says where tokens go."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import PLACES
from tests.cli.issuer import issuer, keep_login
from tools.source import ROOT

Ran = tuple[int, str, str]
Keyfob = Callable[..., Ran]

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def keyfob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Keyfob:
    """The command line, at home in an empty folder, with a passphrase at hand."""
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse", encoding="utf-8")
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEYFOB_PASSPHRASE_FILE", str(phrase))
    monkeypatch.delenv("KEYFOB_STORE")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ran:
        code = main(list(words))
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run


def vault_file(tmp_path: Path) -> bytes:
    return (tmp_path / "home" / "vault" / "default.json").read_bytes()


def test_a_login_says_once_where_its_tokens_are_kept_and_status_says_it_again(keyfob: Keyfob, tmp_path: Path) -> None:
    with issuer() as server:
        words = ("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device")
        _, _, first = keyfob(*words)
        _, _, second = keyfob(*words)
        assert keyfob("token")[:2] == (0, "at-1\n")

    assert "tokens are stored encrypted with a passphrase (this session has no keyring)" in first
    assert "tokens are stored" not in second
    assert b"at-1" not in vault_file(tmp_path)
    _, status, _ = keyfob("vault", "status")
    assert status.startswith("tokens are stored encrypted with a passphrase\n")
    told = json.loads(keyfob("vault", "status", "--json")[1])
    assert (told["place"], told["quick"], told["moving_from"]) == ("passphrase", True, None)
    assert told["profiles"] == [{"name": "default", "sealed": True}]
    assert [place["place"] for place in told["places"]] == list(PLACES)
    assert [place["code"] for place in told["places"] if place["place"] in {"keyring", "passphrase"}] == [
        "key-absent",
        None,
    ]


@pytest.mark.parametrize(("store", "code"), [("file", 0), ("prefer", 0), ("require", 0)])
def test_store_says_how_tokens_are_kept(keyfob: Keyfob, tmp_path: Path, store: str, code: int) -> None:
    with issuer() as server:
        words = ("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device", "--store", store)
        assert keyfob(*words)[0] == code

    assert (b"at-1" in vault_file(tmp_path)) == (store == "file")


def test_where_sealing_is_required_and_impossible_nobody_is_asked_to_log_in(
    keyfob: Keyfob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_PASSPHRASE_FILE", "/nowhere")
    monkeypatch.setattr("keyfob.client.io.vault.seals.order", lambda *_, **__: ("keyring", "passphrase"))
    with issuer() as server:
        words = ("login", "--issuer", f"{server.url}/", "--client-id", "cli", "--flow", "device", "--store", "require")
        code, _, err = keyfob(*words)

    assert code == 8
    assert "keyfob help key-absent" in err
    assert server.came == []


def test_a_move_takes_everything_along(keyfob: Keyfob, tmp_path: Path) -> None:
    with issuer() as server:
        keep_login(server)
        assert keyfob("vault", "move", "passphrase")[0] == 0
        assert b"at-1" not in vault_file(tmp_path)
        assert keyfob("token")[1] == "at-1\n"
        code, _, err = keyfob("vault", "move", "file")
        assert (code, err) == (0, "keyfob: tokens are stored in a plain file that only you can read\n")
        assert b"at-1" in vault_file(tmp_path)
        assert keyfob("token")[1] == "at-1\n"


@pytest.mark.parametrize("words", [("move",), ("move", "moon"), ("quick",), ("quick", "maybe"), ("dance",)], ids=str)
def test_words_that_mean_nothing_are_refused(keyfob: Keyfob, words: tuple[str, ...]) -> None:
    assert keyfob("vault", *words)[0] == 2


def test_without_the_passphrase_the_vault_is_locked_and_a_logout_forgets_it_all_the_same(
    keyfob: Keyfob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with issuer() as server:
        keep_login(server)
        keyfob("vault", "move", "passphrase")
        monkeypatch.delenv("KEYFOB_PASSPHRASE_FILE")
        code, out, err = keyfob("token")
        assert (code, out) == (8, "")
        assert "keyfob help key-locked" in err
        assert keyfob("logout")[0] == 1
    assert not (tmp_path / "home" / "vault" / "default.json").exists()


def test_a_damaged_vault_is_one_clear_line_and_no_trace(keyfob: Keyfob, tmp_path: Path) -> None:
    with issuer() as server:
        keep_login(server)
    (tmp_path / "home" / "vault" / "default.json").write_bytes(b"{")
    code, out, err = keyfob("token")

    assert (code, out) == (8, "")
    assert len(err.splitlines()) == 3
    assert "keyfob help vault-damaged" in err
    assert keyfob("token")[0] == 4


@pytest.mark.usefixtures("plain_environment")
def test_the_quick_file_is_laid_by_token_and_taken_away_by_its_switch(keyfob: Keyfob, tmp_path: Path) -> None:
    quick = tmp_path / "home" / "quick" / "default"
    with issuer() as server:
        keep_login(server)
    keyfob("token")
    assert quick.is_file()

    assert keyfob("vault", "quick", "off")[0] == 0
    assert not quick.exists()
    assert keyfob("token")[1] == "at-1\n"
    assert not quick.exists()
    keyfob("vault", "quick", "on")
    keyfob("token")
    assert quick.is_file()
    keyfob("logout")
    assert not quick.exists()


def test_every_command_of_the_page_about_the_vault_is_one_that_there_is(keyfob: Keyfob) -> None:
    page = (ROOT / "docs" / "vault.md").read_text(encoding="utf-8")
    block = page.partition("```sh\n")[2].partition("```")[0]
    with issuer() as server:
        keep_login(server)
        for line in block.splitlines():
            words = line.partition("#")[0].split()
            assert words[0] == "keyfob"
            more = ("--flow", "device") if words[1] == "login" else ()
            assert keyfob(*words[1:], *more)[0] == 0, line
    assert FileVault().entries() == ["default"]
