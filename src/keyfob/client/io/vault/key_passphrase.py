"""The vault's key, encrypted under a passphrase by means of scrypt (RFC 7914).

The user types the passphrase, or it is read from the file that KEYFOB_PASSPHRASE_FILE names.
"""

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
# The correct passphrases that the user has typed, by key file, so that a command prompts once for all its logins.
_typed: dict[Path, bytes] = {}


class Passphrase:
    """A file with the vault's key, encrypted with a passphrase (a `KeyPlace`)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, *, may_ask: bool) -> bytes | None:
        """Return the decrypted key; None if there is no file.

        Raises:
            VaultUnavailable: No passphrase is available (`key-locked`), the passphrase is wrong (`passphrase-wrong`),
                or the file is damaged (`vault-damaged`).
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
    """Return scrypt's cost as an exponent of 2; raise `Malformed` if the cost is not from 10 to 20."""
    found = fields.values.get("cost")
    if not isinstance(found, int) or isinstance(found, bool) or not 10 <= found <= 20:
        raise Malformed("key file: cost is out of range", field="cost")
    return found


def _passphrase(*, may_ask: bool, is_new: bool) -> bytes:
    """Read the passphrase from its file, or prompt for it. Raise `VaultUnavailable` if neither is possible.

    Args:
        may_ask: Whether to prompt the user if there is no passphrase file.
        is_new: Whether the user must type the passphrase twice.
    """
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
