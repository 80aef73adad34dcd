"""Keyed hashes, and refresh tokens that contain a MAC. Callers pass the keys and the random bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from keyfob.light import light_dataclass
from keyfob.protocol.base64url import base64url
from keyfob.protocol.secret import Secret

PREFIX: Final = "v1.M"  # Auth0's refresh tokens begin with this too
ID_BYTES: Final = 16
SECRET_BYTES: Final = 20
_MAC_BYTES: Final = 16
_PROOF_BYTES: Final = 12
_BODY: Final = struct.Struct(f">{ID_BYTES}sI{SECRET_BYTES}s")


@dataclass(frozen=True, slots=True)
class HashKeys:
    """The keys for each purpose, derived from the tenant's random keys (`keyring.py`).

    Attributes:
        factors: The keys of second factors. The first key encrypts and decrypts. The other keys are former keys, which
            only decrypt, for a limited time.
        opaque: The keys of opaque access tokens: the first key and former keys, as in `factors`.
        pages: The keys of the encrypted login state in pages: the first key and former keys, as in `factors`.
    """

    codes: bytes
    refresh: bytes
    sessions: bytes
    csrf: bytes
    secrets: bytes
    recovery: bytes
    factors: tuple[bytes, ...]
    opaque: tuple[bytes, ...]
    pages: tuple[bytes, ...]
    nonces: bytes


def keyed_hash(key: bytes, value: str | bytes | Secret) -> bytes:
    """Return the HMAC-SHA-256 of a value.

    A stolen database contains such hashes of codes. Without the key, a thief cannot find a code by hashing guesses.
    """
    text = value.reveal() if isinstance(value, Secret) else value
    state = _begun(key).copy()
    state.update(text.encode() if isinstance(text, str) else text)
    return state.digest()


@lru_cache(maxsize=32)
def _begun(key: bytes) -> hmac.HMAC:
    """Return an HMAC with this key and without input, for callers to copy.

    The HMAC is cached for each key, since setting the key takes as long as hashing a short text.
    """
    return hmac.new(key, digestmod=hashlib.sha256)


def number_hash(keys: HashKeys, device_hash: bytes, number: Secret) -> bytes:
    """Return the hash of the number that the page shows after an approval.

    The hash is valid for one device login only. Spaces and dashes between the digits are ignored.
    """
    digits = "".join(letter for letter in number.reveal() if letter not in " -")
    return keyed_hash(keys.codes, b"number " + device_hash + digits.encode())


def link_proof(keys: HashKeys, user_code: str) -> str:
    """Return the proof that this server made a link with a user code. The link contains the proof.

    If a link with a user code has no valid proof, opening the link counts as a guess of a user code.
    """
    return base64url(keyed_hash(keys.codes, f"link {user_code}")[:_PROOF_BYTES])


def typed_proof(keys: HashKeys, user_code: str, session_hash: bytes) -> str:
    """Return the proof that a user code was typed in this browser session.

    If the user must log in first, the URL to which the browser returns after the login contains this proof. So the user
    does not have to type the code again.
    """
    return base64url(keyed_hash(keys.codes, f"typed {user_code}".encode() + session_hash)[:_PROOF_BYTES])


def read_token_bytes(text: str) -> bytes:
    """Return the bytes that `base64url` encoded.

    Raises:
        ValueError: The text is not URL-safe base64.
    """
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)


@light_dataclass(frozen=True, slots=True)
class RefreshParts:
    """The content of a refresh token: the id of its login, its generation within the login, and a secret part."""

    login_id: bytes
    generation: int
    secret: bytes

    def write(self, key: bytes) -> Secret:
        """Return the token, with a MAC of its content."""
        body = _BODY.pack(self.login_id, self.generation, self.secret)
        return Secret(PREFIX + base64url(body + keyed_hash(key, body)[:_MAC_BYTES]))


def next_refresh(parts: RefreshParts, key: bytes) -> RefreshParts:
    """Return the next refresh token of a login.

    It is derived from the present token, so that a repeated exchange returns the same refresh token.
    """
    secret = keyed_hash(key, b"successor" + _BODY.pack(parts.login_id, parts.generation, parts.secret))
    return RefreshParts(parts.login_id, parts.generation + 1, secret[:SECRET_BYTES])


def read_refresh(token: Secret, key: bytes) -> RefreshParts | None:
    """Verify the MAC of a refresh token. Return the token's content, or None if the MAC is wrong.

    If refresh tokens had no MAC, a caller could invent a token with a guessed login id. The token would count as an old
    token of this login, so it would end another user's login.
    """
    text = token.reveal()
    try:
        raw = read_token_bytes(text.removeprefix(PREFIX))
    except ValueError:
        return None
    if not text.startswith(PREFIX) or len(raw) != _BODY.size + _MAC_BYTES:
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if not hmac.compare_digest(keyed_hash(key, body)[:_MAC_BYTES], mac):
        return None
    return RefreshParts(*_BODY.unpack(body))
