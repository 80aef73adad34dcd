"""Argon2id off the event loop; concurrent hashes are limited, since they use memory (NIST SP 800-63B-4 §3.1.1.2)."""

from __future__ import annotations

import asyncio

import argon2

from keyfob.protocol.secret import Secret

_AT_ONCE = 2


class Argon2Passwords:
    """Hash with argon2-cffi's recommended profile (RFC 9106, low memory: 64 MiB, 3 passes, 4 lanes)."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._limit = asyncio.Semaphore(_AT_ONCE)
        # The password of an unknown user is compared with this, which takes the same time.
        self._dummy_hash = self._hasher.hash("nobody has this password")

    async def hash(self, password: Secret) -> str:
        async with self._limit:
            return await asyncio.to_thread(self._hasher.hash, password.reveal())

    async def verify(self, password: Secret, hashed: str | None) -> bool:
        async with self._limit:
            fits = await asyncio.to_thread(self._verify, password.reveal(), hashed or self._dummy_hash)
        return fits and hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
