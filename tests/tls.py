"""Certificates for tests: an authority, what it signs, and the TLS side of a server that asks for one."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Made:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes

    @property
    def der(self) -> bytes:
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(serialization.Encoding.DER)

    def lay(self, folder: Path, name: str = "robot") -> tuple[Path, Path]:
        """Two files, as a platform lays them there."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        put(certificate, self.certificate)
        put(key, self.key)
        return certificate, key

    def lay_together(self, folder: Path, name: str = "both") -> Path:
        return put(folder / f"{name}.pem", self.certificate + self.key)


def put(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Replace a file, all at once."""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(path)
    return path


def name_of(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def make(
    common: str = "robot",
    by: Made | None = None,
    *,
    is_authority: bool = False,
    ends: timedelta = timedelta(days=1),
    passphrase: bytes = b"",
) -> Made:
    """A certificate, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer, issuer = key, name_of(common)
    if by is not None:
        found = serialization.load_pem_private_key(by.key, None)
        assert isinstance(found, ec.EllipticCurvePrivateKey)
        signer, issuer = found, x509.load_pem_x509_certificate(by.certificate).subject
    now = datetime.now(UTC)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"encipher_only": False, "decipher_only": False, "digital_signature": True}
    made = (
        x509.CertificateBuilder()
        .subject_name(name_of(common))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        # Python 3.13 verifies strictly (RFC 5280 §4.2.1.1-4.2.1.3).
        .add_extension(x509.KeyUsage(**usage, key_cert_sign=is_authority, crl_sign=is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    sealing = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return Made(made.public_bytes(PEM), key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, sealing))


@dataclass(frozen=True)
class Ground:
    """An authority of this test, and a server's certificate by it."""

    folder: Path
    authority: Made
    server: Made

    @classmethod
    def at(cls, folder: Path) -> Ground:
        authority = make("authority", is_authority=True)
        put(folder / "ca.pem", authority.certificate)
        return cls(folder, authority, make("server", authority))

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def context(self, asks: ssl.VerifyMode = ssl.CERT_NONE, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server's side; callers' certificates are to be by the same authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        file = self.server.lay_together(self.folder, f"server-{os.urandom(4).hex()}")
        context.load_cert_chain(file)
        context.load_verify_locations(self.ca)
        context.verify_mode = asks
        if newest is not None:
            context.maximum_version = newest
        return context
