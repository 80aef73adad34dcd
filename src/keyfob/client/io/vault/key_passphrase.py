"""The vault's key, encrypted with a passphrase that is typed or read from KEYFOB_PASSPHRASE_FILE (RFC 7914)."""

from __future__ import annotations

import base64
import getpass
import json
import os
import secrets
import sys
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import read_private, remove, write_private
from keyfob.client.model.storage_choice import PASSPHRASE_VARIABLE
from keyfob.errors import KeyfobError, Malformed, VaultUnavailable
from keyfob.jose import sealed
from keyfob.protocol.fields import Fields, read_json

_CONTEXT: Final = "key passphrase"
_VERSION: Final = 1
# The passphrases that were typed and right, by key file, so that one command asks once, however many logins it reads.
_typed: dict[Path, bytes] = {}


class Passphrase:
    """A key place: a file with the encrypted key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, *, may_ask: bool) -> bytes | None:
        """Decrypt the key.

        Raises:
            VaultUnavailable: No passphrase is available (`key-locked`), or it is wrong (`passphrase-wrong`).
        """
        raw = read_private(self._path)
        if raw is None:
            return None
        try:
            fields = read_json(raw, "key file")
            salt, ciphertext = (base64.b64decode(fields.text(name)) for name in ("salt", "box"))
            cost = _cost(fields)
        except (KeyfobError, ValueError):
            raise VaultUnavailable(
                f"{self._path} is damaged", code="vault-damaged", hint="Log in again.", flags="keyfob login"
            ) from None
        typed = _typed.get(self._path)
        phrase = typed or _passphrase(may_ask=may_ask, is_new=False)
        try:
            key = sealed.unseal(ciphertext, sealed.stretch(phrase, salt, cost), context=_CONTEXT)
            if not os.environ.get(PASSPHRASE_VARIABLE):
                _typed[self._path] = phrase
            return key
        except Malformed:
            _typed.pop(self._path, None)
            hint = f"Check the file that {PASSPHRASE_VARIABLE} names."
            raise VaultUnavailable("the passphrase is wrong", code="passphrase-wrong", hint=hint) from None

    def write(self, key: bytes, *, may_ask: bool) -> None:
        phrase = _passphrase(may_ask=may_ask, is_new=True)
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(sealed.NONCE_BYTES)
        ciphertext = sealed.seal(key, sealed.stretch(phrase, salt), nonce=nonce, context=_CONTEXT)
        members = {"version": _VERSION, "cost": sealed.STRETCH_COST} | {
            name: base64.b64encode(value).decode("ascii") for name, value in (("salt", salt), ("box", ciphertext))
        }
        write_private(self._path, json.dumps(members).encode())

    def remove(self) -> None:
        remove(self._path)


def _cost(fields: Fields) -> int:
    """Return the cost parameter, or raise `Malformed` if it is outside of the supported range."""
    found = fields.values.get("cost")
    if not isinstance(found, int) or isinstance(found, bool) or not 10 <= found <= 20:
        raise Malformed("key file: cost is out of range", field="cost")
    return found


def _passphrase(*, may_ask: bool, is_new: bool) -> bytes:
    """Read the passphrase from its file, or prompt for it; raise `VaultUnavailable` if neither is possible."""
    named = os.environ.get(PASSPHRASE_VARIABLE)
    if named:
        try:
            phrase = Path(named).expanduser().read_bytes().rstrip(b"\r\n")
        except OSError as problem:
            reason = os.strerror(problem.errno or 0)
            message = f"the file that {PASSPHRASE_VARIABLE} names cannot be read: {reason}"
            raise VaultUnavailable(message, code="key-locked") from None
    elif may_ask and sys.stdin.isatty():
        phrase = getpass.getpass("Passphrase for the stored logins: ").encode()
        if is_new and getpass.getpass("Repeat it: ").encode() != phrase:
            raise VaultUnavailable("the two passphrases differ", code="passphrase-wrong", hint="Try again.")
    else:
        hint = f"Set {PASSPHRASE_VARIABLE} to a file that contains it."
        raise VaultUnavailable("the vault is encrypted with a passphrase", code="key-locked", hint=hint)
    if not phrase:
        raise VaultUnavailable("the passphrase is empty", code="passphrase-wrong", hint="Use at least one character.")
    return phrase
