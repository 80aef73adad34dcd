"""A certificate that a program shows: who issued it, and whose it is (RFC 8705 §2.1-2.2, RFC 5280 §4.2.1.6).

That the program holds its key, that it has not lapsed and that its signatures are right is for whoever ends TLS.
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
    """The first certificate in PEM, as DER.

    Raises:
        Malformed: There is none.
    """
    found = der_of_pem(pem)
    try:
        x509.load_der_x509_certificate(found or b"")
    except ValueError:
        raise Malformed("certificate: not a certificate in PEM", field="certificate") from None
    return found or b""


def read_certificates(text: str) -> tuple[bytes, ...]:
    """All certificates in a text, as DER.

    Raises:
        Malformed: There is none, or one is damaged.
    """
    found = tuple(read_certificate(one) for one in certificates_in(text))
    if not found:
        raise Malformed("certificate: not a certificate in PEM", field="certificate")
    return found


def is_issued_by(certificate: bytes, authorities: Iterable[bytes]) -> bool:
    """Whether one of some authorities has signed a certificate itself. All in DER."""
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
    """Whether a certificate in DER is for a name of the form `dns:robot.example`.

    A subject is one as a whole, in the form of RFC 4514. Of the others a certificate may have several; they are
    compared letter for letter, those of DNS and the part of an e-mail address behind the @ without regard to case. A
    star in a certificate is a star.
    """
    kind, _, wanted = name.partition(":")
    try:
        found = x509.load_der_x509_certificate(certificate)
        if kind == "subject":
            return found.subject == x509.Name.from_rfc4514_string(wanted)
        said = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    match kind:
        case "dns":
            return wanted.lower() in {one.lower() for one in said.get_values_for_type(x509.DNSName)}
        case "uri":
            return wanted in said.get_values_for_type(x509.UniformResourceIdentifier)
        case "ip":
            return ip_address(wanted) in said.get_values_for_type(x509.IPAddress)
        case "email":
            return _mailbox(wanted) in {_mailbox(one) for one in said.get_values_for_type(x509.RFC822Name)}
        case _:
            return False


def check_name(name: str) -> None:
    """Refuse what could be no name.

    Raises:
        Malformed: It is of none of these forms.
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
    person, at, host = address.rpartition("@")
    return f"{person}{at}{host.lower()}"
