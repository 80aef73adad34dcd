"""Seals the vault's files: finds the key's place, remembers it, moves from one to another and loses nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import home, make_folder, read_private, remove, write_private
from keyfob.client.io.vault.key_passphrase import VARIABLE
from keyfob.client.io.vault.key_place import KEY_BYTES, KeyPlace
from keyfob.client.io.vault.key_places import open_place
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.envelope import Envelope
from keyfob.client.model.storage_choice import PLACES, Note, Place, Policy, order, policy_of, settle
from keyfob.errors import Code, Malformed, VaultUnavailable

NOTE: Final = "vault.json"
POLICY_VARIABLE: Final = "KEYFOB_STORE"
# One key for each user, whatever the home: others may still need it there.
_SHARED: Final = frozenset({"keyring", "kernel", "file"})
_PROBE_BYTES: Final = 16 * 1024  # larger than any login: a disk that is nearly full is noticed now


class Seals:
    """How the files of one home are sealed. Looks at nothing before it is asked."""

    def __init__(
        self, folder: Path | None = None, policy: Policy | None = None,
        places: Callable[[Place, Path], KeyPlace] = open_place,
    ) -> None:  # fmt: skip
        """Know where.

        Args:
            folder: The home; the platform's, if nobody says.
            policy: What was asked for just now; decides anew if it fits what is remembered badly.
            places: Opens the place of a name.
        """
        self._home = folder or home()
        self._policy: Policy | None = policy
        self._places = places
        self._keys: dict[Place, bytes] = {}
        self._lock = self._home / f"{NOTE}.lock"

    def note(self) -> Note:
        """What is remembered; an empty note where nothing is, or where it is unreadable.

        Raises:
            VaultUnavailable: A later keyfob has written it, or it cannot be read.
        """
        raw = read_private(self._home / NOTE)
        if raw is None:
            return Note()
        try:
            return Note.read(raw)
        except Malformed as problem:
            if problem.field in {"version", "place"}:
                raise VaultUnavailable(f"{self._home / NOTE} was written by another version of keyfob") from None
            return Note()  # files say themselves whether they are sealed; the place is found again

    def prepare(self, rewrite: Callable[[], None]) -> str:
        """Decide where tokens will be kept and try it out, before a person is bothered; may have the keyring unlocked.

        Args:
            rewrite: Reads each drawer and keeps it again, under its lock.

        Returns:
            What to say aloud: where they are kept, if that is news; "" otherwise.

        Raises:
            VaultUnavailable: They cannot be kept as was asked.
        """
        self._try_disk()
        with locked(self._lock):
            note = self.note()
            if note.place == "file" and not self._is_anew(note.place):
                self._allow_file()
                return ""
            if note.place is not None and not self._is_anew(note.place):
                self._ensure_key(note.place, may_ask=True)
                return ""
            place, words, _ = self._choose(may_ask=True)
        if place != note.place:
            self.move(place, rewrite)
            return words
        return ""

    def close(self, entry: str, plain: bytes) -> bytes:
        """Seal a drawer's content, as is remembered. Where nothing is yet, decide quietly: nobody is asked anything.

        Raises:
            VaultUnavailable: The key cannot be had.
        """
        place = self.note().place or self._decide_quietly()
        if place == "file":
            self._allow_file()
            return plain
        from keyfob.jose import sealed

        master = self._key(place)
        key = sealed.derive(master, "vault")
        box = sealed.seal(plain, key, nonce=secrets.token_bytes(sealed.NONCE_BYTES), context=f"vault {entry}")
        return Envelope(sealed.key_id(master), box).write()

    def open(self, entry: str, raw: bytes) -> bytes:
        """A drawer's content.

        Raises:
            VaultUnavailable: The key cannot be had, or is another one now.
            Malformed: It is damaged.
        """
        envelope = Envelope.find(raw)
        if envelope is None:
            return raw
        from keyfob.jose import sealed

        master = self._find_key(envelope.key_id)
        return sealed.unseal(envelope.box, sealed.derive(master, "vault"), context=f"vault {entry}")

    def move(self, to: Place, rewrite: Callable[[], None]) -> None:
        """Keep tokens elsewhere from now on. Stopped at any point, all can still be read, and the next move ends it.

        Raises:
            VaultUnavailable: The new place does not work; nothing has changed then.
        """
        make_folder(self._home)
        with locked(self._home / f"{NOTE}.move.lock"):
            if self.note().before is not None:
                self._finish(rewrite)
            left = self._begin(to)
            self._finish(rewrite)
        if left is not None and left not in {to, *_SHARED}:
            self._places(left, self._home).remove()

    def set_quick(self, *, is_quick: bool) -> None:
        """Allow or forbid the quick file from now on."""
        make_folder(self._home)
        with locked(self._lock):
            note = self.note()
            self._remember(Note(note.place, note.before, is_quick))

    def check(self, place: Place) -> tuple[Code | None, str]:
        """How a place answers just now: no code where it works; nothing is written, nobody is asked."""
        if place == "file":
            return None, "it works"
        try:
            found = self._places(place, self._home).read(may_ask=False)
        except VaultUnavailable as problem:
            return problem.code, problem.message
        return (None, "it works") if found is not None else ("key-empty", "it is open, and holds no key of keyfob")

    def _is_anew(self, place: Place) -> bool:
        return (self._policy == "file" and place != "file") or (
            self._policy in {"prefer", "require"} and place == "file"
        )

    def _begin(self, to: Place) -> Place | None:
        """From here on new files are sealed to the new key, and both keys are known to whoever reads."""
        with locked(self._lock):
            note = self.note()
            if note.place is not None and note.place not in {"file", to}:
                self._key(note.place, may_ask=True)  # what cannot be opened now could not be moved
            if to == "file":
                self._allow_file()
            else:
                self._ensure_key(to, may_ask=True)
            self._remember(Note(to, None if note.place == to else note.place, note.is_quick))
            return note.place

    def _finish(self, rewrite: Callable[[], None]) -> None:
        # Without the note's lock: whoever keeps a drawer holds the drawer's lock first and may want the note's.
        rewrite()
        with locked(self._lock):
            note = self.note()
            self._remember(Note(note.place, None, note.is_quick))

    def _decide_quietly(self) -> Place:
        """Decide where nobody can be asked; what is locked or hangs now may do better at the next login."""
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
        """The first place that works, what to say about it, and what the better ones answered."""
        policy = self._asked()
        passed: list[VaultUnavailable] = []
        for place in order(policy, has_passphrase_file=bool(os.environ.get(VARIABLE))):
            try:
                self._ensure_key(place, may_ask=may_ask)
            except VaultUnavailable as problem:
                passed.append(problem)
            else:
                return place, settle(policy, place, passed), passed
        return "file", settle(policy, "file", passed), passed

    def _ensure_key(self, place: Place, *, may_ask: bool) -> None:
        """Read the key there, or write one and see whether it comes back.

        Raises:
            VaultUnavailable: The place cannot be used, or only pretends to keep what it is given.
        """
        opened = self._places(place, self._home)
        found = opened.read(may_ask=may_ask)
        if found is None:
            fresh = secrets.token_bytes(KEY_BYTES)
            opened.write(fresh, may_ask=may_ask)
            if opened.read(may_ask=may_ask) != fresh:
                raise VaultUnavailable(f"the {place} does not keep what it is given", code="key-absent")
            found = fresh
        self._keys[place] = found

    def _key(self, place: Place, *, may_ask: bool = False) -> bytes:
        """The key in a place, read once by this process.

        Raises:
            VaultUnavailable: It is not there, or cannot be had.
        """
        found = self._keys.get(place) or self._places(place, self._home).read(may_ask=may_ask)
        if found is None:
            hint = "Run: keyfob login"
            message = f"the vault's key is not in its place any more ({place})"
            raise VaultUnavailable(message, code="key-empty", hint=hint)
        self._keys[place] = found
        return found

    def _find_key(self, key_id: str) -> bytes:
        """The key of that name, where it lies now or where it lay before.

        Raises:
            VaultUnavailable: It is in neither.
        """
        from keyfob.jose import sealed

        note = self.note()
        problem: VaultUnavailable | None = None
        # A note that was lost is no reason to lose the logins.
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
            "this login was sealed with a key that is not there any more", code="key-empty", hint="Run: keyfob login"
        )

    def _asked(self) -> Policy:
        if self._policy is not None:
            return self._policy
        return policy_of(os.environ.get(POLICY_VARIABLE) or "prefer")

    def _allow_file(self) -> None:
        """Refuse a plain file where something better is required.

        Raises:
            VaultUnavailable: It is.
        """
        if self._asked() == "require":
            hint = "Run: keyfob vault move keyring"
            message = "tokens would be kept in a plain file, and more is required"
            raise VaultUnavailable(message, code="key-absent", hint=hint)

    def _try_disk(self) -> None:
        probe = self._home / "vault" / ".probe"
        write_private(probe, b"\0" * _PROBE_BYTES)
        remove(probe)

    def _remember(self, note: Note) -> None:
        write_private(self._home / NOTE, note.write())
