"""The choice of how logins are stored: in plain files, or encrypted with a key in one of several places."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeGuard, get_args

from keyfob.errors import Malformed, Misuse, VaultUnavailable
from keyfob.protocol.fields import Fields, read_json

Place = Literal["keyring", "systemd", "kernel", "passphrase", "file"]
Policy = Literal["require", "prefer", "file"]
PLACES: Final[tuple[Place, ...]] = get_args(Place)
POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)
VERSION: Final = 1
ENVELOPE_VERSION: Final = 2
_MARK: Final = b'"sealed"'
KEY_BYTES: Final = 32
PASSPHRASE_VARIABLE: Final = "KEYFOB_PASSPHRASE_FILE"
WORDS: Final[dict[Place, str]] = {
    "keyring": "encrypted, with a key in the system's keyring",
    "systemd": "encrypted, with a key that systemd protects",
    "kernel": "encrypted, with a key in the kernel, which is lost at a restart and some days after you log out",
    "passphrase": "encrypted with a passphrase",
    "file": "in a plain file that only you can read",
}


@dataclass(frozen=True, slots=True)
class Note:
    """The decision on how the logins in one state folder are stored.

    Attributes:
        place: Where the encryption key is stored; "file" if logins are not encrypted; None before the decision.
        before: The key's previous place, while the key is being moved; else None.
        is_quick: Whether the quick file (token cache) may contain a valid access token.
    """

    place: Place | None = None
    before: Place | None = None
    is_quick: bool = True

    def write(self) -> bytes:
        members = {"version": VERSION, "place": self.place, "before": self.before, "quick": self.is_quick}
        return json.dumps(members).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse the file that contains the decision.

        Raises:
            Malformed: The file is damaged, or was written by another version.
        """
        fields = read_json(raw, "vault's note")
        fields.check_version((VERSION,))
        return cls(_place(fields, "place"), _place(fields, "before"), fields.values.get("quick") is not False)


def is_place(name: str) -> TypeGuard[Place]:
    return name in PLACES


def _is_policy(name: str) -> TypeGuard[Policy]:
    return name in POLICIES


def policy_of(name: str) -> Policy:
    """Return the storage policy of that name; raise `Misuse` if there is none."""
    if _is_policy(name):
        return name
    raise Misuse("there is no such storage mode", hint="Use require, prefer or file.")


def order(policy: Policy, *, has_passphrase_file: bool) -> tuple[Place, ...]:
    """Return the storage places to try for a new key, the best first; () if the policy is "file".

    The place "passphrase" is among them only if there is a passphrase file.
    """
    if policy == "file":
        return ()
    headless: tuple[Place, ...] = ("systemd", "kernel")
    return ("keyring", "passphrase", *headless) if has_passphrase_file else ("keyring", *headless)


def settle(policy: Policy, place: Place, passed: Sequence[VaultUnavailable]) -> str:
    """Return a message on where tokens will be stored and why no better place works; "" if no message is needed.

    Args:
        policy: The requested policy.
        place: The best place that works.
        passed: The errors of the better places, which do not work.

    Raises:
        VaultUnavailable: Only a plain file is left, and the policy forbids it.
    """
    reasons = "; ".join(problem.message for problem in passed)
    if place == "file" and policy == "require":
        code = passed[0].code if passed else "key-absent"
        hint = "Fix that, set KEYFOB_PASSPHRASE_FILE to a file, or allow a plain file."
        message = f"there is no place for the vault's key ({reasons or 'none was tried'})"
        raise VaultUnavailable(message, code=code, hint=hint, flags="--store prefer")
    if place == "keyring" or policy == "file":
        return ""  # the best place, or exactly the requested one
    return f"tokens are stored {WORDS[place]}" + (f" ({reasons})" if reasons else "")


def _place(fields: Fields, member: str) -> Place | None:
    """Return the storage place that a JSON member names; None if the member is absent."""
    name = fields.optional_text(member)
    if name is not None and not is_place(name):
        raise Malformed("vault's note: names a place that this version does not support", field="place")
    return name


@dataclass(frozen=True, slots=True)
class Envelope:
    """An encrypted entry of the vault.

    Attributes:
        key_id: Identifies the key without revealing it, so that a wrong key is not reported as a damaged entry.
        ciphertext: The output of `jose.sealed.seal`.
    """

    key_id: str
    ciphertext: bytes

    def write(self) -> bytes:
        sealed = base64.b64encode(self.ciphertext).decode("ascii")
        return json.dumps({"version": ENVELOPE_VERSION, "key": self.key_id, "sealed": sealed}).encode()

    @classmethod
    def find(cls, raw: bytes) -> Self | None:
        """Return the envelope in a vault file's content; None if the content is not encrypted.

        Raises:
            Malformed: The file is damaged, or was written by another version.
        """
        if _MARK not in raw:
            return None
        fields = read_json(raw, "vault")
        if not fields.has("sealed"):
            return None
        fields.check_version((ENVELOPE_VERSION,))
        try:
            return cls(fields.text("key"), base64.b64decode(fields.text("sealed"), validate=True))
        except (binascii.Error, ValueError):
            raise Malformed("vault: sealed is not base64", field="sealed") from None
