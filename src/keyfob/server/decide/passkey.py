"""Passkeys: options for the browser, and checks of its response (W3C WebAuthn Level 3 §5.4, §5.5, §7)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Final, cast
from urllib.parse import urlsplit

from keyfob.errors import Malformed
from keyfob.jose.passkey import ALGORITHMS, Ceremony
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields, read_json
from keyfob.server.keyed_hash import read_token_bytes
from keyfob.server.records import User

MOST: Final = 20  # the limit of passkeys of one user
LONGEST_NAME: Final = 60
LONGEST_ID: Final = 1023  # WebAuthn §4, credential ID
TIMEOUT: Final = timedelta(minutes=5)  # of the browser's dialogue; WebAuthn §15.1 recommends 5 to 10 minutes
_LOCAL: Final = "localhost"
_PORTS: Final = {"http": 80, "https": 443}


def relying_party(issuer: str) -> str:
    """Return the RP ID of an issuer, or "" if browsers support no passkeys for the issuer's address.

    Browsers support no passkeys for an IP address, and over plain http only for localhost (WebAuthn §5.1.3, W3C Secure
    Contexts §3.1).
    """
    parts = urlsplit(issuer)
    host = (parts.hostname or "").rstrip(".")
    try:
        _ = ip_address(host)
    except ValueError:
        is_local = host == _LOCAL or host.endswith(f".{_LOCAL}")
        return host if parts.scheme == "https" or is_local else ""
    return ""


def ceremony(issuer: str, challenge: bytes) -> Ceremony:
    """Return the values that an authenticator must sign for a page of this issuer."""
    parts = urlsplit(issuer)
    port = "" if parts.port in {None, _PORTS.get(parts.scheme)} else f":{parts.port}"
    return Ceremony(challenge, relying_party(issuer), f"{parts.scheme}://{parts.hostname}{port}")


def user_handle(user_id: str) -> bytes:
    """Return the user handle of a user: opaque, and the same for all passkeys of the user (WebAuthn §14.6.1)."""
    return hashlib.sha256(b"passkey user " + user_id.encode()).digest()


def id_of(credential_id: bytes) -> str:
    """Return the id of the `Authenticator` record of a passkey.

    The id is derived from the credential ID, which the browser's response contains. So the record is found by its id,
    and the store needs no index of credential IDs.
    """
    return f"passkey|dev_{base64url(hashlib.sha256(credential_id).digest())}"


def write_creation(asked: Ceremony, tenant: str, user: User, known: Iterable[bytes]) -> str:
    """Return the `PublicKeyCredentialCreationOptionsJSON` for a new passkey.

    Args:
        asked: The values that the authenticator must sign.
        tenant: The tenant's name, which the browser shows.
        user: The owner of the passkey.
        known: The credential IDs of the user's passkeys. An authenticator that has one of these passkeys refuses to
            create another.
    """
    selection = {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    handle = base64url(user_handle(user.user_id))
    options = {
        "rp": {"id": asked.rp_id, "name": tenant},
        "user": {"id": handle, "name": user.email, "displayName": user.name or user.email},
        "challenge": base64url(asked.challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": one} for one in ALGORITHMS],
        "timeout": int(TIMEOUT.total_seconds() * 1000),
        "excludeCredentials": _described(known),
        "authenticatorSelection": selection,
        "attestation": "none",
    }
    return json.dumps(options)


def write_request(asked: Ceremony, allowed: Iterable[bytes] = ()) -> str:
    """Return the `PublicKeyCredentialRequestOptionsJSON` for a login.

    Args:
        asked: The values that the authenticator must sign.
        allowed: The credential IDs that may be used. If empty, any passkey may be used.
    """
    options = {
        "challenge": base64url(asked.challenge),
        "rpId": asked.rp_id,
        "allowCredentials": _described(allowed),
        "timeout": int(TIMEOUT.total_seconds() * 1000),
        "userVerification": "required",
    }
    return json.dumps(options)


@dataclass(frozen=True, slots=True)
class PasskeyAnswer:
    """The unverified response of a browser.

    Attributes:
        user_handle: The user handle that the authenticator returned; None if it returned no user handle.
    """

    text: str
    credential_id: bytes
    user_handle: bytes | None


def read_answer(text: str) -> PasskeyAnswer | None:
    """Parse the parts of an `AuthenticationResponseJSON` that identify the passkey; None if the text is malformed."""
    try:
        fields = read_json(text.encode(), "passkey")
        response = fields.values.get("response")
        inner = Fields(cast("dict[str, object]", response) if isinstance(response, dict) else {}, "passkey")
        handle = inner.optional_text("userHandle")
        credential_id = read_token_bytes(fields.text("id"))
        user = None if handle is None else read_token_bytes(handle)
    except (Malformed, ValueError):
        return None
    return PasskeyAnswer(text, credential_id, user) if 0 < len(credential_id) <= LONGEST_ID else None


def is_owner(answer: PasskeyAnswer, user_id: str, *, is_known: bool) -> bool:
    """Return whether a response's user handle is that of the passkey's owner (WebAuthn §7.2 step 6).

    Args:
        answer: The browser's response.
        user_id: The owner of the passkey.
        is_known: Whether the user has already logged in with a password. Only then may the user handle be absent.
    """
    if answer.user_handle is None:
        return is_known
    return answer.user_handle == user_handle(user_id)


def is_cloned(stored: int, sent: int) -> bool:
    """Return whether a passkey may have been copied, since its signature counter did not grow (WebAuthn §6.1.1).

    If both counters are 0, the result is False: passkeys that are synchronized between devices always send 0.

    Args:
        stored: The counter at the last use.
        sent: The counter in the response.
    """
    return stored > 0 and sent <= stored


def read_passkey_name(typed: str | None) -> str:
    """Return a typed name of a passkey, reduced to one line and shortened; "" if nothing is left."""
    letters = "".join(letter for letter in typed or "" if letter.isprintable() or letter.isspace())
    return " ".join(letters.split())[:LONGEST_NAME].strip()


def _described(credential_ids: Iterable[bytes]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": base64url(one)} for one in credential_ids]
