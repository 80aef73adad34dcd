"""Encryption of vault entries: choose the key's storage place, record the choice, and move the key without loss."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.client.io.vault.files import (
    LATER_HINT,
    home,
    make_folder,
    read_private,
    remove,
    set_aside,
    stamp,
    write_private,
)
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.storage_choice import (
    KEY_BYTES,
    PASSPHRASE_VARIABLE,
    PLACES,
    Envelope,
    Note,
    Place,
    Policy,
    order,
    policy_of,
    settle,
)
from keyfob.errors import Code, Malformed, VaultUnavailable
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    from keyfob.client.io.vault import key_places
    from keyfob.jose import sealed
else:  # a plain file needs neither: 25 ms, mostly cryptography
    key_places = LazyModule("keyfob.client.io.vault.key_places")
    sealed = LazyModule("keyfob.jose.sealed")

NOTE: Final = "vault.json"
POLICY_VARIABLE: Final = "KEYFOB_STORE"
# A key in these places belongs to the user and not to one state folder. Other state folders may need the key.
_SHARED: Final = frozenset({"keyring", "kernel", "file"})
_PROBE_BYTES: Final = 16 * 1024  # larger than any login, so that a nearly full disk is noticed early


class Seals:
    """Encrypts and decrypts the vault entries of one state folder. The constructor reads nothing.

    Attributes:
        asks: Whether every command may prompt for a needed passphrase at a terminal; if not, only a login may.
    """

    def __init__(
        self, folder: Path | None = None, policy: Policy | None = None,
        places: Callable[[Place, Path], key_places.KeyPlace] | None = None,
    ) -> None:  # fmt: skip
        """Store the arguments.

        Args:
            folder: The state folder; None for the platform's.
            policy: The storage policy of this command; None for the policy in KEYFOB_STORE. If the stored decision
                contradicts the policy, the next login makes a new decision.
            places: The function that returns the storage place of a name; None for the places of this system.
        """
        self.asks = False
        self._home = folder or home()
        self._policy: Policy | None = policy
        self._open_place = places
        self._keys: dict[Place, bytes] = {}
        self._lock = self._home / f"{NOTE}.lock"

    def _place(self, name: Place) -> key_places.KeyPlace:
        return (self._open_place or key_places.open_place)(name, self._home)

    def note(self) -> Note:
        """Return the stored decision on how logins are stored; an empty `Note` if it is missing or damaged.

        Raises:
            VaultUnavailable: A later version of keyfob has written the decision, or its file cannot be read.
        """
        raw = read_private(self._home / NOTE)
        if raw is None:
            return Note()
        try:
            return Note.read(raw)
        except Malformed as problem:
            if problem.field in {"version", "place"}:
                raise VaultUnavailable(
                    f"{self._home / NOTE} was written by another version of this program", hint=LATER_HINT
                ) from None
            self._set_note_aside(raw)
            return Note()  # the entries show whether they are encrypted, and `_find_key` searches every place

    def _set_note_aside(self, damaged: bytes) -> None:
        with contextlib.suppress(VaultUnavailable):  # on a read-only disk, the file keeps its name
            if read_private(self._home / NOTE) == damaged:  # another process may have been quicker
                set_aside(self._home / NOTE, stamp())

    def prepare(self, rewrite: Callable[[], None]) -> str:
        """Decide, before a login, how logins will be stored, and test that storage. May prompt to unlock the keyring.

        Args:
            rewrite: The function that stores each login again, under the lock of that login. It is called if the
                storage place changes.

        Returns:
            A message for the user on where logins are stored, if that has changed; "" otherwise.

        Raises:
            VaultUnavailable: Logins cannot be stored as requested.
        """
        self._try_disk()
        with locked(self._lock):
            note = self.note()
            if note.place == "file" and not self._contradicts(note.place):
                self.allow_plain()
                return ""
            if note.place is not None and not self._contradicts(note.place):
                self._ensure_key(note.place, may_ask=True)
                return ""
            place, words, _ = self._choose(may_ask=True)
        if place != note.place:
            self.move(place, rewrite)
            return words
        return ""

    def sealer(self, entry: str) -> Callable[[bytes], bytes]:
        """Read the key, and return the function that encrypts a vault entry as the stored decision requires.

        If there is no decision yet, decide without prompting the user.

        Raises:
            VaultUnavailable: The key is not available, or the policy forbids a plain file.
        """
        place = self.note().place or self._decide_quietly()
        if place == "file":
            self.allow_plain()
            return bytes
        master = self._key(place)
        key, key_id = sealed.derive(master, "vault"), sealed.key_id(master)

        def close(plain: bytes) -> bytes:
            nonce = os.urandom(sealed.NONCE_BYTES)
            return Envelope(key_id, sealed.seal(plain, key, nonce=nonce, context=f"vault {entry}")).write()

        return close

    def open(self, entry: str, raw: bytes) -> bytes:
        """Decrypt a vault entry.

        Raises:
            VaultUnavailable: The key is not available, or the entry was encrypted with a different key.
            Malformed: The entry is damaged.
        """
        envelope = Envelope.find(raw)
        if envelope is None:
            return raw
        master = self._find_key(envelope.key_id)
        return sealed.unseal(envelope.ciphertext, sealed.derive(master, "vault"), context=f"vault {entry}")

    def move(self, to: Place, rewrite: Callable[[], None]) -> None:
        """Move the vault's key to a different storage place.

        If the move is interrupted, all entries stay readable, and the next move completes it.

        Args:
            to: The new place; "file" to decrypt all entries.
            rewrite: The function that stores each login again, under the lock of that login.

        Raises:
            VaultUnavailable: The new place does not work; nothing has changed.
        """
        make_folder(self._home)
        with locked(self._home / f"{NOTE}.move.lock"):
            if self.note().before is not None:
                self._finish(rewrite)
            left = self._begin(to)
            self._finish(rewrite)
        if left is not None and left not in {to, *_SHARED}:
            self._place(left).remove()

    def set_quick(self, *, is_quick: bool) -> None:
        """Allow or forbid an access token in the quick file (token cache) from now on."""
        make_folder(self._home)
        with locked(self._lock):
            note = self.note()
            self._remember(Note(note.place, note.before, is_quick))

    def check(self, place: Place) -> tuple[Code | None, str]:
        """Check a storage place of the vault's key, without writing anything and without prompts.

        Return an error code and a message. The code is None if the place works.
        """
        if place == "file":
            return None, "it works"
        try:
            found = self._place(place).read(may_ask=False)
        except VaultUnavailable as problem:
            return problem.code, problem.message
        return (None, "it works") if found is not None else ("key-empty", "it works, but contains no key of the vault")

    def _contradicts(self, place: Place) -> bool:
        """Return whether the stored decision contradicts this command's storage policy."""
        return (self._policy == "file" and place != "file") or (
            self._policy in {"prefer", "require"} and place == "file"
        )

    def _begin(self, to: Place) -> Place | None:
        """Record that the vault's key moves to the storage place `to`.

        From then on, entries are encrypted with the key in the new place, or stored unencrypted if `to` is "file".
        Entries with the key in either place can be read. Return the old place; None if no place was recorded.
        """
        with locked(self._lock):
            note = self.note()
            if note.place is not None and note.place not in {"file", to}:
                self._key(note.place, may_ask=True)  # without the old key nothing could be moved
            if to == "file":
                self.allow_plain()
            else:
                self._ensure_key(to, may_ask=True)
            self._remember(Note(to, None if note.place == to else note.place, note.is_quick))
            return note.place

    def _finish(self, rewrite: Callable[[], None]) -> None:
        # `rewrite` takes the locks of entries, and a writer takes an entry's lock before the note's lock. So this
        # function does not hold the note's lock here.
        rewrite()
        with locked(self._lock):
            note = self.note()
            self._remember(Note(note.place, None, note.is_quick))

    def _decide_quietly(self) -> Place:
        """Return the key's storage place: the recorded place, or else the best place that works without prompts.

        Record the chosen place. But if a better place is locked or does not answer, record nothing, and return "file".
        A later login can then still choose the better place.
        """
        make_folder(self._home)
        with locked(self._lock):
            note = self.note()
            if note.place is not None:
                return note.place
            place, _, passed = self._choose(may_ask=False)
            if not any(problem.code in {"key-locked", "key-hung"} for problem in passed):
                self._remember(Note(place, None, note.is_quick))
                return place
            return "file"

    def _choose(self, *, may_ask: bool) -> tuple[Place, str, list[VaultUnavailable]]:
        """Return the best storage place that works, a message about that place, and the errors of better places."""
        policy = self._asked()
        passed: list[VaultUnavailable] = []
        for place in order(policy, has_passphrase_file=bool(os.environ.get(PASSPHRASE_VARIABLE))):
            try:
                self._ensure_key(place, may_ask=may_ask)
            except VaultUnavailable as problem:
                passed.append(problem)
            else:
                return place, settle(policy, place, passed), passed
        return "file", settle(policy, "file", passed), passed

    def _ensure_key(self, place: Place, *, may_ask: bool) -> None:
        """Cache the key from a storage place. Store a new key if there is none. Raises `VaultUnavailable`."""
        opened = self._place(place)
        found = opened.read(may_ask=may_ask)
        if found is None:
            fresh = os.urandom(KEY_BYTES)
            opened.write(fresh, may_ask=may_ask)
            if opened.read(may_ask=may_ask) != fresh:
                raise VaultUnavailable(f"the {place} does not store the key", code="key-absent")
            found = fresh
        self._keys[place] = found

    def _key(self, place: Place, *, may_ask: bool = False) -> bytes:
        """Return the vault's key from a storage place, and cache it. Raises `VaultUnavailable` if there is no key."""
        may_ask = may_ask or (self.asks and place == "passphrase")
        found = self._keys.get(place) or self._place(place).read(may_ask=may_ask)
        if found is None:
            message = f"the vault's key is missing from its place ({place})"
            raise VaultUnavailable(message, code="key-empty", hint="Log in again.", flags="keyfob login")
        self._keys[place] = found
        return found

    def _find_key(self, key_id: str) -> bytes:
        """Return the vault's key with this id, from its present or previous place. Raises `VaultUnavailable`."""
        note = self.note()
        problem: VaultUnavailable | None = None
        # If the note was lost, every place is searched: the logins must not be lost with it.
        where = PLACES if note.place is None else (note.place, note.before)
        for place in where:
            if place is None or place == "file":
                continue
            try:
                found = self._key(place)
            except VaultUnavailable as raised:
                problem = problem or raised
                continue
            if sealed.key_id(found) == key_id:
                return found
        raise problem or VaultUnavailable(
            "this login was encrypted with a key that no longer exists",
            code="key-empty",
            hint="Log in again.",
            flags="keyfob login",
        )

    def _asked(self) -> Policy:
        if self._policy is not None:
            return self._policy
        return policy_of(os.environ.get(POLICY_VARIABLE) or "prefer")

    @property
    def is_required(self) -> bool:
        """Whether the policy forbids plain files."""
        return (self._policy or os.environ.get(POLICY_VARIABLE)) == "require"

    def allow_plain(self) -> None:
        """Raise `VaultUnavailable` if the policy forbids plain files."""
        if self.is_required:
            message = "tokens would be stored in a plain file, but encryption is required"
            hint = "Log in again, or move the vault's key, for example to the keyring."
            raise VaultUnavailable(message, code="key-absent", hint=hint, flags="keyfob vault move keyring")

    def _try_disk(self) -> None:
        probe = self._home / "vault" / ".probe"
        write_private(probe, b"\0" * _PROBE_BYTES)
        remove(probe)

    def _remember(self, note: Note) -> None:
        write_private(self._home / NOTE, note.write())
