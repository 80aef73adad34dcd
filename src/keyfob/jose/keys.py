"""Keys, their thumbprints, and key sets (RFC 7517, RFC 7638)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.algorithms import KEY_TYPES, SMALLEST_RSA_BITS, Algorithm, named
from keyfob.jose.key_handles import PrivateHandle, PublicHandle
from keyfob.lazy import LazyModule
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields, read_json

if TYPE_CHECKING:
    from keyfob.jose import key_formats
else:  # importing joserfc takes 60 ms, and only reading and writing of keys needs joserfc
    key_formats = LazyModule("keyfob.jose.key_formats")

_ESSENTIAL = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
# The longest RSA modulus (4,096 bits) and exponent (32 bits), in characters of base64url. Verification with a larger
# key of an attacker would be slow.
_LONGEST_N: Final = 684
_LONGEST_E: Final = 6
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_CURVES = {"EC": "P-256", "OKP": "Ed25519"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. `algorithm` is None if the JWK has no `alg`."""

    key_id: str | None
    key_type: str
    algorithm: Algorithm | None
    handle: PublicHandle

    def fits(self, algorithm: Algorithm) -> bool:
        """Return whether the key may be used with an algorithm (RFC 8725 §3.1)."""
        return KEY_TYPES[algorithm] == self.key_type and (self.algorithm is None or self.algorithm == algorithm)

    @classmethod
    def read(cls, jwk: Mapping[str, object]) -> Self:
        """Parse a JWK.

        Raises:
            Malformed: The JWK is not an RSA, P-256 or Ed25519 key; or its RSA modulus is too short, or its modulus or
                exponent too long; or its `use`, `key_ops` or `alg` excludes the verification of signatures.
        """
        fields = Fields(jwk, "key")
        key_type, use, algorithm = fields.text("kty"), fields.optional_text("use"), fields.optional_text("alg")
        operations = fields.texts("key_ops")
        if key_type not in {"RSA", "EC", "OKP"} or _CURVES.get(key_type) not in {None, jwk.get("crv")}:
            raise Malformed("key: not of a kind we verify with", field="kty")
        if use not in {None, "sig"} or (operations and "verify" not in operations):
            raise Malformed("key: not meant for verifying", field="use")
        known = named(algorithm)
        if algorithm is not None and (known is None or KEY_TYPES[known] != key_type):
            raise Malformed("key: alg does not fit it", field="alg")
        if key_type == "RSA" and (len(fields.text("n")) > _LONGEST_N or len(fields.text("e")) > _LONGEST_E):
            raise Malformed("key: its modulus or exponent is too large", field="n")
        return cls(fields.optional_text("kid"), key_type, known, key_formats.read_public_jwk(jwk))

    @staticmethod
    def find_jwk(text: bytes) -> dict[str, object]:
        """Parse a public key, in PEM or as a JWK. Return the JWK. Raise `Malformed` for other text."""
        is_jwk = text.lstrip().startswith(b"{")
        return dict(read_json(text, "key").values) if is_jwk else key_formats.convert_public_pem(text)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer."""

    keys: tuple[PublicKey, ...] = ()

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Parse a JWKS. Unsupported keys, such as symmetric keys, are skipped (RFC 7517 §5)."""
        members = fields.values.get("keys")
        if not isinstance(members, list):
            raise Malformed("key set: keys is not a list", field="keys")
        readable: list[PublicKey] = []
        for member in cast("list[object]", members):
            if isinstance(member, dict):
                try:
                    readable.append(PublicKey.read(cast("dict[str, object]", member)))
                except Malformed:
                    continue
        return cls(tuple(readable))

    def choose(self, algorithm: Algorithm, key_id: str | None) -> PublicKey | None:
        """Return the key that verifies a token, or None if no key matches (RFC 7515 §6).

        A key matches if it fits the algorithm and has the `kid` of the token. If the token has no `kid`, every key that
        fits the algorithm matches.

        Raises:
            InvalidToken: Several keys match.
        """
        found = None
        for key in self.keys:
            if (key_id is None or key_id == key.key_id) and key.fits(algorithm):
                if found is not None:
                    raise InvalidToken("the token does not say clearly which key signed it", check="key")
                found = key
        return found


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key for one algorithm. The `kid` is the key's JWK thumbprint (RFC 7638)."""

    key_id: str
    algorithm: Algorithm
    handle: PrivateHandle

    @classmethod
    def generate(cls, algorithm: Algorithm) -> Self:
        match algorithm:
            case "RS256" | "PS256":
                return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=SMALLEST_RSA_BITS), algorithm)
            case "ES256":
                return cls.of(ec.generate_private_key(ec.SECP256R1()), algorithm)
            case "Ed25519":
                return cls.of(ed25519.Ed25519PrivateKey.generate(), algorithm)

    @classmethod
    def from_chance(cls, algorithm: Literal["ES256", "Ed25519"], random_bytes: bytes) -> Self:
        """Create a key from 48 random bytes.

        P-256 keys are numbers of 32 bytes. The 16 additional bytes make the distribution of keys practically uniform.
        """
        if algorithm == "ES256":
            number = int.from_bytes(random_bytes) % (_P256_ORDER - 1) + 1  # FIPS 186-5 A.2.1
            return cls.of(ec.derive_private_key(number, ec.SECP256R1()), algorithm)
        return cls.of(ed25519.Ed25519PrivateKey.from_private_bytes(random_bytes[:32]), algorithm)

    @classmethod
    def from_pem(cls, pem: bytes, algorithm: Algorithm) -> Self:
        """Parse a trusted key that the method `pem` wrote. For untrusted keys, use `read`.

        Raises:
            Malformed: The key does not fit the algorithm.
        """
        return cls.of(key_formats.read_pem(pem, is_own=True), algorithm)

    @classmethod
    def read(cls, text: bytes) -> tuple[Self, str | None]:
        """Parse a private key in PEM or as a JWK. Return the key and the `kid` of the JWK.

        The `kid` is None for PEM, and for a JWK without `kid`. The algorithm of the key is the `alg` of the JWK. For
        PEM, and for a JWK without a supported `alg`, it is the default of the key type.

        Raises:
            Malformed: The text is not a supported private key.
        """
        if text.lstrip().startswith(b"{"):
            jwk = read_json(text, "signing key")
            algorithm, key_id, handle = (
                named(jwk.optional_text("alg")),
                jwk.optional_text("kid"),
                key_formats.read_private_jwk(jwk),
            )
        else:
            algorithm, key_id, handle = None, None, key_formats.read_pem(text)
        return cls.of(handle, algorithm or _usual_algorithm(handle)), key_id

    @classmethod
    def of(cls, handle: PrivateHandle, algorithm: Algorithm) -> Self:
        """Wrap a key of `cryptography`. Raise `Malformed` if the key does not fit the algorithm or is too short."""
        if isinstance(handle, rsa.RSAPrivateKey) and handle.key_size < SMALLEST_RSA_BITS:
            raise Malformed("signing key: RSA key is too short", field="key")
        jwk = key_formats.write_public_jwk(handle)
        PublicKey.read({**jwk, "alg": algorithm})
        return cls(str(jwk["kid"]), algorithm, handle)

    def pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8. The caller must encrypt it before storing it."""
        return key_formats.write_pem(self.handle)

    def public_jwk(self) -> dict[str, object]:
        """Return the public key as a JWK."""
        return key_formats.write_public_jwk(self.handle) | {"alg": self.algorithm, "use": "sig"}

    def public_key(self) -> PublicKey:
        return PublicKey(self.key_id, KEY_TYPES[self.algorithm], self.algorithm, self.handle.public_key())


def _usual_algorithm(handle: PrivateHandle) -> Algorithm:
    match handle:
        case rsa.RSAPrivateKey():
            return "RS256"
        case ec.EllipticCurvePrivateKey():
            return "ES256"
        case ed25519.Ed25519PrivateKey():
            return "Ed25519"


def thumbprint(jwk: Mapping[str, object]) -> str:
    """Return the JWK thumbprint: SHA-256 over the required members (RFC 7638 §3)."""
    members = {name: jwk[name] for name in _ESSENTIAL[str(jwk["kty"])]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64url(digest)
