"""An authenticator in memory, which makes passkeys with real signatures (W3C WebAuthn Level 3 §6)."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from keyfob.errors import Misuse
from keyfob.jose.keys import SigningKey
from keyfob.testing.person import Page

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40  # flags of the authenticator data
# The first bytes, in CBOR, of a COSE_Key for Ed25519 (the member x follows) and of an attestation object of the format
# `none` (the length of the authenticator data follows).
_COSE_KEY: Final = bytes.fromhex("a4010103272006215820")
_ATTESTATION: Final = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"
_OPTIONS: Final = re.compile(rb'data-passkey="(?:get|create)" data-options="([^"]*)"')


@dataclass(frozen=True, slots=True)
class StoredPasskey:
    """A passkey that the authenticator has stored."""

    credential_id: bytes
    rp_id: str
    user_handle: bytes
    key: SigningKey
    sign_count: int = 0


@dataclass
class SoftwareAuthenticator:
    """A browser with an authenticator, for the pages of one origin.

    Attributes:
        origin: The origin of the pages.
        has_counter: Whether the passkeys count their signatures. Synchronized passkeys do not.
        verifies_user: Whether the authenticator verifies its user.
        passkeys: The stored passkeys, the newest last.
    """

    origin: str
    has_counter: bool = True
    verifies_user: bool = True
    passkeys: list[StoredPasskey] = field(default_factory=list[StoredPasskey])

    def create(self, page: Page) -> str:
        """Create a passkey for the options in a page, and return the `RegistrationResponseJSON`.

        Raises:
            Misuse: The page requests no passkey, or excludes a passkey that the authenticator has.
        """
        options = options_of(page)
        excluded = {_read(one["id"]) for one in options["excludeCredentials"]}
        if any(one.credential_id in excluded for one in self.passkeys):
            raise Misuse("the authenticator has a passkey of this account")
        key = SigningKey.generate("Ed25519")
        public = _read(str(key.public_jwk()["x"]))
        made = StoredPasskey(
            hashlib.sha256(public).digest()[:16], options["rp"]["id"], _read(options["user"]["id"]), key
        )
        self.passkeys.append(made)
        attested = bytes(16) + len(made.credential_id).to_bytes(2) + made.credential_id + _COSE_KEY + public
        data = self._data(made, _ATTESTED) + attested
        response = {
            "clientDataJSON": _write(self._client_data("webauthn.create", options)),
            "attestationObject": _write(_ATTESTATION + len(data).to_bytes(2) + data),
        }
        return _answer(made, response)

    def get(self, page: Page) -> str:
        """Sign the challenge of a page with the newest suitable passkey. Return the `AuthenticationResponseJSON`.

        Raises:
            Misuse: The page requests no passkey, or no stored passkey is suitable.
        """
        options = options_of(page)
        allowed = {_read(one["id"]) for one in options["allowCredentials"]}
        fitting = [
            at
            for at, one in enumerate(self.passkeys)
            if one.rp_id == options["rpId"] and (not allowed or one.credential_id in allowed)
        ]
        if not fitting:
            raise Misuse("the authenticator has no passkey for this page")
        at = fitting[-1]
        used = self.passkeys[at] = replace(
            self.passkeys[at], sign_count=self.passkeys[at].sign_count + 1 if self.has_counter else 0
        )
        data, client_data = self._data(used), self._client_data("webauthn.get", options)
        handle: Any = used.key.handle
        response = {
            "clientDataJSON": _write(client_data),
            "authenticatorData": _write(data),
            "signature": _write(handle.sign(data + hashlib.sha256(client_data).digest())),
            "userHandle": _write(used.user_handle),
        }
        return _answer(used, response)

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> bytes:
        members = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(members).encode()

    def _data(self, passkey: StoredPasskey, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(passkey.rp_id.encode()).digest() + bytes([flags]) + passkey.sign_count.to_bytes(4)


def options_of(page: Page) -> dict[str, Any]:
    """Return the options for the authenticator in a page.

    Raises:
        Misuse: The page has no options.
    """
    found = _OPTIONS.search(page.response.body)
    if found is None:
        raise Misuse("the page asks for no passkey")
    options: dict[str, Any] = json.loads(html.unescape(found[1].decode()))
    return options


def _answer(passkey: StoredPasskey, response: Mapping[str, str]) -> str:
    name = _write(passkey.credential_id)
    members: dict[str, object] = {"id": name, "rawId": name, "type": "public-key", "response": response}
    return json.dumps({**members, "clientExtensionResults": {}})


def _write(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _read(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
