"""The vault's key as a credential that only this machine's systemd opens (systemd-creds(1))."""

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
    """A file that systemd has sealed with the machine's own key, or its TPM."""

    def __init__(self, path: Path, program: str | None = None) -> None:
        """Find systemd.

        Args:
            path: Where the credential lies.
            program: The command, instead of the one on the path.

        Raises:
            VaultUnavailable: It does not run here.
        """
        is_here = sys.platform == "linux" and Path(systemd_creds.RUNS).is_dir()
        found = program or (shutil.which(systemd_creds.PROGRAM) if is_here else None)
        if found is None:
            raise VaultUnavailable("systemd does not run here", code="key-absent")
        self._path = path
        self._program = found

    def read(self, *, may_ask: bool) -> bytes | None:
        """The key.

        Raises:
            VaultUnavailable: The file is damaged, or systemd does not open it.
        """
        del may_ask
        box = read_private(self._path)
        if box is None:
            return None
        try:
            return base64.b64decode(self._run("decrypt", box), validate=True)
        except binascii.Error:
            raise VaultUnavailable(f"{self._path} is damaged", code="vault-damaged", hint="Run: keyfob login") from None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        """Have it sealed."""
        del may_ask
        write_private(self._path, self._run("encrypt", base64.b64encode(key)))

    def remove(self) -> None:
        """Forget it."""
        remove(self._path)

    def _run(self, verb: str, content: bytes) -> bytes:
        """Pipe it through systemd-creds; no secret is in the arguments.

        Raises:
            VaultUnavailable: It refuses, or does not answer.
        """
        command = [self._program, *systemd_creds.words(verb)]
        try:
            done = subprocess.run(command, input=content, capture_output=True, timeout=LIMIT_SECONDS, check=False)  # noqa: S603  found on the path, and given no words of others
        except subprocess.TimeoutExpired:
            raise VaultUnavailable("systemd-creds does not answer", code="key-hung") from None
        except OSError as problem:
            reason = os.strerror(problem.errno or 0)
            raise VaultUnavailable(f"systemd-creds cannot be run: {reason}", code="key-absent") from None
        if done.returncode != 0:
            raise VaultUnavailable("systemd-creds does not seal anything for this user", code="key-absent")
        return done.stdout
