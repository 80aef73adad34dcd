"""The keys of an issuer: fetched once for everybody, kept, and fetched again with restraint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyfob.errors import KeyfobError, Unreachable
from keyfob.jose.keys import KeySet
from keyfob.protocol.fields import read_json
from keyfob.resource.io.fetch import Sender, find_keys_address, get
from keyfob.resource.io.shared_call import Flight
from keyfob.resource.refetch import HeldKeys, is_due, life_of, may_seek

_OUR_LOG: Final = "keyfob.guard"


def steady_clock() -> timedelta:
    """Time that only goes forward."""
    return timedelta(0, time.monotonic())


class IssuerKeys:
    """Thread-safe. All who need a fetch at the same time share one."""

    def __init__(
        self, issuer: str, send: Sender, steady: Callable[[], timedelta] = steady_clock, jwks_uri: str | None = None
    ) -> None:
        """Know whom to ask, and how; ask nothing yet.

        Args:
            issuer: Whose keys.
            send: Who asks.
            steady: A clock that only goes forward.
            jwks_uri: Where they lie; None asks the issuer's metadata.
        """
        self._issuer = issuer
        self._send = send
        self._steady = steady
        self._lock = threading.Lock()
        self._held = HeldKeys()
        self._flight: Flight | None = None
        self._jwks_uri = jwks_uri
        self._found_uri: str | None = None
        self._body = b""

    def current(self) -> KeySet | None:
        """What may be used without asking anybody; None when a fetch is due and nobody is at it."""
        held, now = self._held, self._steady()
        if now < held.fresh_until:  # as a rule
            return held.keys
        if not held.is_usable(now):
            return None
        return held.keys if self._flight is not None or not is_due(held, now) else None

    def usable(self) -> KeySet:
        """What is held, as long as it may be used at all.

        Raises:
            Unreachable: There is nothing.
        """
        held = self._held
        if not held.is_usable(self._steady()):
            raise Unreachable("the issuer's keys cannot be fetched")
        return held.keys

    def refresh(self) -> Flight | None:
        """A fetch to wait for, since the keys have aged or never came; None when it is not the time for one."""
        with self._lock:
            if self._flight is None and is_due(self._held, self._steady()):
                self._flight = Flight(lambda: self._fetch(None))
            return self._flight

    def seek(self, key_id: str | None, seen: KeySet) -> Flight | None:
        """A fetch to wait for, for a key that was not found; None when asking again would be of no use yet.

        Args:
            key_id: Which one; None where the token names none.
            seen: Where it was not found. When other keys have come since, there is no need to ask.
        """
        with self._lock:
            if self._flight is None and self._held.keys is seen and may_seek(self._held, key_id, self._steady()):
                self._flight = Flight(lambda: self._fetch((key_id,)))
            return self._flight

    def has_answered(self) -> bool:
        """Whether the last question was answered: else nobody knows whether a key that is not held exists."""
        return self._held.is_answered

    def _fetch(self, sought: tuple[str | None] | None) -> None:
        found = None
        try:
            found = self._ask()
        finally:
            now = self._steady()
            with self._lock:
                self._flight = None
                self._held = replace(self._held, tried_at=now) if found is None else _without(found, sought, now)

    def _ask(self) -> HeldKeys | None:
        """The keys as they are now, or None."""
        before = self._held
        try:
            response = get(self._jwks_uri or self._found_uri or self._find_keys(), self._send)
            # Equal bytes are the same keys: nothing is parsed again, and what hangs on them stays.
            same = before.fetched_at is not None and response.body == self._body
            keys = before.keys if same else KeySet.read(read_json(response.body, "key set"))
        except KeyfobError as problem:
            import logging  # 3 ms, and as a rule nothing is amiss

            logging.getLogger(_OUR_LOG).warning("keys of the issuer not fetched: %s", problem.message)
            self._found_uri = None  # they may have moved
            return None
        self._body = response.body
        now = self._steady()
        life = life_of(response.header("cache-control"), response.header("age"))
        return HeldKeys(keys, now, now, life, before.missing)

    def _find_keys(self) -> str:
        self._found_uri = find_keys_address(self._issuer, self._send)
        return self._found_uri


def _without(held: HeldKeys, sought: tuple[str | None] | None, now: timedelta) -> HeldKeys:
    """Remember that what was sought is not there."""
    if sought is None or any(key.key_id == sought[0] for key in held.keys.keys):
        return held
    return held.without(sought[0], now)
