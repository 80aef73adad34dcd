"""A session bus of a test's own, GNOME's keyring on it, or a service that is locked or says nothing at all."""

import importlib
import os
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

jeepney: Any = importlib.import_module("jeepney")
blocking: Any = importlib.import_module("jeepney.io.blocking")

SECRETS = "org.freedesktop.secrets"
LOGIN = "/org/freedesktop/secrets/collection/login"
Mood = Literal["locked", "hung", "dismissed", "yielding", "open"]


@contextmanager
def session_bus() -> Generator[str]:
    """The address of a bus that nobody else is on."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("there is no dbus-daemon here")
    command = [daemon, "--session", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as bus:
        try:
            assert bus.stdout is not None
            yield bus.stdout.readline().strip()
        finally:
            bus.terminate()
            bus.wait(10)


@contextmanager
def gnome_keyring(address: str, folder: Path) -> Generator[None]:
    """GNOME's keyring, unlocked, its files in that folder."""
    daemon = shutil.which("gnome-keyring-daemon")
    if daemon is None:
        pytest.skip("there is no gnome-keyring-daemon here")
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    own = {"HOME": folder, "XDG_DATA_HOME": folder / "share", "XDG_RUNTIME_DIR": runtime}
    environment = {**os.environ, **{name: str(path) for name, path in own.items()}, "DBUS_SESSION_BUS_ADDRESS": address}
    environment.pop("DISPLAY", None)
    with blocking.open_dbus_connection(address) as watcher:
        rule = jeepney.MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged")
        rule.add_arg_condition(0, SECRETS)
        blocking.Proxy(jeepney.message_bus, watcher).AddMatch(rule)
        command = [daemon, "--unlock", "--foreground", "--components=secrets"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with watcher.filter(rule) as heard, subprocess.Popen(command, env=environment, **pipes) as keyring:
            try:
                assert keyring.stdin is not None
                keyring.stdin.write(b"the password of the keyring")
                keyring.stdin.close()
                watcher.recv_until_filtered(heard, timeout=30)
                yield
            finally:
                keyring.terminate()
                keyring.wait(10)


def lock_keyring(address: str) -> None:
    """As when the screen is locked."""
    service = jeepney.DBusAddress("/org/freedesktop/secrets", SECRETS, "org.freedesktop.Secret.Service")
    with blocking.open_dbus_connection(address) as connection:
        call = jeepney.new_method_call(service, "Lock", "ao", ([LOGIN],))
        answer = connection.send_and_get_reply(call, timeout=10)
    assert answer.header.message_type is jeepney.MessageType.method_return


class Keeper:
    """A Secret Service in a mood: it is open, says nothing, or is locked and asks a person who says no, or yes.

    Attributes:
        heard: The methods that were called.
    """

    def __init__(self, address: str, mood: Mood) -> None:
        """Take the name on the bus."""
        self.heard: list[str] = []
        self._mood = mood
        self._kept = b""
        self._connection = blocking.open_dbus_connection(address)
        blocking.Proxy(jeepney.message_bus, self._connection).RequestName(SECRETS)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        """Give the name back."""
        self._stopped.set()
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            with suppress(TimeoutError):
                message = self._connection.receive(timeout=0.05)
                if message.header.message_type is jeepney.MessageType.method_call and self._mood != "hung":
                    self._answer(message)

    def _answer(self, message: Any) -> None:
        fields = jeepney.HeaderFields
        method, path = (message.header.fields[name] for name in (fields.member, fields.path))
        self.heard.append(method)
        is_open = self._mood == "open" or (self._mood == "yielding" and "Prompt" in self.heard)
        signature, body = {
            "OpenSession": lambda: ("vo", (("s", ""), "/session")),
            "SearchItems": lambda: ("aoao", (["/item"] if self._kept else [], [])),
            "ReadAlias": lambda: ("o", (LOGIN,)),
            "Unlock": lambda: ("aoo", ([], "/") if is_open else ([], "/prompt")),
            "Prompt": lambda: (None, ()),
            "Delete": lambda: ("o", (self._keep(b""),)),
            "CreateItem": lambda: ("oo", ("/item", self._keep(message.body[1][2]))),
            "GetSecret": lambda: ("(oayays)", (("/session", b"", self._kept, "application/octet-stream"),)),
        }[method]()
        self._connection.send(jeepney.new_method_return(message, signature, body))
        if method == "Prompt":
            emitter = jeepney.DBusAddress(path, interface="org.freedesktop.Secret.Prompt")
            answer = (self._mood != "yielding", ("ao", []))
            self._connection.send(jeepney.new_signal(emitter, "Completed", "bv", answer))

    def _keep(self, content: bytes) -> str:
        self._kept = content
        return "/"


@contextmanager
def keeper(address: str, mood: Mood) -> Generator[Keeper]:
    """One, for as long as it is needed."""
    found = Keeper(address, mood)
    try:
        yield found
    finally:
        found.stop()
