"""An authority for one machine: whom it vouches for, for how long, and for whom it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from cryptography.x509.verification import DNSName, IPAddress, PolicyBuilder, Store, VerificationError

from keyfob.errors import Malformed
from keyfob.jose.certificates import AUTHORITY_LIFE, RENEW_BEFORE, SERVER_LIFE, TLS_HOSTS, Authority, describe, new_key
from keyfob.jose.shown import has_name

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Subject = DNSName | IPAddress
SUBJECTS: list[Subject] = [DNSName("localhost"), IPAddress(ip_address("127.0.0.1")), IPAddress(ip_address("::1"))]
# Each is within somebody's reach who has stolen the authority's key.
OTHERS: list[Subject] = [
    DNSName("login.example.com"),
    DNSName("localhost.example.com"),
    IPAddress(ip_address("192.0.2.1")),
    IPAddress(ip_address("2001:db8::1")),
]


@pytest.fixture
def authority() -> Authority:
    return Authority.new(new_key(), NOW)


def verify(authority: Authority, leaf: x509.Certificate, subject: Subject, now: datetime = NOW) -> None:
    """As a TLS client would, with that authority as its only root."""
    policy = PolicyBuilder().store(Store([authority.certificate])).time(now.replace(tzinfo=None))
    chain = policy.build_server_verifier(subject).verify(leaf, [])
    assert [len(chain), chain[-1]] == [2, authority.certificate]


def certified(authority: Authority, key: bytes | None = None, now: datetime = NOW) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.certify(key or new_key(), now))


def stolen(authority: Authority, name: x509.GeneralName) -> x509.Certificate:
    """What somebody signs who has the authority's key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_program_that_trusts_the_authority_trusts_the_server(authority: Authority, subject: Subject) -> None:
    verify(authority, certified(authority), subject)


@pytest.mark.parametrize("subject", OTHERS, ids=str)
def test_the_server_is_taken_for_nobody_else(authority: Authority, subject: Subject) -> None:
    with pytest.raises(VerificationError):
        verify(authority, certified(authority), subject)


@pytest.mark.parametrize("subject", OTHERS, ids=str)
def test_a_stolen_authority_can_vouch_for_nobody_beyond_this_machine(authority: Authority, subject: Subject) -> None:
    name = x509.DNSName(subject.value) if isinstance(subject, DNSName) else x509.IPAddress(subject.value)
    with pytest.raises(VerificationError, match="permitted"):
        verify(authority, stolen(authority, name), subject)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_it_is_the_name_alone_that_a_stolen_authority_fails_by(authority: Authority, subject: Subject) -> None:
    """Else the test above would pass for another reason."""
    name = x509.DNSName(subject.value) if isinstance(subject, DNSName) else x509.IPAddress(subject.value)
    verify(authority, stolen(authority, name), subject)


def test_another_authority_does_not_vouch_for_the_server(authority: Authority) -> None:
    with pytest.raises(VerificationError):
        verify(Authority.new(new_key(), NOW), certified(authority), SUBJECTS[0])


def test_the_authority_signs_certificates_and_nothing_else(authority: Authority) -> None:
    extensions = authority.certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    constraints = extensions.get_extension_for_class(x509.NameConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    name = f"CN=keyfob local authority {own.hex()[:8]}"
    assert authority.certificate.subject.rfc4514_string() == authority.certificate.issuer.rfc4514_string() == name
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert not usage.value.digital_signature
    assert constraints.critical
    assert [str(name.value) for name in constraints.value.permitted_subtrees or []] == [
        "localhost",
        "127.0.0.0/8",
        "::1/128",
    ]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_servers_certificate_says_who_it_is_and_what_for(authority: Authority) -> None:
    extensions = certified(authority).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    own = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert tuple(str(name.value) for name in names) == TLS_HOSTS
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value == x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest != own
    assert authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest == own


def test_the_authority_lives_ten_years_and_the_server_as_long_as_every_client_allows(authority: Authority) -> None:
    leaf = certified(authority)
    assert (timedelta(days=3650), timedelta(days=825)) == (AUTHORITY_LIFE, SERVER_LIFE)
    assert authority.certificate.not_valid_before_utc == leaf.not_valid_before_utc == NOW - timedelta(hours=1)
    assert authority.certificate.not_valid_after_utc - authority.certificate.not_valid_before_utc == AUTHORITY_LIFE
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == SERVER_LIFE
    with pytest.raises(VerificationError):
        verify(authority, leaf, SUBJECTS[0], NOW + SERVER_LIFE)


def test_a_server_never_outlives_its_authority(authority: Authority) -> None:
    late = NOW + AUTHORITY_LIFE - timedelta(days=100)
    assert certified(authority, now=late).not_valid_after_utc == authority.certificate.not_valid_after_utc


def test_an_authority_made_again_for_its_key_vouches_for_what_the_old_one_signed() -> None:
    key = new_key()
    leaf = certified(Authority.new(key, NOW - AUTHORITY_LIFE + timedelta(days=900)), now=NOW)
    again = Authority.new(key, NOW)
    verify(again, leaf, SUBJECTS[0])


def test_an_authority_is_read_back_from_its_files() -> None:
    key = new_key()
    made = Authority.new(key, NOW)
    assert Authority.read(made.pem(), key).certificate == made.certificate


@pytest.mark.parametrize(
    ("days", "stands"), [(0, True), (794, True), (796, False), (826, False)], ids=["new", "old", "lapsing", "lapsed"]
)
def test_a_certificate_is_served_until_a_month_before_its_end(authority: Authority, days: int, stands: bool) -> None:
    assert timedelta(days=30) == RENEW_BEFORE
    key = new_key()
    assert authority.stands_behind(authority.certify(key, NOW), key, NOW + timedelta(days=days)) is stands
    assert not authority.is_lapsing(NOW + timedelta(days=days))


def test_the_authority_itself_is_renewed_a_month_before_its_end(authority: Authority) -> None:
    end = authority.certificate.not_valid_after_utc
    assert not authority.is_lapsing(end - RENEW_BEFORE)
    assert authority.is_lapsing(end - RENEW_BEFORE + timedelta(seconds=1))


def test_a_certificate_for_another_key_or_of_another_authority_is_not_served(authority: Authority) -> None:
    key = new_key()
    assert not authority.stands_behind(authority.certify(key, NOW), new_key(), NOW)
    assert not authority.stands_behind(Authority.new(new_key(), NOW).certify(key, NOW), key, NOW)
    forger = Authority(authority.certificate, Authority.new(new_key(), NOW).key)
    assert not authority.stands_behind(forger.certify(key, NOW), key, NOW), "only the name is the authority's"


def other_kinds_of_key() -> list[bytes]:
    p384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    rsa_key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    encrypted = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    return [b"", b"no key", p384, rsa_key, encrypted, Authority.new(new_key(), NOW).pem()]


def test_what_is_damaged_is_said_to_be(authority: Authority) -> None:
    good = new_key()
    for key in other_kinds_of_key():
        with pytest.raises(Malformed, match="key") as refused:
            Authority.new(key, NOW)
        assert refused.value.field == "key"
        with pytest.raises(Malformed, match="key"):
            authority.certify(key, NOW)
    for certificate in (b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", good):
        with pytest.raises(Malformed, match="certificate") as refused:
            Authority.read(certificate, good)
        assert refused.value.field == "certificate"
        with pytest.raises(Malformed, match="certificate"):
            authority.stands_behind(certificate, good, NOW)
    with pytest.raises(Malformed, match="does not belong") as refused:
        Authority.read(authority.pem(), good)
    assert refused.value.field == "certificate"


def test_a_certificate_is_described_without_being_believed(authority: Authority) -> None:
    leaf, own = certified(authority), authority.certificate
    described = describe(leaf.public_bytes(serialization.Encoding.DER))
    assert described.hosts == ("localhost", "127.0.0.1", "::1")
    assert described.not_after == leaf.not_valid_after_utc
    assert described.issuer == own.subject.rfc4514_string()
    assert described.subject == leaf.subject.rfc4514_string()
    assert describe(own.public_bytes(serialization.Encoding.DER)).hosts == ()
    with pytest.raises(Malformed) as refused:
        describe(b"no certificate")
    assert refused.value.field == "certificate"


def test_a_certificate_whose_names_are_damaged_is_described_without_them_and_has_none(authority: Authority) -> None:
    damaged = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"x")
    made = (
        x509.CertificateBuilder()
        .subject_name(authority.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(authority.key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(damaged, critical=False)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    assert describe(made).hosts == ()
    assert not has_name(made, "dns:localhost")
