"""The pure rules of passkeys: whose they are, where they work, and whether one was copied."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyfob.jose.passkey import Ceremony
from keyfob.protocol.base64url import base64url
from keyfob.server.decide.passkey import (
    LONGEST_ID,
    LONGEST_NAME,
    ceremony,
    id_of,
    is_cloned,
    is_owner,
    read_answer,
    read_passkey_name,
    relying_party,
    user_handle,
    write_creation,
    write_request,
)
from keyfob.testing.example_records import USER

ASKED = Ceremony(b"challenge", "login.example", "https://login.example")


@pytest.mark.parametrize(
    ("issuer", "rp_id", "origin"),
    [
        ("https://login.example/", "login.example", "https://login.example"),
        ("https://Login.Example:443/", "login.example", "https://login.example"),
        ("https://login.example:8443/", "login.example", "https://login.example:8443"),
        ("http://localhost:8080/", "localhost", "http://localhost:8080"),
        ("http://tenant.localhost/", "tenant.localhost", "http://tenant.localhost"),
        ("http://login.example/", "", "http://login.example"),
        ("http://127.0.0.1:8080/", "", "http://127.0.0.1:8080"),
        ("https://192.0.2.1/", "", "https://192.0.2.1"),
    ],
)
def test_the_relying_party_is_the_host_of_the_issuer_where_browsers_allow_it(
    issuer: str, rp_id: str, origin: str
) -> None:
    """WebAuthn §5.1.3: no IP address, and no plain http but on this machine. The origin is as browsers write it."""
    assert relying_party(issuer) == rp_id
    assert ceremony(issuer, b"c").origin == origin


def test_an_ipv6_address_is_no_relying_party() -> None:
    assert relying_party("https://[2001:db8::1]/") == ""


def test_the_dot_at_the_end_of_a_host_is_not_part_of_the_relying_party() -> None:
    assert relying_party("https://login.example./") == "login.example"


@pytest.mark.parametrize(
    ("stored", "sent", "is_copied"),
    [(0, 0, False), (0, 1, False), (1, 2, False), (1, 1, True), (2, 1, True), (1, 0, True)],
)
def test_a_counter_that_does_not_grow_tells_of_a_copy(stored: int, sent: int, *, is_copied: bool) -> None:
    """WebAuthn §6.1.1."""
    assert is_cloned(stored, sent) is is_copied


def test_a_user_handle_says_nothing_about_the_user_and_names_one_user() -> None:
    assert user_handle("auth0|1") != user_handle("auth0|2")
    assert b"auth0" not in user_handle("auth0|1")
    answer = read_answer(f'{{"id": "AAAA", "response": {{"userHandle": "{base64url(user_handle("auth0|1"))}"}}}}')
    assert answer is not None
    assert is_owner(answer, "auth0|1", is_known=False)
    assert not is_owner(answer, "auth0|2", is_known=True)
    silent = read_answer('{"id": "AAAA", "response": {}}')
    assert silent is not None
    assert is_owner(silent, "auth0|1", is_known=True)
    assert not is_owner(silent, "auth0|1", is_known=False)


def test_a_stored_passkey_is_found_by_the_same_names_in_every_version() -> None:
    assert user_handle("auth0|1").hex() == "827e60bc410fe3e1a369a9efcd95b94f2232907ab2dcff1e70c968da91d8c0a8"
    assert id_of(b"credential id") == "passkey|dev_01F9NYjkEDlZeKHE8Sn8LXWNm-teRnQ_4Ah-LCC0fqA"


@given(st.text())
def test_any_text_is_an_answer_or_none(text: str) -> None:
    found = read_answer(text)
    assert found is None or id_of(found.credential_id).startswith("passkey|dev_")


@given(st.text())
@example("0 \x00 0")
@example("x" * (LONGEST_NAME - 1) + " x")
def test_a_name_is_one_short_printable_line(typed: str) -> None:
    name = read_passkey_name(typed)
    assert len(name) <= LONGEST_NAME
    assert name.isprintable()
    assert name == read_passkey_name(name)


@pytest.mark.parametrize(
    ("typed", "name"), [(None, ""), ("x" * 61, "x" * 60), (" my\tnew\n key ", "my new key"), ("a\0b\x1bc", "abc")]
)
def test_white_space_in_a_name_is_a_space_and_what_cannot_be_printed_is_left_out(typed: str | None, name: str) -> None:
    assert read_passkey_name(typed) == name


@pytest.mark.parametrize(("length", "is_read"), [(0, False), (1, True), (LONGEST_ID, True), (LONGEST_ID + 1, False)])
def test_a_credential_id_is_neither_empty_nor_longer_than_the_standard_allows(length: int, *, is_read: bool) -> None:
    """WebAuthn §4."""
    encoded = base64.urlsafe_b64encode(b"i" * length).rstrip(b"=").decode()
    found = read_answer(json.dumps({"id": encoded, "response": {}}))
    assert (found is not None) is is_read


def test_the_browser_is_told_all_that_a_new_passkey_needs() -> None:
    """WebAuthn §5.4."""
    assert json.loads(write_creation(ASKED, "Tenant", USER, [b"known"])) == {
        "rp": {"id": "login.example", "name": "Tenant"},
        "user": {"id": base64url(user_handle("auth0|1")), "name": "Person@Example.com", "displayName": "Pat"},
        "challenge": base64url(b"challenge"),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in (-7, -8, -257)],
        "timeout": 300_000,
        "excludeCredentials": [{"type": "public-key", "id": base64url(b"known")}],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }
    nameless = json.loads(write_creation(ASKED, "Tenant", replace(USER, name=""), []))
    assert nameless["user"]["displayName"] == USER.email


def test_the_browser_is_told_all_that_a_login_with_a_passkey_needs() -> None:
    """WebAuthn §5.5."""
    assert json.loads(write_request(ASKED, [b"known"])) == {
        "challenge": base64url(b"challenge"),
        "rpId": "login.example",
        "allowCredentials": [{"type": "public-key", "id": base64url(b"known")}],
        "timeout": 300_000,
        "userVerification": "required",
    }
