"""The keys of an issuer: fetched once for everybody, kept, and fetched again with restraint."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from keyfob.errors import KeyfobError, Malformed, Unreachable
from keyfob.jose.keys import KeySet
from keyfob.protocol.address import is_safe
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import JSON, Request, Response
from keyfob.protocol.metadata import ServerMetadata, well_known
from keyfob.resource.refetch import HeldKeys, life_of, should_refetch

Sender = Callable[[Request], Response]

_LOG: Final = logging.getLogger("keyfob.guard")
_OK: Final = 200


def steady_clock() -> timedelta:
    """Time that only goes forward."""
    return timedelta(seconds=time.monotonic())


class IssuerKeys:
    """Thread-safe. Threads that need a fetch at the same time share one."""

    def __init__(self, issuer: str, send: Sender, steady: Callable[[], timedelta] = steady_clock) -> None:
        """Know whom to ask, and how; ask nothing yet."""
        self._issuer = issuer
        self._send = send
        self._steady = steady
        self._lock = threading.Lock()
        self._held = HeldKeys()
        self._jwks_uri: str | None = None

    def current(self) -> KeySet | None:
        """What may be used without asking anybody; None when a fetch is due."""
        held, now = self._held, self._steady()
        return held.keys if held.is_usable(now) and not should_refetch(held, now, key_missing=False) else None

    def ask(self, *, key_missing: bool = False) -> KeySet:
        """The keys, fetched if `refetch` allows it. Blocks; at most one fetch is under way.

        Raises:
            Unreachable: No keys are held that may still be used.
        """
        before = self._held
        with self._lock:
            now = self._steady()
            if self._held is before and should_refetch(self._held, now, key_missing=key_missing):
                self._fetch(now)
            if not self._held.is_usable(now):
                raise Unreachable("the issuer's keys cannot be fetched")
            return self._held.keys

    def _fetch(self, now: timedelta) -> None:
        try:
            response = self._get(self._jwks_uri or self._find_keys())
            keys = KeySet.read(read_json(response.body, "key set"))
        except KeyfobError as problem:
            _LOG.warning("keys of the issuer not fetched: %s", problem.message)
            self._held = replace(self._held, tried_at=now)
            return
        self._held = HeldKeys(keys, now, now, life_of(response.header("cache-control")))

    def _find_keys(self) -> str:
        for address in well_known(self._issuer):
            try:
                document = read_json(self._get(address).body, "metadata")
            except Malformed:
                continue
            metadata = ServerMetadata.read(document, issuer=self._issuer)
            if metadata.jwks_uri is not None and is_safe(metadata.jwks_uri):
                self._jwks_uri = metadata.jwks_uri
                return metadata.jwks_uri
        raise Malformed(
            "the issuer's metadata names no safe address for its keys", field="jwks_uri", code="metadata-missing"
        )

    def _get(self, address: str) -> Response:
        response = self._send(Request("GET", address, (("accept", JSON),)))
        if response.status != _OK:
            raise Malformed("the issuer did not answer with its keys or metadata", code="metadata-missing")
        return response
