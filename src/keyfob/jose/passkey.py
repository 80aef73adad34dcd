"""Verify the responses of an authenticator that registers or uses a passkey (W3C WebAuthn Level 3 §7.1, §7.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import webauthn
    from webauthn.helpers import cose
else:
    webauthn = LazyModule("webauthn")  # the import takes 150 ms, and the library is installed only on servers
    cose = LazyModule("webauthn.helpers.cose")

ALGORITHMS: Final = (-7, -8, -257)  # ES256, EdDSA, RS256 (IANA COSE Algorithms)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The values that the authenticator's response must contain.

    Attributes:
        challenge: The random bytes that this server sent.
        rp_id: The RP ID, the domain name of the relying party.
        origin: The origin of the page that used the passkey.
    """

    challenge: bytes
    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey from a verified registration. `public_key` is a COSE_Key."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def verify_registration(answer: str, asked: Ceremony) -> NewPasskey | None:
    """Verify a `RegistrationResponseJSON`. Return None if it does not match `asked`, or the user was not verified.

    The server requests no attestation. If the browser sends one all the same, it must be valid.
    """
    verify, algorithms = webauthn.verify_registration_response, list(map(cose.COSEAlgorithmIdentifier, ALGORITHMS))
    try:
        found = verify(
            credential=answer,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origin,
            require_user_verification=True,
            supported_pub_key_algs=algorithms,
        )
    except Exception:  # noqa: BLE001  the library raises many kinds of decoder errors
        return None
    return NewPasskey(found.credential_id, found.credential_public_key, found.sign_count)


def verify_assertion(answer: str, asked: Ceremony, public_key: bytes) -> int | None:
    """Verify an `AuthenticationResponseJSON`.

    Returns:
        The signature counter, for the caller to compare with the stored counter. None if the response does not match
        `asked`, the signature is wrong, or the user was not verified.
    """
    verify = webauthn.verify_authentication_response
    try:
        found = verify(
            credential=answer,
            expected_challenge=asked.challenge,
            expected_rp_id=asked.rp_id,
            expected_origin=asked.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001  as above
        return None
    return found.new_sign_count
