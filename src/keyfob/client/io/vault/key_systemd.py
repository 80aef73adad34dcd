"""The vault's key as a credential that only this machine's systemd can decrypt (systemd-creds(1))."""

from __future__ import annotations

import base64
import binascii
import os
import shutil
import subprocess
import sys
from pathlib import Path

from keyfob.client.io.vault.bounded import LIMIT_SECONDS
from keyfob.client.io.vault.files import read_private, remove, write_private
from keyfob.errors import VaultUnavailable
from keyfob.io import systemd_creds


class SystemdCredential:
    """A file that systemd encrypts with the machine's own key or its TPM."""

    def __init__(self, path: Path, command: str | None = None) -> None:
        """Find systemd.

        Args:
            path: The credential's file.
            command: The path of systemd-creds, instead of the one on PATH.

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
        """Pipe content through systemd-creds; the arguments hold no secret."""
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
