"""How a vault is sealed: which place is chosen, what is remembered, and moving without losing anything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import PLACES, WORDS, Envelope, Note, Place, Policy, policy_of
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Code, Malformed, Misuse, VaultUnavailable
from keyfob.run import run
from keyfob.testing.fake_key_storage import FakeKeyStorage, FakeKeyStorages
from tests.client.scripts import stored

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEYFOB_STORE")


def vault_in(folder: Path, entries: FakeKeyStorages, policy: Policy | None = None) -> FileVault:
    return FileVault(folder, Seals(folder, policy, entries))


def raw(folder: Path, entry: str = "default") -> bytes:
    return (folder / "vault" / f"{entry}.json").read_bytes()


def test_what_is_sealed_shows_no_token_and_is_found_again(tmp_path: Path) -> None:
    entries = FakeKeyStorages(keyring=FakeKeyStorage())
    vault = vault_in(tmp_path, entries)

    assert run(vault.prepare()) == ""
    run(vault.save("default", stored()))

    assert b"at-1" not in raw(tmp_path)
    assert b"rt-1" not in raw(tmp_path)
    assert run(vault_in(tmp_path, entries).load("default")) == stored()
    assert vault.is_sealed("default")


def test_a_box_does_not_open_in_another_drawer(tmp_path: Path) -> None:
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=FakeKeyStorage(KEY)))
    run(vault.save("default", stored()))
    (tmp_path / "vault" / "work.json").write_bytes(raw(tmp_path))

    with pytest.raises(VaultUnavailable) as caught:
        run(vault.load("work"))

    assert caught.value.code == "vault-damaged"


def test_damaged_ciphertext_is_set_aside_and_said_so_once(tmp_path: Path) -> None:
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=FakeKeyStorage(KEY)))
    run(vault.save("default", stored()))
    file = tmp_path / "vault" / "default.json"
    envelope = Envelope.find(file.read_bytes())
    assert envelope is not None
    damaged = Envelope(envelope.key_id, envelope.ciphertext[:-1] + bytes([envelope.ciphertext[-1] ^ 1])).write()
    file.write_bytes(damaged)

    with pytest.raises(VaultUnavailable) as caught:
        run(vault.load("default"))

    assert caught.value.code == "vault-damaged"
    [aside] = file.parent.glob("default.json.damaged-*")
    assert aside.read_bytes() == damaged
    assert run(vault.load("default")) is None


def test_another_key_is_not_taken_for_damage(tmp_path: Path) -> None:
    place = FakeKeyStorage(KEY)
    run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).save("default", stored()))
    before = raw(tmp_path)
    place.key = bytes(32)

    with pytest.raises(VaultUnavailable) as caught:
        run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).load("default"))

    assert caught.value.code == "key-empty"
    assert raw(tmp_path) == before


@pytest.mark.parametrize("code", ["key-absent", "key-locked", "key-hung"])
def test_locked_absent_and_hung_are_different_answers(tmp_path: Path, code: Code) -> None:
    place = FakeKeyStorage(KEY)
    run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).save("default", stored()))
    place.trouble = code

    with pytest.raises(VaultUnavailable) as caught:
        run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).load("default"))

    assert caught.value.code == code


def test_a_key_that_has_gone_is_yet_another_answer(tmp_path: Path) -> None:
    place = FakeKeyStorage(KEY)
    run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).save("default", stored()))
    place.key = None
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=place))

    with pytest.raises(VaultUnavailable) as caught:
        run(vault.load("default"))

    assert (caught.value.code, caught.value.hint_with_flags) == ("key-empty", "Log in again: keyfob login")
    run(vault.prepare())  # as a login does
    run(vault.save("default", stored(token="at-2")))
    assert run(vault.load("default")) == stored(token="at-2")


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ({"keyring": None, "systemd": None, "kernel": None}, "keyring"),
        ({"systemd": None, "kernel": None}, "systemd"),
        ({"keyring": "key-hung", "kernel": None}, "kernel"),
        ({"keyring": "key-locked"}, "file"),
        ({}, "file"),
    ],
    ids=str,
)
def test_the_best_place_that_works_is_chosen_said_once_and_remembered(
    tmp_path: Path, states: dict[str, Code | None], chosen: Place
) -> None:
    entries = FakeKeyStorages(**{name: FakeKeyStorage(trouble=trouble) for name, trouble in states.items()})
    vault = vault_in(tmp_path, entries)

    said = run(vault.prepare())
    run(vault.save("default", stored()))

    assert said == "" if chosen == "keyring" else WORDS[chosen] in said
    assert vault.seals is not None
    assert vault.seals.note() == Note(chosen)
    assert vault.is_sealed("default") == (chosen != "file")
    assert run(vault_in(tmp_path, entries).prepare()) == ""


def test_a_place_that_only_pretends_is_found_out_before_anybody_logs_in(tmp_path: Path) -> None:
    pretender = FakeKeyStorage()
    pretender.forgets = True
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=pretender))

    assert "does not store the key" in run(vault.prepare())


def test_where_sealing_is_required_a_plain_file_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = FakeKeyStorages(keyring=FakeKeyStorage(trouble="key-locked"))
    with pytest.raises(VaultUnavailable) as caught:
        run(vault_in(tmp_path, entries, "require").prepare())
    assert (caught.value.code, caught.value.exit) == ("key-locked", 8)

    run(vault_in(tmp_path, entries).prepare())
    monkeypatch.setenv("KEYFOB_STORE", "require")
    for refused in (
        lambda: run(vault_in(tmp_path, entries).prepare()),
        lambda: run(vault_in(tmp_path, entries).save("x", stored())),
    ):
        with pytest.raises(VaultUnavailable):
            refused()
    assert not (tmp_path / "vault" / "x.json").exists()


def test_a_person_may_be_asked_at_a_login_and_never_by_a_refresh(tmp_path: Path) -> None:
    place = FakeKeyStorage(trouble="key-locked")
    place.unlocks = True
    quiet = vault_in(tmp_path, FakeKeyStorages(keyring=place))
    run(quiet.save("default", stored()))

    assert not quiet.is_sealed("default")
    assert quiet.seals is not None
    assert quiet.seals.note() == Note()  # what is locked now may be open at the next login
    run(vault_in(tmp_path, FakeKeyStorages(keyring=place)).prepare())
    assert quiet.is_sealed("default")


def test_plain_files_of_an_earlier_version_are_read_and_sealed_at_the_next_login(tmp_path: Path) -> None:
    first = json.loads(stored().write())
    old = {name: value for name, value in first.items() if name not in {"generation", "skew"}} | {"version": 1}
    for entry in ("default", "work"):
        run(FileVault(tmp_path).save(entry, stored()))
        (tmp_path / "vault" / f"{entry}.json").write_text(json.dumps(old), encoding="utf-8")
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=FakeKeyStorage()))

    assert run(vault.load("work")) == stored()
    run(vault.prepare())

    assert b"at-1" not in raw(tmp_path) + raw(tmp_path, "work")
    assert run(vault.load("default")) == run(vault.load("work")) == stored()


def test_what_was_said_anew_moves_what_is_there(tmp_path: Path) -> None:
    entries = FakeKeyStorages(keyring=FakeKeyStorage(KEY))
    run(vault_in(tmp_path, entries).save("default", stored()))

    assert run(vault_in(tmp_path, entries, "file").prepare()) == ""
    assert b"at-1" in raw(tmp_path)
    assert run(vault_in(tmp_path, entries, "prefer").prepare()) == ""
    assert b"at-1" not in raw(tmp_path)


@pytest.mark.parametrize("start", PLACES)
@pytest.mark.parametrize("end", PLACES)
def test_a_move_from_anywhere_to_anywhere_loses_nothing(tmp_path: Path, start: Place, end: Place) -> None:
    entries = FakeKeyStorages(**{place: FakeKeyStorage() for place in PLACES if place != "file"})
    seals = Seals(tmp_path, None, entries)
    vault = FileVault(tmp_path, seals)
    seals.move(start, vault.rewrite)
    logins = {name: stored(token=f"at-{name}") for name in ("default", "work", "x")}
    for name, login in logins.items():
        run(vault.save(name, login))

    seals.move(end, vault.rewrite)

    fresh = vault_in(tmp_path, entries)
    assert {name: run(fresh.load(name)) for name in fresh.entries()} == logins
    assert seals.note() == Note(end)
    assert all(fresh.is_sealed(name) == (end != "file") for name in logins)


class Stopped(Exception):
    """The power went."""


@pytest.mark.parametrize("after", range(4))
def test_a_move_that_is_stopped_anywhere_loses_nothing_and_the_next_ends_it(tmp_path: Path, after: int) -> None:
    entries = FakeKeyStorages(keyring=FakeKeyStorage(), kernel=FakeKeyStorage())
    vault = vault_in(tmp_path, entries)
    logins: dict[str, StoredLogin | None] = {name: stored(token=f"at-{name}") for name in ("default", "work", "x")}
    for name, login in logins.items():
        assert login is not None
        run(vault.save(name, login))

    def stop_half_way() -> None:
        for name in list(logins)[:after]:
            login = run(vault.load(name))
            assert login is not None
            run(vault.save(name, login))
        raise Stopped

    assert vault.seals is not None
    with pytest.raises(Stopped):
        vault.seals.move("kernel", stop_half_way)

    later = vault_in(tmp_path, entries)
    assert {name: run(later.load(name)) for name in logins} == logins
    assert later.seals is not None
    assert later.seals.note() == Note("kernel", "keyring")
    later.seals.move("file", later.rewrite)
    entries.entries.clear()
    assert {name: run(later.load(name)) for name in logins} == logins


def test_a_move_to_a_place_that_does_not_work_changes_nothing(tmp_path: Path) -> None:
    entries = FakeKeyStorages(keyring=FakeKeyStorage(), kernel=FakeKeyStorage(trouble="key-hung"))
    vault = vault_in(tmp_path, entries)
    run(vault.save("default", stored()))
    before = raw(tmp_path), (tmp_path / "vault.json").read_bytes()

    assert vault.seals is not None
    with pytest.raises(VaultUnavailable):
        vault.seals.move("kernel", vault.rewrite)

    assert (raw(tmp_path), (tmp_path / "vault.json").read_bytes()) == before


FIRST_LOGINS = """
import sys
from pathlib import Path
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.run import run
from tests.client.scripts import stored
home = Path(sys.argv[1])
vault = FileVault(home, Seals(home))
print("ready", flush=True)
sys.stdin.readline()
run(vault.prepare())
with vault.lock(sys.argv[2]):
    run(vault.save(sys.argv[2], stored()))
"""


def test_many_first_logins_at_once_agree_on_one_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse\n", encoding="utf-8")
    monkeypatch.setenv("KEYFOB_PASSPHRASE_FILE", str(phrase))
    home, names = tmp_path / "home", [f"p{context}" for context in range(4)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    programs = [subprocess.Popen([sys.executable, "-c", FIRST_LOGINS, home, name], **pipes) for name in names]
    for client in programs:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
    for client in programs:
        client.communicate(b"go\n", timeout=60)

    vault = FileVault(home, Seals(home))
    assert [client.returncode for client in programs] == [0] * 4
    assert {name: run(vault.load(name)) for name in names} == dict.fromkeys(names, stored())
    assert vault.seals is not None
    assert vault.seals.note() == Note("passphrase")


def test_a_note_of_a_later_version_is_left_alone_and_a_damaged_one_is_made_anew(tmp_path: Path) -> None:
    vault = vault_in(tmp_path, FakeKeyStorages(keyring=FakeKeyStorage(KEY)))
    run(vault.save("default", stored()))
    note = tmp_path / "vault.json"
    for later in (b'{"version": 2}', b'{"version": 1, "place": "moon"}'):
        note.write_bytes(later)
        with pytest.raises(VaultUnavailable):
            run(vault.load("default"))
        assert note.read_bytes() == later

    note.write_bytes(b"{")
    assert run(vault.load("default")) == stored()
    run(vault.prepare())
    assert run(vault.load("default")) == stored()


def test_the_quick_file_can_be_forbidden_and_a_move_remembers_that(tmp_path: Path) -> None:
    seals = Seals(tmp_path, None, FakeKeyStorages(kernel=FakeKeyStorage()))
    seals.set_quick(is_quick=False)
    seals.move("kernel", lambda: None)

    assert seals.note() == Note("kernel", None, is_quick=False)
    assert Note.read(seals.note().write()) == seals.note()


def test_a_policy_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Misuse):
        policy_of("sometimes")


@pytest.mark.parametrize("damage", [b'{"version": 2, "sealed": "%%", "key": "a"}', b'{"version": 2, "sealed": "aaaa"}'])
def test_a_damaged_envelope_is_said_to_be_damaged(damage: bytes) -> None:
    with pytest.raises(Malformed):
        Envelope.find(damage)


def test_a_plain_login_is_no_envelope_whatever_is_in_it() -> None:
    assert Envelope.find(stored(token='"sealed"').write()) is None
    assert Envelope.find(b"") is None
