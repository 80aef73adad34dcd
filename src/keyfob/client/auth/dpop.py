"""A program's own key, and proofs that it is there: fresh for every request, with the server's nonce (RFC 9449)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self, get_args

from keyfob.client.model.profile import Profile
from keyfob.client.ports import World
from keyfob.errors import Refused
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import write_proof
from keyfob.protocol.address import origin_of
from keyfob.protocol.dpop import Proof, hash_of, normal
from keyfob.protocol.http import Headers, Request, Response
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.secret import Secret

_KEY_BYTES: Final = 48
_LONGEST_NONCE: Final = 1024
_Ours = Literal["ES256", "Ed25519"]
_OURS: Final[tuple[_Ours, ...]] = get_args(_Ours)


@dataclass(slots=True)
class DpopKey:
    """One key. Servers that give tokens and servers that take them get a prover each: their nonces stay apart (§9).

    Attributes:
        is_required: Whether a token that is not bound to the key is refused.
        nonces: The newest of each server, by origin (§8.2).
    """

    key: SigningKey
    is_required: bool = False
    nonces: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def thumbprint(self) -> str:
        """The key's name (RFC 7638)."""
        return self.key.key_id

    def write(self) -> Secret:
        """The key, for the vault."""
        return Secret(self.key.pem().decode("ascii"))

    @classmethod
    def read(cls, kept: Secret, *, is_required: bool = False) -> Self:
        """From the vault.

        Raises:
            Malformed: It is no key.
        """
        return cls(SigningKey.read(kept.reveal().encode())[0], is_required)

    def prove(self, request: Request, wall: datetime, random_bytes: bytes, token: Secret | None = None) -> Headers:
        """The header that goes with this one request.

        Args:
            request: Only its method and address count.
            wall: Aware, UTC.
            chance: Unguessable bytes, 12 or more (§4.2).
            token: The access token that goes with it, at an API.
        """
        token_id = base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")
        token_hash = None if token is None else hash_of(token)
        nonce = self.nonces.get(origin_of(request.url))
        proof = Proof(token_id, request.method, normal(request.url), wall, token_hash, nonce)
        return (("dpop", write_proof(proof, self.key).reveal()),)

    def store_nonce(self, request: Request, response: Response) -> bool:
        """Keep the nonce that an answer brings, also one that went well; whether there was a new one (§8.2)."""
        nonce, origin = response.header("dpop-nonce") or "", origin_of(request.url)
        if not nonce or len(nonce) > _LONGEST_NONCE or not (nonce.isascii() and nonce.isprintable()):
            return False
        is_new = self.nonces.get(origin) != nonce
        self.nonces[origin] = nonce
        return is_new


def make_dpop_key(
    world: World, profile: Profile, metadata: ServerMetadata, kept: Secret | None = None
) -> DpopKey | None:
    """The key that a login's tokens will be bound to; None where they will not.

    Args:
        profile: Whether it wants that.
        metadata: Whether the server can. One that is silent may still, and its answer will tell.
        kept: The key that this login has had, if any.

    Raises:
        Refused: The profile insists, and the server says that it cannot.
    """
    if profile.dpop == "off":
        return None
    is_required, offered = profile.dpop == "require", metadata.dpop_signing_alg_values_supported
    algorithm: _Ours | None = next((name for name in _OURS if name in offered), None)
    if algorithm is None and is_required and not offered:
        algorithm = _OURS[0]
    if algorithm is None and is_required:
        hint = "Say --dpop off to log in with tokens that are not bound to a key."
        raise Refused("the server knows no proof of possession that we can make", code="flow-unavailable", hint=hint)
    if algorithm is None:
        return None
    if kept is not None:
        return DpopKey.read(kept, is_required=is_required)
    return DpopKey(SigningKey.from_chance(algorithm, world.random(_KEY_BYTES)), is_required)
