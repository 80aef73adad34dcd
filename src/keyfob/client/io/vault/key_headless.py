"""The vault's key on machines without a desktop: a systemd credential (systemd-creds(1)) or kernel keyrings."""

from __future__ import annotations

import base64
import binascii
import ctypes
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import read_private, remove, write_private
from keyfob.client.io.vault.key_keyring import LIMIT_SECONDS
from keyfob.client.model.storage_choice import KEY_BYTES
from keyfob.errors import VaultUnavailable
from keyfob.io import systemd_creds
from keyfob.io.kernel_keyring import USER_KEYRING, VAULT_KEY, KeyringSyscalls

_SETPERM, _LINK, _UNLINK = 5, 8, 9
# The possessor may do everything; this user's other sessions may view, read, search and unlink the key.
_MODE: Final = 0x3F3F0000
_LOST: Final = frozenset({errno.ENOKEY, errno.EKEYEXPIRED, errno.EKEYREVOKED})


class SystemdCredential:
    """The vault's key in a file that systemd encrypts with the machine's key or TPM (a `KeyPlace`)."""

    def __init__(self, path: Path, command: str | None = None) -> None:
        """Find the command systemd-creds.

        Args:
            path: The credential's file.
            command: The path of systemd-creds; None to search PATH.

        Raises:
            VaultUnavailable: systemd does not run here.
        """
        is_here = sys.platform == "linux" and Path(systemd_creds.RUNS).is_dir()
        found = command or (shutil.which(systemd_creds.PROGRAM) if is_here else None)
        if found is None:
            raise VaultUnavailable("systemd is not running here", code="key-absent")
        self._path = path
        self._command = found

    def read(self, *, may_ask: bool) -> bytes | None:
        del may_ask
        credential = read_private(self._path)
        if credential is None:
            return None
        try:
            return base64.b64decode(self._run("decrypt", credential), validate=True)
        except binascii.Error:
            raise VaultUnavailable(
                f"{self._path} is damaged", code="vault-damaged", hint="Log in again.", flags="keyfob login"
            ) from None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        del may_ask
        write_private(self._path, self._run("encrypt", base64.b64encode(key)))

    def remove(self) -> None:
        remove(self._path)

    def _run(self, verb: str, content: bytes) -> bytes:
        """Encrypt or decrypt content with systemd-creds, by pipes, so that the command line contains no secret."""
        command = [self._command, *systemd_creds.words(verb)]
        try:
            done = subprocess.run(command, input=content, capture_output=True, timeout=LIMIT_SECONDS, check=False)  # noqa: S603  found on PATH, with fixed arguments
        except subprocess.TimeoutExpired:
            raise VaultUnavailable("systemd-creds does not respond", code="key-hung") from None
        except OSError as problem:
            reason = os.strerror(problem.errno or 0)
            raise VaultUnavailable(f"systemd-creds cannot be started: {reason}", code="key-absent") from None
        if done.returncode != 0:
            raise VaultUnavailable("systemd-creds does not encrypt for this user", code="key-absent")
        return done.stdout


class KernelKeyring:
    """The vault's key as a kernel key of type `user`, linked to each of the user's kernel keyrings (a `KeyPlace`)."""

    def __init__(self, name: bytes = VAULT_KEY) -> None:
        """Find the system calls for kernel keyrings.

        Raises:
            VaultUnavailable: This machine has no kernel keyring that keyfob supports.
        """
        try:
            self._calls = KeyringSyscalls()
        except OSError:
            raise VaultUnavailable("this system has no kernel keyring", code="key-absent") from None
        self._name = name

    def read(self, *, may_ask: bool) -> bytes | None:
        del may_ask
        found = self._find()
        if found is None:
            return None
        key = self._calls.read(found, KEY_BYTES)
        if key is None:
            raise _failure()
        self._link(found)  # the other keyring may be newer than the key, or may have expired before it
        return key or None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        del may_ask
        call, keyctl = self._calls.call, self._calls.keyctl
        size, keyring = ctypes.c_size_t(len(key)), ctypes.c_long(USER_KEYRING)
        made = call(self._calls.add_key, ctypes.c_char_p(b"user"), ctypes.c_char_p(self._name), key, size, keyring)
        if made < 0 or call(keyctl, _SETPERM, ctypes.c_long(made), ctypes.c_long(_MODE)) < 0:
            raise _failure()
        self._link(made)

    def remove(self) -> None:
        keyrings = self._calls.keyrings()
        for _ in keyrings:  # each may hold a different key of that name
            found = self._find()
            if found is None:
                return
            for keyring in keyrings:
                self._calls.call(self._calls.keyctl, _UNLINK, ctypes.c_long(found), ctypes.c_long(keyring))

    def _link(self, key: int) -> None:
        for keyring in self._calls.keyrings():
            self._calls.call(self._calls.keyctl, _LINK, ctypes.c_long(key), ctypes.c_long(keyring))

    def _find(self) -> int | None:
        found = self._calls.find(self._name)
        if found < 0 and ctypes.get_errno() not in _LOST:
            raise _failure()
        return found if found >= 0 else None


def _failure() -> VaultUnavailable:
    reason = os.strerror(ctypes.get_errno())
    return VaultUnavailable(f"the kernel keyring cannot be used: {reason}", code="key-absent")
