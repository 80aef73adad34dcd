"""The client's DPoP key, and proofs for its requests (RFC 9449)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self, get_args

from keyfob.client.model.profile import Profile
from keyfob.client.ports import World
from keyfob.errors import Refused
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import write_proof
from keyfob.protocol.address import origin_of
from keyfob.protocol.base64url import base64url
from keyfob.protocol.dpop import Proof, hash_of, normal
from keyfob.protocol.http import Headers, Request, Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.secret import Secret

_KEY_BYTES: Final = 48
_LONGEST_NONCE: Final = 1024
_Algorithm = Literal["ES256", "Ed25519"]
_ALGORITHMS: Final[tuple[_Algorithm, ...]] = get_args(_Algorithm)


@dataclass(slots=True)
class DpopKey:
    """A DPoP key and the nonces for its proofs (RFC 9449).

    There is one object for requests to the authorization server, and another for requests to APIs. Both contain the
    same key, but separate nonces (§9).

    Attributes:
        is_required: Whether the client refuses a token that is not bound to the key.
        nonces: The newest nonce of each server, by origin (§8.2).
    """

    key: SigningKey
    is_required: bool = False
    nonces: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def thumbprint(self) -> str:
        """The key's JWK thumbprint (RFC 7638)."""
        return self.key.key_id

    def write(self) -> Secret:
        """Return the private key in PEM, for the vault."""
        return Secret(self.key.pem().decode("ascii"))

    @classmethod
    def read(cls, pem: Secret, *, is_required: bool = False) -> Self:
        """Parse a key from the vault.

        Raises:
            Malformed: `pem` is not a usable private key.
        """
        return cls(SigningKey.read(pem.reveal().encode())[0], is_required)

    def prove(self, request: Request, wall: datetime, random_bytes: bytes, token: Secret | None = None) -> Headers:
        """Return the DPoP header for one request.

        Args:
            request: The request; the proof covers only its method and address.
            wall: The time of issue: an aware datetime in UTC.
            random_bytes: 12 or more unpredictable bytes for the `jti` (§4.2).
            token: The access token that the request sends to an API; None for a request to the authorization server.
        """
        token_id = base64url(random_bytes)
        token_hash = None if token is None else hash_of(token)
        nonce = self.nonces.get(origin_of(request.url))
        proof = Proof(token_id, request.method, normal(request.url), wall, token_hash, nonce)
        return (("dpop", write_proof(proof, self.key).reveal()),)

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Store the DPoP nonce from a response of any status. Return whether the nonce is new (RFC 9449 §8.2)."""
        nonce, origin = response.header("dpop-nonce") or "", origin_of(request.url)
        if not nonce or len(nonce) > _LONGEST_NONCE or not (nonce.isascii() and nonce.isprintable()):
            return False
        is_new = self.nonces.get(origin) != nonce
        self.nonces[origin] = nonce
        return is_new


def make_dpop_key(
    world: World, profile: Profile, metadata: ServerMetadata, stored_key: Secret | None = None
) -> DpopKey | None:
    """Return the key to which a login's tokens will be bound; None if the tokens will not be bound.

    Args:
        profile: The profile. Its setting `dpop` is "off", "prefer" or "require".
        metadata: The server's metadata. If it lists no DPoP algorithms, DPoP is used only if required.
        stored_key: The DPoP key of the stored login, to be used again; None if there is none.

    Raises:
        Refused: DPoP is required, and keyfob supports none of the listed algorithms.
    """
    if profile.dpop == "off":
        return None
    is_required, offered = profile.dpop == "require", metadata.dpop_signing_alg_values_supported
    algorithm: _Algorithm | None = next((name for name in _ALGORITHMS if name in offered), None)
    if algorithm is None and is_required and not offered:
        algorithm = _ALGORITHMS[0]
    if algorithm is None and is_required:
        what = "the server supports no DPoP algorithm of this program"
        hint = "Log in with tokens that are not bound to a key (DPoP)."
        raise Refused(what, code="flow-unavailable", hint=hint, flags="--dpop off")
    if algorithm is None:
        return None
    if stored_key is not None:
        return DpopKey.read(stored_key, is_required=is_required)
    return DpopKey(SigningKey.from_chance(algorithm, world.random(_KEY_BYTES)), is_required)
