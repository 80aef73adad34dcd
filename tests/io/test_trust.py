"""Whom a program believes: a certificate that nobody trusts ends the conversation before a secret is said."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keyfob.errors import Unreachable
from keyfob.io.http import HttpSender, Limits
from keyfob.protocol.http import form_request

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def self_signed(folder: Path, *hosts: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "login.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts or ("login.example",)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


@contextmanager
def listening(certificate: Path, heard: list[bytes]) -> Generator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            for _ in range(2):  # the second time it is only looked at
                caller, _ = listener.accept()
                with caller, contextlib.suppress(OSError), context.wrap_socket(caller, server_side=True) as secure:
                    heard.append(secure.recv(65536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/token"
        thread.join(5)


def test_a_server_that_nobody_vouches_for_hears_nothing(tmp_path: Path) -> None:
    """[C-6749-01]"""
    heard: list[bytes] = []

    with listening(self_signed(tmp_path), heard) as url, pytest.raises(Unreachable) as caught:
        HttpSender(Limits(connect=2.0, read=2.0))(form_request(url, {"device_code": "secret"}))

    assert "certificate" in caught.value.message
    assert b"secret" not in b"".join(heard)
