"""How an API accepts tokens that are bound to a DPoP key (RFC 9449)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from keyfob.errors import Misuse
from keyfob.jose.algorithms import Algorithm
from keyfob.resource.replays import Replays, ReplaysInMemory

_SHORTEST_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class DpopSettings:
    """How an API accepts tokens that are bound to a DPoP key (RFC 9449).

    Attributes:
        algorithms: The accepted algorithms of proofs.
        required: Whether tokens that are not bound to a key are refused.
        nonce_key: At least 32 secret bytes, the same in all processes of this API. The API derives nonces from this
            key. Every proof must contain a current nonce, which shows that the proof is new. If None, proofs need no
            nonce.
        replays: The record of used proofs; by default one in the memory of this process.
    """

    algorithms: tuple[Algorithm, ...] = ("ES256", "Ed25519", "PS256", "RS256")
    required: bool = False
    nonce_key: bytes | None = field(default=None, repr=False)
    replays: Replays = field(default_factory=ReplaysInMemory)

    def __post_init__(self) -> None:
        """Refuse unsafe settings.

        Raises:
            Misuse: `algorithms` is empty, or `nonce_key` is too short.
        """
        if not self.algorithms:
            raise Misuse("proofs of possession need at least one algorithm")
        if self.nonce_key is not None and len(self.nonce_key) < _SHORTEST_KEY:
            raise Misuse("a nonce_key has 32 bytes or more")
