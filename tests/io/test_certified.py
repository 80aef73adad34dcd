"""A program's certificate, from files: what will not do is said in words, and never with a byte of the key."""

from __future__ import annotations

import base64
import os
import ssl
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyfob.errors import Malformed, Misuse, Refused
from keyfob.io.http import HttpSender, Limits
from keyfob.io.key_pair import KeyPair
from keyfob.io.trust import certify, ssl_context
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.http import Request
from tests.loopback import says, serving
from tests.tls import Ground, Made, make, put

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
QUICK = Limits(connect=2.0, read=2.0)
CLIENT = ssl.PROTOCOL_TLS_CLIENT


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground.at(tmp_path)


def pair(made: Made, folder: Path, name: str = "robot") -> KeyPair:
    return KeyPair(*made.lay(folder, name))


def refusal(files: KeyPair) -> Misuse:
    with pytest.raises(Misuse) as raised:
        certify(ssl.SSLContext(CLIENT), files)
    assert raised.value.code == "certificate-unusable"
    return raised.value


# What lies there.


def test_the_thumbprint_is_that_of_the_first_certificate(ground: Ground, tmp_path: Path) -> None:
    """[C-8705-01]"""
    robot = make("robot", ground.authority)
    files = KeyPair.of(str(put(tmp_path / "chain.pem", robot.certificate + ground.authority.certificate)), None)
    assert files.thumbprint() == thumbprint_of(robot.der)


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    certify(ssl.SSLContext(CLIENT), KeyPair.of(str(make().lay_together(tmp_path)), None))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: files.certificate.unlink(), "No such file"),
        (lambda files: files.key.unlink(), "No such file"),
        (lambda files: put(files.certificate, b"hello"), "no certificate in PEM"),
        (lambda files: put(files.certificate, b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"), "no cert"),
        (lambda files: put(files.key, b"hello"), "no usable private key"),
        (lambda files: put(files.key, make().key), "does not match the certificate"),
        (lambda files: put(files.key, make(passphrase=b"word").key), "no usable private key"),
        (lambda files: put(files.certificate, make(ends=-timedelta(days=1)).certificate), "has expired on 20"),
    ],
)  # fmt: skip
def test_what_will_not_do_is_said_and_nobody_is_asked_for_a_passphrase(
    tmp_path: Path, spoil: Callable[[KeyPair], object], said: str
) -> None:
    files = pair(make(), tmp_path)
    spoil(files)
    assert said in refusal(files).message


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    files = pair(make(), tmp_path)
    files.key.chmod(mode)
    problem = refusal(files)
    assert "other users of this computer can read" in problem.message
    assert problem.hint == f"Run: chmod go-rwx {files.key}"
    files.key.chmod(0o400)
    certify(ssl.SSLContext(CLIENT), files)


def says_nothing_of(key: bytes, *texts: str) -> bool:
    """Not even a part of it, in either alphabet."""
    lines = [line for line in key.decode("ascii", "replace").splitlines() if line and not line.startswith("-----")]
    try:
        raw = base64.b64decode("".join(lines))
    except ValueError:
        raw = b""
    parts = [line[start : start + 12] for line in lines for start in range(0, max(1, len(line) - 12), 6)]
    hexes = [raw[start : start + 6].hex() for start in range(0, max(1, len(raw) - 6), 3)]
    return not any(part in text for part in (*parts, *hexes) if len(part) == 12 for text in texts)


KEY = make().key
CERTIFICATE = make().certificate


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(KEY)), end=st.integers(0, len(KEY)), junk=st.binary(max_size=20), together=st.booleans())
def test_no_byte_of_the_key_is_in_an_error_or_a_repr(
    tmp_path: Path, cut: int, end: int, junk: bytes, together: bool
) -> None:
    """[C-8705-01]"""
    spoilt = KEY[:cut] + junk + KEY[end:]
    if together:
        both = put(tmp_path / "both.pem", spoilt + CERTIFICATE)
        files = KeyPair(both, both)
    else:
        files = KeyPair(put(tmp_path / "robot.pem", CERTIFICATE), put(tmp_path / "robot.key", spoilt))
    with pytest.raises(Misuse) as raised:  # it is another certificate's in any case
        certify(ssl.SSLContext(CLIENT), files)
    problem = raised.value
    below = raised.tb.tb_next  # what is on this page holds the key
    told = "".join(traceback.TracebackException(Misuse, problem, below, capture_locals=True).format())
    assert says_nothing_of(
        KEY, told, problem.message, problem.hint, repr(problem), repr(files), repr(problem.__context__)
    )


# What is shown.


def test_a_server_that_asks_is_shown_the_certificate(ground: Ground, tmp_path: Path) -> None:
    """[C-8705-01]"""
    robot = make("robot", ground.authority)
    sender = HttpSender(QUICK, ca=ground.ca, pair=pair(robot, tmp_path))
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED)) as server:
        assert sender(Request("GET", f"{server.url}/")).status == 200
        sender.close()
    assert server.shown == [robot.der]


def test_a_server_that_does_not_ask_is_shown_nothing(ground: Ground, tmp_path: Path) -> None:
    sender = HttpSender(QUICK, ca=ground.ca, pair=pair(make("robot", ground.authority), tmp_path))
    with serving({"/": says(200)}, ground.context(ssl.CERT_NONE)) as server:
        sender(Request("GET", f"{server.url}/"))
        sender.close()
    assert server.shown == [None]


def test_a_certificate_that_is_replaced_is_shown_at_once_and_no_connection_of_the_old_one_is_used(
    ground: Ground, tmp_path: Path
) -> None:
    """[C-8705-01]"""
    first, second = make("robot", ground.authority), make("robot", ground.authority)
    files = pair(first, tmp_path)
    sender = HttpSender(QUICK, ca=ground.ca, pair=files)
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED), keeps=True) as server:
        for made in (first, second, first, second):
            made.lay(tmp_path)
            sender(Request("GET", f"{server.url}/"))
            sender(Request("GET", f"{server.url}/"))
        sender.close()
    assert server.shown == [made.der for made in (first, first, second, second) * 2]


def test_while_the_files_are_replaced_the_certificate_before_is_shown(ground: Ground, tmp_path: Path) -> None:
    first, second = make("robot", ground.authority), make("robot", ground.authority)
    files = pair(first, tmp_path)
    sender = HttpSender(QUICK, ca=ground.ca, pair=files)
    with serving({"/": says(200, connection="close")}, ground.context(ssl.CERT_REQUIRED)) as server:
        ask = Request("GET", f"{server.url}/")
        sender(ask)
        files.key.unlink()
        sender(ask)
        put(files.key, second.key)
        sender(ask)
        put(files.certificate, second.certificate)
        sender(ask)
        sender.close()
    assert server.shown == [first.der, first.der, first.der, second.der]


def test_another_library_that_has_the_context_shows_the_new_certificate_too(ground: Ground, tmp_path: Path) -> None:
    first, second = make("robot", ground.authority), make("robot", ground.authority)
    context = ssl_context(ground.ca, pair(first, tmp_path))
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED)) as server:
        assert httpx.get(f"{server.url}/", verify=context).status_code == 200
        second.lay(tmp_path)
        assert httpx.get(f"{server.url}/", verify=context).status_code == 200
    assert server.shown == [first.der, second.der]


def test_while_only_one_of_two_files_is_new_a_context_shows_the_certificate_before(
    ground: Ground, tmp_path: Path
) -> None:
    first, second = make("robot", ground.authority), make("robot", ground.authority)
    files = pair(first, tmp_path)
    context = ssl_context(ground.ca, files)
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED)) as server:
        put(files.certificate, second.certificate)
        assert httpx.get(f"{server.url}/", verify=context).status_code == 200
        put(files.key, second.key)
        assert httpx.get(f"{server.url}/", verify=context).status_code == 200
    assert server.shown == [first.der, second.der]


# What is not taken.


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("none", "requires a client certificate, and received none"),
        ("of nobody", "refused the client certificate: its issuer is not trusted"),
        ("of another", "refused the client certificate: its issuer is not trusted"),
    ],
)
def test_a_server_that_does_not_take_the_certificate_is_a_refusal_that_says_so(
    ground: Ground, tmp_path: Path, shown: str, said: str
) -> None:
    """[C-8705-01]"""
    other = make("another", is_authority=True)
    made = {"none": None, "of nobody": make("robot"), "of another": make("robot", other)}[shown]
    sender = HttpSender(QUICK, ca=ground.ca, pair=None if made is None else pair(made, tmp_path))
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED)) as server:
        with pytest.raises(Refused) as raised:
            sender(Request("GET", f"{server.url}/"))
        sender.close()
    assert raised.value.code == "certificate-refused"
    assert said in raised.value.message
    assert "--certificate" in raised.value.hint_with_flags
    assert server.came == []


def test_the_same_by_tls_1_2(ground: Ground, tmp_path: Path) -> None:
    sender = HttpSender(QUICK, ca=ground.ca, pair=pair(make("robot"), tmp_path))
    with serving({"/": says(200)}, ground.context(ssl.CERT_REQUIRED, newest=ssl.TLSVersion.TLSv1_2)) as server:
        with pytest.raises(Refused, match="its issuer is not trusted"):
            sender(Request("GET", f"{server.url}/"))
        sender.close()


def test_what_breaks_otherwise_is_as_before(ground: Ground) -> None:
    sender = HttpSender(QUICK, ca=ground.ca)
    with serving({"/": says(200)}) as server, pytest.raises((Malformed, Exception)) as raised:
        sender(Request("GET", server.url.replace("http", "https")))
    assert getattr(raised.value, "code", "") == "unreachable"
