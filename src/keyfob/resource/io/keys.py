"""Fetch and cache the keys of an issuer. Concurrent callers share one fetch, and the rate of fetches is limited."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import KeyfobError, Unreachable
from keyfob.jose.keys import KeySet
from keyfob.lazy import LazyModule
from keyfob.protocol.fields import read_json
from keyfob.resource.ports import Sender
from keyfob.resource.refetch import CachedKeys, is_due, life_of, may_seek

if TYPE_CHECKING:
    import logging

    from keyfob.resource.io import fetch
else:  # needed once keys are fetched: 10 ms
    logging = LazyModule("logging")
    fetch = LazyModule("keyfob.resource.io.fetch")

_OUR_LOG: Final = "keyfob.guard"


class IssuerKeys:
    """A `KeySource` that is thread-safe."""

    def __init__(
        self, issuer: str, send: Sender, steady: Callable[[], float] = time.monotonic, jwks_uri: str | None = None
    ) -> None:
        """Configure the source; nothing is fetched yet.

        Args:
            issuer: The issuer, exactly as in its metadata.
            send: The function that sends HTTP requests.
            steady: A monotonic clock, in seconds.
            jwks_uri: The URL of the keys; None means the `jwks_uri` in the issuer's metadata.
        """
        self._issuer = issuer
        self._send = send
        self._seconds = steady
        self._lock = threading.Lock()
        self._cached = CachedKeys()
        self._fetching: fetch.SharedCall[None] | None = None
        self._jwks_uri = jwks_uri
        self._found_uri: str | None = None
        self._body = b""

    def current(self) -> KeySet | None:
        cached = self._cached
        if self._seconds() < cached.fresh_until:  # as a rule; without a timedelta, which would take four times as long
            return cached.keys
        now = self._steady()
        if not cached.is_usable(now):
            return None
        return cached.keys if self._fetching is not None or not is_due(cached, now) else None

    def usable(self) -> KeySet:
        cached = self._cached
        if not cached.is_usable(self._steady()):
            raise Unreachable("the issuer's keys cannot be fetched")
        return cached.keys

    def refresh(self) -> fetch.SharedCall[None] | None:
        with self._lock:
            if self._fetching is None and is_due(self._cached, self._steady()):
                self._fetching = fetch.SharedCall(lambda: self._fetch(None))
            return self._fetching

    def seek(self, key_id: str | None, seen: KeySet) -> fetch.SharedCall[None] | None:
        with self._lock:
            if self._fetching is None and self._cached.keys is seen and may_seek(self._cached, key_id, self._steady()):
                self._fetching = fetch.SharedCall(lambda: self._fetch((key_id,)))
            return self._fetching

    def has_answered(self) -> bool:
        return self._cached.is_answered

    def _steady(self) -> timedelta:
        return timedelta(seconds=self._seconds())

    def _fetch(self, sought: tuple[str | None] | None) -> None:
        found = None
        try:
            found = self._ask()
        finally:
            now = self._steady()
            with self._lock:
                self._fetching = None
                self._cached = replace(self._cached, tried_at=now) if found is None else _without(found, sought, now)

    def _ask(self) -> CachedKeys | None:
        """Return the issuer's keys, or None if they cannot be fetched."""
        before = self._cached
        try:
            response = fetch.get(self._jwks_uri or self._found_uri or self._find_uri(), self._send)
            # Equal bytes are the same keys: they are not parsed again, and remembered tokens stay valid.
            same = before.fetched_at is not None and response.body == self._body
            keys = before.keys if same else KeySet.read(read_json(response.body, "key set"))
        except KeyfobError as problem:
            logging.getLogger(_OUR_LOG).warning("keys of the issuer not fetched: %s", problem.message)
            self._found_uri = None  # the URL of the keys may have changed
            return None
        self._body = response.body
        now = self._steady()
        life = life_of(response.header("cache-control"), response.header("age"))
        return CachedKeys(keys, now, now, life, before.missing)

    def _find_uri(self) -> str:
        self._found_uri = fetch.find_jwks_uri(self._issuer, self._send)
        return self._found_uri


def _without(cached: CachedKeys, sought: tuple[str | None] | None, now: timedelta) -> CachedKeys:
    """Return the cached keys. If the sought key is not among them, record that the issuer does not have it.

    `sought` is a tuple with the sought key ID, or None if the keys were fetched for another reason.
    """
    if sought is None or any(key.key_id == sought[0] for key in cached.keys.keys):
        return cached
    return cached.without(sought[0], now)
