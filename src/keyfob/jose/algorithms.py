"""The supported signature algorithms, with the key type of each and the least RSA key size (RFC 7518 §3, RFC 9864)."""

from __future__ import annotations

from typing import Final, Literal, get_args

Algorithm = Literal["RS256", "PS256", "ES256", "Ed25519"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

KEY_TYPES: Final[dict[Algorithm, str]] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "Ed25519": "OKP"}
SMALLEST_RSA_BITS: Final = 2048  # RFC 7518 §3.3
ES256_SIGNATURE_BYTES: Final = 64  # 32 bytes each for R and S (RFC 7518 §3.4)

_NAMED: Final[dict[str, Algorithm]] = {name: name for name in ALGORITHMS}


def named(name: str | None) -> Algorithm | None:
    """Return the algorithm with exactly this name, or None if the algorithm is not supported."""
    return None if name is None else _NAMED.get(name)
