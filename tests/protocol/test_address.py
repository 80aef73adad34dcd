"""Which addresses are the same origin, and which are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol.address import is_public, is_web_url, origin_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://API.example/a?b#c", "https://api.example:443/"),
        ("http://127.0.0.1", "http://127.0.0.1:80/x"),
        ("https://[::1]:8443/", "https://[::1]:8443/y"),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str) -> None:
    """[C-6750-01]."""
    assert origin_of(one) == origin_of(other) != ""


@pytest.mark.parametrize(
    "other",
    [
        "http://api.example/",
        "https://api.example:8443/",
        "https://www.api.example/",
        "https://api.example.evil.example/",
        "https://api.example@evil.example/",
        "https://api.example\\@evil.example/",
        "https://evil.example/https://api.example/",
        "//api.example/",
        "javascript://api.example/",
        "https://api.example:port/",
    ],
)
def test_what_only_looks_alike_is_another_origin(other: str) -> None:
    """[C-6750-01]."""
    assert origin_of(other) != origin_of("https://api.example/")


@given(st.text(max_size=60) | st.text("https:/@.[]#?a0\\ ", max_size=40))
def test_whatever_is_no_web_address_has_no_origin(text: str) -> None:
    assert bool(origin_of(text)) == is_web_url(text)


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("https://login.example/", True), ("https://8.8.8.8/", True), ("https://[2606:4700::1111]/", True),
        ("https://10.1.2.3/", False), ("https://100.64.0.1/", False), ("https://0.0.0.0/", False),
        ("https://[fd00::1]/", False), ("https://[::ffff:10.0.0.1]/", False), ("https://[fe80::1%25eth0]/", False),
        ("https://local/", False), ("https://x.home.arpa/", False), ("https://1.2.3.4.5/", False), ("", False),
    ],
)  # fmt: skip
def test_a_public_address_is_told_by_its_looks(address: str, is_so: bool) -> None:
    """[C-9728-02]."""
    assert is_public(address) is is_so
