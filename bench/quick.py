"""Measure `keyfob token` with a valid stored token, as a process, compared with bare Python and other commands."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.stored_login import StoredLogin
from keyfob.login import App
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.run import run

ROUNDS = 41
BARE = "python -c pass"
# Commands of other programs that print a stored token without the network. KEYFOB_BENCH_GH etc. are their paths.
PEERS = {
    "gh auth token": (["gh", "auth", "token"], {"GH_TOKEN": "gho_bench"}),
    "hf auth token": (["hf", "auth", "token"], {"HF_TOKEN": "hf_bench"}),
    "aws configure get aws_session_token": (["aws", "configure", "get", "aws_session_token"], {}),
}
AWS = "[default]\naws_access_key_id = a\naws_secret_access_key = b\naws_session_token = c\n"


def main() -> None:
    """Print the median time of each command, and its ratio to bare Python."""
    # An installer compiles bytecode. `make` does not, and the first start may not have the permission to write it.
    package = Path(sys.modules["keyfob"].__file__ or "").parent
    subprocess.run([sys.executable, "-m", "compileall", "-q", package], check=True)
    keyfob = shutil.which("keyfob", path=str(Path(sys.executable).parent)) or "keyfob"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYFOB_")}
    with tempfile.TemporaryDirectory() as folder, _gnome_keyring(Path(folder)) as bus:
        plain = _login(Path(folder, "plain"), clean, keyfob)
        off = _login(Path(folder, "off"), clean, keyfob, ["move", "file"], ["quick", "off"])
        kernel = _login(Path(folder, "kernel"), clean, keyfob, ["move", "kernel"], ["quick", "off"])
        keyring = _login(Path(folder, "keyring"), {**clean, **bus}, keyfob, ["move", "keyring"], ["quick", "off"])
        systemd = _login(Path(folder, "systemd"), clean, keyfob, ["move", "systemd"], ["quick", "off"])
        Path(folder, "phrase").write_text("correct horse battery staple", encoding="utf-8")
        phrase = {**clean, "KEYFOB_PASSPHRASE_FILE": str(Path(folder, "phrase"))}
        passphrase = _login(Path(folder, "passphrase"), phrase, keyfob, ["move", "passphrase"], ["quick", "off"])
        things = {
            BARE: ([sys.executable, "-c", "pass"], clean),
            "keyfob token, quick file": ([keyfob, "token"], plain),
        }
        for name, environment in (
            ("plain", off), ("key in the kernel", kernel), ("key in GNOME's keyring", keyring),
            ("key with systemd", systemd), ("passphrase", passphrase),
        ):  # fmt: skip
            if environment:
                things[f"keyfob token, quick off, {name}"] = ([keyfob, "token"], environment)
            else:
                print(f"  {name} is not to be had here")
        things["keyfob token, ordinary"] = ([keyfob, "token"], {**plain, "KEYFOB_SCOPE": "read:orders"})
        Path(folder, "aws").write_text(AWS, encoding="utf-8")
        clean |= {"AWS_SHARED_CREDENTIALS_FILE": str(Path(folder, "aws"))}
        for name, (words, more) in PEERS.items():
            found = _find(words[0])
            if found is None:
                print(f"  {name} is not installed here")
            else:
                things[name] = ([found, *words[1:]], {**clean, **more, "HOME": folder})
        taken = _side_by_side(things)
    for name, seconds in taken.items():
        print(f"  {name:<50} {seconds * 1000:>8.1f} ms   {seconds / taken[BARE]:>6.2f} × {BARE}")


@contextmanager
def _gnome_keyring(folder: Path) -> Iterator[dict[str, str]]:
    """Start a GNOME keyring on its own bus. Yield the environment variables for it, or {} if it is not installed."""
    found = [shutil.which(name) for name in ("dbus-daemon", "gnome-keyring-daemon")]
    if None in found:
        yield {}
        return
    bus_words = [found[0] or "", "--session", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(bus_words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as bus:
        address = bus.stdout.readline().strip() if bus.stdout else ""
        own = {"DBUS_SESSION_BUS_ADDRESS": address, "XDG_DATA_HOME": str(folder / "share"), "HOME": str(folder)}
        words = [found[1] or "", "--unlock", "--foreground", "--components=secrets"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(words, stdin=subprocess.PIPE, env={**os.environ, **own}, **quiet) as keyring:
            if keyring.stdin:
                keyring.stdin.write(b"bench")
                keyring.stdin.close()
            time.sleep(2)  # it does not report when it is ready
            try:
                yield {"DBUS_SESSION_BUS_ADDRESS": address}
            finally:
                keyring.terminate()
                bus.terminate()


def _find(program: str) -> str | None:
    return os.environ.get(f"KEYFOB_BENCH_{program.upper()}") or shutil.which(program)


def _login(home: Path, clean: Mapping[str, str], keyfob: str, *vault: list[str]) -> dict[str, str]:
    """Store a login. Return the environment variables that select it, or {} if this machine lacks the kind of vault."""
    store_login(home)
    found = {**clean, "KEYFOB_HOME": str(home)}
    for words in vault:
        if subprocess.run([keyfob, "vault", *words], env=found, check=False, capture_output=True).returncode:
            return {}
    subprocess.run([keyfob, "token"], env=found, check=True, capture_output=True)
    return found


def store_login(home: Path) -> None:
    """Store a login whose token is valid, and its settings."""
    profile = App(issuer="https://login.example/", client_id="cli", profile="default").profile
    now = datetime.now(UTC)
    stored = StoredLogin(
        issuer=profile.issuer, client_id=profile.client_id, audience=None, token_endpoint="https://login.example/token",
        revocation_endpoint=None, access_token=Secret("a" * 900), expires_at=now + timedelta(days=1),
        scope=Scope.of(profile.scope.names), obtained_at=now, refresh_token=Secret("r" * 64),
    )  # fmt: skip
    run(FileVault(home).save(profile.name, replace(stored, generation=1)))
    ProfileFiles(home).save(profile)


def _side_by_side(things: Mapping[str, tuple[list[str], Mapping[str, str]]]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(ROUNDS):
        for name, (words, environment) in things.items():
            start = time.perf_counter()
            subprocess.run(words, env=environment, capture_output=True, check=True)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in taken.items()}
