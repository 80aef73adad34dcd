"""`keyfob token` where no token may lie in the quick file: it comes from the vault, as the ordinary path gives it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.cli.main import main
from keyfob.client.io.vault.files import write_private
from keyfob.client.io.vault.key_headless import KernelKeyring
from keyfob.client.io.vault.key_places import KeyPlace, open_place
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import Profile
from keyfob.client.model.source import Source
from keyfob.client.model.storage_choice import Note, Place
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import VaultUnavailable
from keyfob.io import kept, kernel_keyring, quick, systemd_creds
from keyfob.protocol.secret import Secret
from keyfob.run import run
from tests.client.io.systemd import play_systemd
from tests.client.scripts import PROFILE, stored
from tests.stories.real.bus import keeper, session_bus

NAME = b"keyfob:kept-test-%d" % os.getpid()
OWN = "SERVICE_SECRET"
MACHINE = replace(PROFILE, credential=Source("secret", "env", OWN), is_machine=True)
QUICK = "quick/default"
VAULT = "vault/default.json"


def alive(seconds: float = 3600, token: str = "at-1", person: str | None = None) -> StoredLogin:
    now = datetime.now(UTC)
    return replace(
        stored(),
        obtained_at=now,
        expires_at=now + timedelta(seconds=seconds),
        access_token=Secret(token),
        person=person,
    )


def places(place: Place, home: Path) -> KeyPlace:
    return KernelKeyring(NAME) if place == "kernel" else open_place(place, home)


def kernel_for_any(_: Place, home: Path) -> KeyPlace:
    return places("kernel", home)


def lay(place: Place, login: StoredLogin, profile: Profile = PROFILE) -> None:
    seals = Seals(None, None, places)
    vault = FileVault(None, seals)
    seals.move(place, vault.rewrite)
    seals.set_quick(is_quick=False)
    run(vault.save("default", login))
    ProfileFiles().save(profile)
    vault.make_quick("default")


pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    """A session bus with a keyring on it that is open."""
    with session_bus() as address, keeper(address, "open"):
        yield address


def have_kernel(request: pytest.FixtureRequest) -> None:
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(kernel_keyring, "VAULT_KEY", NAME)
    monkeypatch.setattr(KernelKeyring.__init__, "__defaults__", (NAME,))
    try:
        KernelKeyring(NAME).read(may_ask=False)
    except VaultUnavailable as problem:
        pytest.skip(problem.message)


def have_keyring(request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("bus")
    request.getfixturevalue("monkeypatch").setenv("DBUS_SESSION_BUS_ADDRESS", address)


def have_systemd(request: pytest.FixtureRequest) -> None:
    """One that turns what it is given around."""
    folder: Path = request.getfixturevalue("tmp_path") / "bin"
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    folder.mkdir()
    play_systemd(folder)
    monkeypatch.setattr(systemd_creds, "RUNS", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


HAVE: dict[Place, Callable[[pytest.FixtureRequest], None]] = {
    "file": lambda _: None,
    "kernel": have_kernel,
    "keyring": have_keyring,
    "systemd": have_systemd,
}


@pytest.fixture(params=HAVE)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where the key lies, with a home that is empty yet; the kernel's key has a name of its own."""
    found: Place = request.param
    if found != "file" and sys.platform != "linux":
        pytest.skip("these places are Linux's")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("KEYFOB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KEYFOB_STORE", raising=False)
    HAVE[found](request)
    yield found
    if found != "file":
        places(found, tmp_path / "home").remove()


def found(*words: str) -> str | None:
    try:
        return quick.look_up(["token", *words])
    except (OSError, ValueError):
        return None


def edit(home: Path, **changed: object) -> None:
    """Write other members into the plain login, as they might come from another version, and have them found good."""
    file = home / VAULT
    members = json.loads(file.read_bytes()) | changed
    write_private(file, json.dumps(members, indent=1).encode())
    FileVault(None, Seals(None, None, places)).make_quick("default")


def damage(home: Path) -> None:
    raw = (home / VAULT).read_bytes()
    (home / VAULT).write_bytes(raw[:-9] + b"x" + raw[-8:])


def open_to_others(home: Path) -> None:
    (home / VAULT).chmod(0o644)


def lie_elsewhere(home: Path) -> None:
    (home / VAULT).rename(home / "moved.json")
    (home / VAULT).symlink_to(home / "moved.json")


def keep_another(home: Path) -> None:
    run(FileVault(home, Seals(home, None, places)).save("default", alive(token="at-2")))


def choose_another_api(home: Path) -> None:
    ProfileFiles(home).save(replace(PROFILE, audience="https://other.example"))


def write_note(home: Path, note: Note) -> None:
    write_private(home / "vault.json", note.write())


# What is done to the home, what is asked, and whether the answer comes the short way. Whatever comes has to be what the
# ordinary path says.
TABLE: list[tuple[str, StoredLogin, Profile, Callable[[Path], object], tuple[str, ...], bool]] = [
    ("good", alive(), PROFILE, Path.exists, (), True),
    ("long enough", alive(), PROFILE, Path.exists, ("--min-ttl", "30m"), True),
    ("too short", replace(alive(), refresh_token=None), PROFILE, Path.exists, ("--min-ttl", "2h"), False),
    ("lapsed", replace(alive(-5), refresh_token=None), PROFILE, Path.exists, (), False),
    (
        "nobody knows how long",
        replace(alive(), expires_at=None),
        PROFILE,
        Path.exists,
        (),
        True,
    ),
    ("machine", replace(alive(), refresh_token=None), MACHINE, Path.exists, (), True),
    ("bound", replace(alive(), token_type="DPoP", proof_key=Secret("x")), PROFILE, Path.exists, (), False),
    ("only its refresh token bound", replace(alive(), proof_key=Secret("x")), PROFILE, Path.exists, (), True),
    ("another profile", alive(), PROFILE, Path.exists, ("--profile", "other"), False),
    ("another API", alive(), PROFILE, choose_another_api, (), False),
    ("as JSON", alive(), PROFILE, Path.exists, ("--json",), False),
    ("odd token", alive(token='a"b\\c'), PROFILE, Path.exists, (), False),
    ("token with words of ours", alive(token='"access_token": "x'), PROFILE, Path.exists, (), False),
    ("name with words of ours", alive(person='"access_token": "no"'), PROFILE, Path.exists, (), True),
    ("replaced", alive(), PROFILE, keep_another, (), False),
    ("damaged", alive(), PROFILE, damage, (), False),
    ("open to others", alive(), PROFILE, open_to_others, (), False),
    ("a link", alive(), PROFILE, lie_elsewhere, (), False),
    ("gone", alive(), PROFILE, lambda home: (home / VAULT).unlink(), (), False),
    ("no settings", alive(), PROFILE, lambda home: (home / "profiles/default.json").unlink(), (), False),
    ("no note", alive(), PROFILE, lambda home: (home / "vault.json").unlink(), (), False),
    ("a note of now", alive(), PROFILE, lambda home: write_note(home, Note("kernel", "file")), (), False),
    ("no quick file", alive(), PROFILE, lambda home: (home / QUICK).unlink(), (), False),
]


@pytest.mark.parametrize(
    ("login", "profile", "change", "words", "is_short"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_short_way_says_what_the_ordinary_one_says_or_nothing(
    place: Place, login: StoredLogin, profile: Profile, change: Callable[[Path], object], words: tuple[str, ...],
    is_short: bool, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    lay(place, login, profile)
    change(tmp_path / "home")

    short = found(*words)
    code = main(["token", *words])
    said = capsysbinary.readouterr().out.decode().strip()

    assert (short is not None) == is_short
    assert short is None or (code, said) == (0, short)


def test_a_key_that_is_gone_or_another_is_left_to_the_ordinary_path(place: Place, tmp_path: Path) -> None:
    lay(place, alive())
    assert found() == "at-1"
    if place == "file":
        assert kept.access_token(b'{"access_token": "at-1"}', "default", "/nowhere") == "at-1"
        return
    key = places(place, tmp_path / "home")
    key.remove()
    assert found() is None
    key.write(bytes(32), may_ask=False)
    assert found() is None


@pytest.mark.parametrize("place", ["file"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({"token_type": "Bearer", "proof_key": None}, "at-1"),
        ({"token_type": "DPoP"}, None),
        ({"token_type": "dpop"}, None),
        ({"token_type": None}, None),
        ({"proof_key": {"kty": "EC"}}, None),
        ({"proof_key": "x"}, "at-1"),
        ({"inner": {"access_token": "x"}}, None),
    ],
    ids=str,
)
def test_only_a_bearer_token_is_printed(
    place: Place, tmp_path: Path, changed: dict[str, object], token: str | None
) -> None:
    lay(place, alive())
    edit(tmp_path / "home", **changed)

    assert found() == token


def test_a_token_that_is_bound_to_a_key_is_not_read_even_where_it_was_found_good() -> None:
    login = replace(alive(), token_type="DPoP", proof_key=Secret("x")).write()

    with pytest.raises(ValueError, match="bearer"):
        kept.access_token(login, "default", "/nowhere")
    assert kept.access_token(alive().write(), "default", "/nowhere") == "at-1"


@pytest.mark.parametrize("place", ["kernel"], indirect=True)
def test_a_key_behind_a_passphrase_is_not_looked_for(place: Place, tmp_path: Path) -> None:
    lay(place, alive())
    (tmp_path / "home" / QUICK).unlink()
    write_note(tmp_path / "home", Note("passphrase", place, is_quick=False))
    FileVault(None, Seals(None, None, kernel_for_any)).make_quick("default")

    assert not (tmp_path / "home" / QUICK).exists()


def test_switched_on_again_the_token_is_laid_again(place: Place, tmp_path: Path) -> None:
    lay(place, alive())
    seals = Seals(None, None, places)
    seals.set_quick(is_quick=True)

    assert found() is None
    FileVault(None, seals).make_quick("default")
    assert found() == "at-1"
    assert b"at-1" in (tmp_path / "home" / QUICK).read_bytes()


LOADED = """
import sys
bare = set(sys.modules)
from keyfob.__main__ import main
place, value = sys.argv[2:]
del sys.argv[2:]
if place == "kernel":
    from keyfob.io import kernel_keyring
    kernel_keyring.VAULT_KEY = value.encode()
elif place == "systemd":
    from keyfob.io import systemd_creds
    systemd_creds.RUNS = value
code = main()
print(*sorted(set(sys.modules) - bare), file=sys.stderr)
sys.exit(code)
"""


def run_alone(place: Place) -> subprocess.CompletedProcess[str]:
    """In a process of its own, told of what stands in for this machine's."""
    told = {"kernel": NAME.decode(), "systemd": systemd_creds.RUNS}.get(place, "")
    command = [sys.executable, "-c", LOADED, "token", place, told]
    return subprocess.run(command, capture_output=True, text=True, check=True)


# Of the standard library, what a sealed login needs; and of others, the one binding.
SMALL = {
    "__future__", "_blake2", "_hashlib", "binascii", "copyreg", "hashlib", "hmac", "types", "warnings", "_operator",
    "operator",
}  # fmt: skip
READER = {
    "kernel": {"keyfob.io.kernel_keyring", "ctypes", "ctypes._endian", "_ctypes", "_struct", "struct", "math"},
    "keyring": {"keyfob.io.secret_service", "_socket"},
    "systemd": {"keyfob.io.systemd_creds", "select"},
}
BINDING = {
    "_cffi_backend", "_cffi_backend.lib", "cryptography", "cryptography.__about__", "cryptography.hazmat",
    "cryptography.hazmat.bindings", "cryptography.hazmat.bindings._rust",
}  # fmt: skip
OURS = {"keyfob", "keyfob.__main__", "keyfob.io", "keyfob.io.kept", "keyfob.io.quick"}


def test_nothing_is_loaded_that_the_short_way_does_not_need(place: Place) -> None:
    lay(place, alive())
    ran = run_alone(place)

    assert ran.stdout == "at-1\n"
    loaded = {name for name in ran.stderr.split() if not name.startswith(("_rust", "openssl", "_openssl"))}
    if place == "file":
        assert loaded - {"binascii"} == OURS
    else:
        ours = OURS | {"keyfob.jose", "keyfob.jose.unsealed"}
        assert {name for name in loaded - READER[place] if name.startswith("keyfob")} == ours
        assert loaded - ours - SMALL - BINDING - READER[place] == set()


def test_nothing_but_the_token_is_said_and_nothing_of_it_is_kept_elsewhere(place: Place, tmp_path: Path) -> None:
    lay(place, replace(alive(token="at-hidden"), refresh_token=Secret("rt-hidden")))
    ran = run_alone(place)

    assert ran.stdout == "at-hidden\n"
    assert "hidden" not in ran.stderr
    with_token = {file.name for file in tmp_path.rglob("*") if file.is_file() and b"at-hidden" in file.read_bytes()}
    assert with_token == ({"default.json"} if place == "file" else set())
