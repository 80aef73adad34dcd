import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from keyfob.client.io.vault.files import home, make_folder, read_private, write_private
from keyfob.client.io.vault.lock import locked
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import VaultUnavailable
from keyfob.protocol.fields import read_form
from keyfob.protocol.secret import Secret
from keyfob.run import run
from tests.client.scripts import PROFILE, stored
from tests.loopback import says, serving

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and owners are POSIX")
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_nobody_else_may_read_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """[C-6749-20]"""
    above = tmp_path / "deep" / "er"
    with umask(mask):
        run(FileVault(above).save("default", stored()))
        ProfileFiles(above).save(PROFILE)
        with FileVault(above).lock("default"):
            pass

    found = list((tmp_path / "deep").rglob("*"))
    assert {path.name for path in found if path.is_file()} == {"default.json", "default.lock"}
    assert {mode(path) for path in found if path.is_file()} == {0o600}
    assert {mode(path) for path in [tmp_path / "deep", *found] if path.is_dir()} == {0o700}


@posix
def test_what_others_could_read_is_shut_when_it_is_read(tmp_path: Path) -> None:
    """[C-6749-20]"""
    vault = FileVault(tmp_path)
    run(vault.save("default", stored()))
    file = vault.folder / "default.json"
    file.chmod(0o644)
    vault.folder.chmod(0o755)

    assert run(vault.load("default")) == stored()
    run(vault.save("default", stored()))

    assert (mode(file), mode(vault.folder)) == (0o600, 0o700)


@posix
@root
def test_a_file_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    vault = FileVault(tmp_path)
    run(vault.save("default", stored()))
    os.chown(vault.folder / "default.json", 4242, -1)

    with pytest.raises(VaultUnavailable):
        run(vault.load("default"))

    os.chown(vault.folder, 4242, -1)
    with pytest.raises(VaultUnavailable):
        run(vault.save("other", stored()))


def test_what_is_kept_is_found_and_what_is_forgotten_is_not(tmp_path: Path) -> None:
    vault = FileVault(tmp_path)

    assert run(vault.load("default")) is None
    run(vault.delete("default"))
    run(vault.save("default", stored()))
    run(vault.save("work", stored(token="at-2")))
    assert run(vault.load("default")) == stored()
    run(vault.delete("default"))
    assert run(vault.load("default")) is None
    assert run(vault.load("work")) == stored(token="at-2")
    assert not [path for path in vault.folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 300, b"[]", b'{"version": 1}', b"\xff\xfe"], ids=repr)
def test_a_damaged_vault_is_set_aside_and_said_so_once(tmp_path: Path, damage: bytes) -> None:
    vault = FileVault(tmp_path)
    run(vault.save("default", stored()))
    (vault.folder / "default.json").write_bytes(damage)

    with pytest.raises(VaultUnavailable) as caught:
        run(vault.load("default"))

    assert caught.value.code == "vault-damaged"
    assert caught.value.exit == 8
    [aside] = vault.folder.glob("default.json.damaged-*")
    assert aside.read_bytes() == damage
    assert run(vault.load("default")) is None


def test_a_vault_of_a_newer_keyfob_is_left_as_it_is(tmp_path: Path) -> None:
    vault = FileVault(tmp_path)
    run(vault.save("default", stored()))
    file = vault.folder / "default.json"
    newer = json.dumps(json.loads(file.read_bytes()) | {"version": 3}).encode()
    file.write_bytes(newer)

    with pytest.raises(VaultUnavailable) as caught:
        run(vault.load("default"))

    assert caught.value.code == "vault-unavailable"
    assert file.read_bytes() == newer


@posix
def test_a_link_that_somebody_laid_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "vault", tmp_path / "elsewhere"
    make_folder(folder)
    elsewhere.write_bytes(b"precious")
    (folder / "x").symlink_to(elsewhere)

    write_private(folder / "x", b"new")

    assert elsewhere.read_bytes() == b"precious"
    assert read_private(folder / "x") == b"new"


def test_a_place_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(VaultUnavailable) as caught:
        run(FileVault(tmp_path / "file").save("default", stored()))

    assert "KEYFOB_HOME" in caught.value.hint


WRITER = """
import sys
from pathlib import Path
from keyfob.client.io.vault.files import write_private
print("ready", flush=True)
at = 0
while True:
    at += 1
    write_private(Path(sys.argv[1]), bytes([65 + at % 26]) * 200_000)
"""


@posix
@pytest.mark.parametrize("after", range(3))
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_and_never_half(tmp_path: Path, after: int) -> None:
    """[C-6749-20]"""
    file = tmp_path / "vault" / "default.json"
    with subprocess.Popen([sys.executable, "-c", WRITER, file], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        seen = 0
        while seen < 20 * (after + 1):  # each look is at another moment of its work
            content = read_private(file)
            seen += 1
            assert content is None or (len(content), len(set(content))) == (200_000, 1)
        writer.send_signal(signal.SIGKILL)

    content = read_private(file)
    assert content is None or (len(content), len(set(content))) == (200_000, 1)


def test_a_lock_is_held_by_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0
    count = threading.Lock()

    def enter(_: int) -> None:
        nonlocal inside, most
        with locked(tmp_path / "x.lock"):
            with count:
                inside += 1
                most = max(most, inside)
            with count:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(50)))

    assert most == 1


HOLDER = """
import sys
from pathlib import Path
from keyfob.client.io.vault.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, file], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()

    with locked(file):
        pass


PROGRAM = """
import sys
from pathlib import Path
from keyfob.login import App
app = App(issuer=sys.argv[1], client_id="cli", audience="https://api.example", profile="default",
          home=Path(sys.argv[2]))
print(app.session().token())
"""


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_ten_programs_with_a_lapsed_token_make_one_refresh(tmp_path: Path) -> None:
    """[C-IMPL-02] [C-6749-21] The server takes each refresh token once, as rotating servers do."""
    good = ["rt-1"]
    guard = threading.Lock()

    def token(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        sent = read_form(body, "x").text("refresh_token")
        with guard:
            if good[-1] != sent:
                says(403, b'{"error": "invalid_grant"}')(handler, body)
                return
            good.append(f"rt-{len(good) + 1}")
        fresh = {
            "access_token": f"at-{good[-1]}",
            "token_type": "Bearer",
            "expires_in": 3600,
            "refresh_token": good[-1],
        }
        says(200, json.dumps(fresh).encode())(handler, body)

    with serving({"/token": token}) as server:
        vault = FileVault(tmp_path)
        run(vault.save("default", lapsed_at(server.url)))
        command = [sys.executable, "-c", PROGRAM, f"{server.url}/", str(tmp_path)]
        programs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(10)]
        ended = [(*client.communicate(timeout=60), client.returncode) for client in programs]

    assert [code for _, _, code in ended] == [0] * 10, ended
    assert {out for out, _, _ in ended} == {b"at-rt-2\n"}
    assert len(server.came) == 1
    kept = run(vault.load("default"))
    assert kept is not None
    assert kept.refresh_token == Secret("rt-2")


def lapsed_at(url: str) -> StoredLogin:
    members = json.loads(stored().write())
    members |= {"issuer": f"{url}/", "token_endpoint": f"{url}/token", "expires_at": 1}
    return StoredLogin.read(json.dumps(members).encode())


HOME = """
from keyfob.client.io.vault.files import home
print(home())
"""


@posix
@pytest.mark.parametrize(
    ("surroundings", "where"),
    [
        ({"KEYFOB_HOME": "/k", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/k"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/keyfob"),
        ({"HOME": "/h"}, "/h/.local/state/keyfob"),
        ({"HOME": "/h", "XDG_STATE_HOME": "", "KEYFOB_HOME": ""}, "/h/.local/state/keyfob"),
    ],
)
def test_what_is_kept_lies_where_the_platform_keeps_such_things(surroundings: dict[str, str], where: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in {"KEYFOB_HOME", "XDG_STATE_HOME", "HOME"}}
    ran = subprocess.run(
        [sys.executable, "-c", HOME], env=clean | surroundings, capture_output=True, text=True, check=True
    )

    if sys.platform == "darwin" and "KEYFOB_HOME" not in surroundings:
        where = "/h/Library/Application Support/keyfob"
    assert ran.stdout.strip() == where
    assert home().is_absolute()
