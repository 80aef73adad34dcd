"""A certificate authority for one machine, its server certificates, and reading of certificates (RFC 5280 §4.2).

Name constraints restrict the authority to the names of this machine (RFC 5280 §4.2.1.10). An attacker who has stolen
the key of the authority cannot forge a certificate for another host.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keyfob.errors import Malformed

TLS_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
AUTHORITY_LIFE: Final = timedelta(days=3650)
SERVER_LIFE: Final = timedelta(days=825)  # the longest lifetime that Apple's systems accept
RENEW_BEFORE: Final = timedelta(days=30)
_BACKDATED: Final = timedelta(hours=1)  # certificates are valid from before now, since other clocks may be behind
_SHA256: Final = hashes.SHA256()
_NAMES: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)
_PERMITTED: Final = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_network("127.0.0.0/8")),
    x509.IPAddress(ip_network("::1/128")),
)


def new_key() -> bytes:
    """Generate a P-256 key, and return it as unencrypted PKCS #8 in PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that signs server certificates, and the certificate that clients trust."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, key: bytes, now: datetime) -> Self:
        """Create an authority with a P-256 key.

        If an authority is created again with the same key, its certificate also verifies the server certificates that
        the previous authority signed.
        """
        private = _private(key)
        public = private.public_key()
        digest = x509.SubjectKeyIdentifier.from_public_key(public).digest
        # The name contains a part of the key's digest, so that a list shows which authority belongs to which key.
        name = _name(f"keyfob local authority {digest[:4].hex()}")
        builder = _builder(public, now, AUTHORITY_LIFE).subject_name(name).issuer_name(name)
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        made = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.NameConstraints(_PERMITTED, None), critical=True)
            .add_extension(usages, critical=False)  # for servers only, since the constraints cover only host names
            .sign(private, _SHA256)
        )
        return cls(made, private)

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> Self:
        """Parse a certificate and its key in PEM. Raise `Malformed` if either is not valid or the two do not match."""
        found, private = _certificate(certificate), _private(key)
        if found.public_key() != private.public_key():
            raise Malformed("certificate: does not belong to its key", field="certificate")
        return cls(found, private)

    def pem(self) -> bytes:
        """Return the certificate, for trust stores."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def is_lapsing(self, now: datetime) -> bool:
        """Return whether the certificate expires soon or has expired."""
        return _is_lapsing(self.certificate, now)

    def certify(self, key: bytes, now: datetime) -> bytes:
        """Sign a certificate for the server's P-256 key and the host names in `TLS_HOSTS`.

        The certificate expires no later than the authority's own certificate. The key and the result are in PEM.
        """
        public, signer = _private(key).public_key(), self.key.public_key()
        life = min(SERVER_LIFE, self.certificate.not_valid_after_utc - (now - _BACKDATED))
        made = (
            _builder(public, now, life)
            .subject_name(_name("keyfob local tenant"))
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
            .sign(self.key, _SHA256)
        )
        return made.public_bytes(serialization.Encoding.PEM)

    def stands_behind(self, certificate: bytes, key: bytes, now: datetime) -> bool:
        """Return whether a server certificate can still be used.

        It must be signed by this authority, be for the given key, and not expire soon.
        """
        found = _certificate(certificate)
        if found.public_key() != _private(key).public_key() or _is_lapsing(found, now):
            return False
        try:
            found.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Described:
    """The contents of an untrusted certificate, for display."""

    subject: str
    issuer: str
    not_after: datetime
    hosts: tuple[str, ...]


def describe(certificate: bytes) -> Described:
    """Read a certificate in DER without verifying anything."""
    try:
        found = x509.load_der_x509_certificate(certificate)
        subject, issuer = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
        not_after = found.not_valid_after_utc
    except ValueError:
        raise Malformed("certificate: cannot be read", field="certificate") from None
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return Described(subject, issuer, not_after, ())
    hosts = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    return Described(subject, issuer, not_after, hosts)


def _builder(key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta) -> x509.CertificateBuilder:
    start = now - _BACKDATED
    return (
        x509.CertificateBuilder()
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _is_lapsing(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now < RENEW_BEFORE


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Malformed("certificate: not a certificate in PEM", field="certificate") from None


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        found = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        raise Malformed("certificate: its key is not a private key in PEM", field="key") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise Malformed("certificate: its key is not of P-256", field="key")
    return found
