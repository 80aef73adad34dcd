"""The address of a client behind proxies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.http import Headers
from keyfob.server.decide.forwarded import client_address

PROXIES = ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")


def xff(value: str) -> Headers:
    return (("x-forwarded-for", value),)


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("203.0.113.5", xff("198.51.100.1"), "203.0.113.5"),
        ("127.0.0.1", xff("198.51.100.1"), "198.51.100.1"),
        ("127.0.0.1", xff("6.6.6.6, 198.51.100.1"), "198.51.100.1"),
        ("127.0.0.1", xff("6.6.6.6, 198.51.100.1, 10.1.2.3"), "198.51.100.1"),
        ("127.0.0.1", (*xff("6.6.6.6"), *xff("198.51.100.1")), "198.51.100.1"),
        ("::ffff:127.0.0.1", xff("198.51.100.1:4711"), "198.51.100.1"),
        ("fd00::1", xff("[2001:db8::1]:4711"), "2001:db8::1"),
        ("127.0.0.1", xff("2001:db8::1"), "2001:db8::1"),
        ("127.0.0.1", xff("::ffff:198.51.100.1"), "198.51.100.1"),
        ("127.0.0.1", xff("10.1.2.3"), "10.1.2.3"),
        ("127.0.0.1", xff("198.51.100.1, unknown"), ""),
        ("127.0.0.1", xff("198.51.100.1,"), ""),
        ("127.0.0.1", (), ""),
        ("127.0.0.1", (("forwarded", 'for=6.6.6.6, proto=https;For="[2001:db8::1]:47"'),), "2001:db8::1"),
        ("127.0.0.1", (("forwarded", "for=198.51.100.1"), ("forwarded", "for=_hidden")), ""),
        ("127.0.0.1", (("forwarded", "for=6.6.6.6"), *xff("198.51.100.1")), "198.51.100.1"),
        ("127.0.0.1", (("forwarded", "for=198.51.100.1"), ("cookie", "for=6.6.6.6")), "198.51.100.1"),
        ("", xff("198.51.100.1"), ""),
        # A proxy that writes `host=` quotes what the client sent as Host.
        ("127.0.0.1", (("forwarded", 'host="x;for=6.6.6.6";for=198.51.100.1'),), "198.51.100.1"),
        ("127.0.0.1", (("forwarded", 'host="x, for=6.6.6.6";for=198.51.100.1'),), "198.51.100.1"),
        ("127.0.0.1", (("forwarded", r'host="x\";for=6.6.6.6";for=198.51.100.1'),), "198.51.100.1"),
        ("127.0.0.1", (("forwarded", 'for="6.6.6.6'), ("forwarded", "for=198.51.100.1")), "198.51.100.1"),
        ("127.0.0.1", (("forwarded", 'for="6.6.6.6, for=198.51.100.1'),), ""),
        ("127.0.0.1", (("forwarded", "for=6.6.6.6;for=198.51.100.1"),), ""),
        ("127.0.0.1", (("forwarded", "for=6.6.6.6, by=10.0.0.1"),), ""),
        ("127.0.0.1", (("forwarded", "for=6.6.6.6, for=198.51.100.1;"),), ""),
        ("127.0.0.1", (("forwarded", "for=6.6.6.6,"),), ""),
    ],
)
def test_the_right_most_untrusted_entry_is_the_client(peer: str, headers: Headers, address: str) -> None:
    """[FS-05]."""
    assert client_address(peer, headers, PROXIES) == address


def test_without_a_named_proxy_no_header_is_read() -> None:
    """[FS-05]."""
    assert client_address("127.0.0.1", xff("6.6.6.6"), ()) == "127.0.0.1"
    assert client_address("127.0.0.1", xff("6.6.6.6"), (), is_hidden=True) == ""


@given(forged=st.text(st.characters(codec="latin-1")), begin=st.text(st.characters(codec="latin-1")))
def test_a_host_in_forwarded_changes_nothing(forged: str, begin: str) -> None:
    """[FS-05] RFC 7239 §5.3, and §4: a quoted string may hold everything that separates."""
    quoted = forged.replace("\\", r"\\").replace('"', r"\"")
    lines = (("forwarded", begin), ("forwarded", f'host="{quoted}";for=198.51.100.1'))
    assert client_address("10.0.0.1", lines, PROXIES) == "198.51.100.1"


@given(forged=st.text(st.characters(codec="latin-1")))
def test_what_a_client_adds_changes_nothing(forged: str) -> None:
    """[FS-05]."""
    assert client_address("10.0.0.1", xff(f"{forged}, 198.51.100.1"), PROXIES) == "198.51.100.1"
