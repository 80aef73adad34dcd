"""Check the issuer and the names of a presented client certificate (RFC 8705 §2.1-2.2, RFC 5280 §4.2.1.6).

The chain, the expiry and the possession of the private key are not checked here: the TLS endpoint verifies them.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from keyfob.errors import Malformed
from keyfob.protocol.certificate import certificates_in, der_of_pem

KINDS: Final = ("subject", "dns", "uri", "ip", "email")


def read_certificate(pem: str) -> bytes:
    """Return the first certificate of a PEM text as DER, or raise `Malformed`."""
    found = der_of_pem(pem) or b""
    try:
        x509.load_der_x509_certificate(found)
    except ValueError:
        raise Malformed("certificate: not a certificate in PEM", field="certificate") from None
    return found


def read_certificates(text: str) -> tuple[bytes, ...]:
    """Return all certificates of a PEM text as DER.

    Raises:
        Malformed: The text has no certificate, or a certificate is damaged.
    """
    found = tuple(read_certificate(one) for one in certificates_in(text))
    if not found:
        raise Malformed("certificate: not a certificate in PEM", field="certificate")
    return found


def is_issued_by(certificate: bytes, authorities: Iterable[bytes]) -> bool:
    """Return whether one of the authorities has directly signed the certificate. All certificates are in DER."""
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return False
    for authority in authorities:
        try:
            found.verify_directly_issued_by(x509.load_der_x509_certificate(authority))
        except (InvalidSignature, ValueError, TypeError):
            continue
        return True
    return False


def has_name(certificate: bytes, name: str) -> bool:
    """Return whether a certificate in DER contains a name, such as `dns:robot.example`.

    The name `subject:...` is a distinguished name in the form of RFC 4514, and must equal the whole subject. Every
    other name must equal one of the certificate's subject alternative names. The case of DNS names and e-mail domains
    is ignored. Wildcards are not expanded.
    """
    kind, _, wanted = name.partition(":")
    try:
        found = x509.load_der_x509_certificate(certificate)
        if kind == "subject":
            return found.subject == x509.Name.from_rfc4514_string(wanted)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    match kind:
        case "dns":
            return wanted.lower() in {one.lower() for one in names.get_values_for_type(x509.DNSName)}
        case "uri":
            return wanted in names.get_values_for_type(x509.UniformResourceIdentifier)
        case "ip":
            return ip_address(wanted) in names.get_values_for_type(x509.IPAddress)
        case "email":
            return _mailbox(wanted) in {_mailbox(one) for one in names.get_values_for_type(x509.RFC822Name)}
        case _:
            return False


def check_name(name: str) -> None:
    """Raise `Malformed` if a text is not a name that `has_name` can look for.

    A name has one of these forms:

    - `subject:` and a distinguished name
    - `ip:` and an IP address
    - `dns:`, `uri:` or `email:`, and any text that is not empty
    """
    kind, _, value = name.partition(":")
    is_name = kind in KINDS and bool(value)
    try:
        if kind == "subject":
            is_name = bool(x509.Name.from_rfc4514_string(value).rdns)
        if kind == "ip":
            ip_address(value)
    except ValueError:
        is_name = False
    if not is_name:
        raise Malformed("certificate_name: is no name", field="certificate_name")


def _mailbox(address: str) -> str:
    local, at, host = address.rpartition("@")
    return f"{local}{at}{host.lower()}"
