"""Signed tokens taken apart and believed, or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import InvalidToken
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.tokens import LONGEST_TOKEN, believe, sign, take_apart
from keyfob.protocol.secret import Secret

KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in ALGORITHMS}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signed_token_is_believed_and_says_what_was_signed(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    claims = {"iss": "https://ü.example/", "n": 1, "list": ["a"]}
    unverified = take_apart(sign(claims, key, token_type="at+jwt"))
    assert (unverified.algorithm, unverified.key_id, unverified.type) == (algorithm, key.key_id, "at+jwt")
    assert believe(unverified, key.public_key()).values == claims


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@given(position=st.integers(0, 10_000), mask=st.integers(1, 255))
@settings(max_examples=30, deadline=None)
def test_one_changed_byte_of_the_signature_is_noticed(algorithm: Algorithm, position: int, mask: int) -> None:
    key = KEYS[algorithm]
    unverified = take_apart(sign({"a": 1}, key, token_type="JWT"))
    raw = bytearray(unverified.signature)
    raw[position % len(raw)] ^= mask
    changed = type(unverified)(
        unverified.algorithm,
        unverified.key_id,
        unverified.type,
        unverified.signing_input,
        unverified.payload,
        bytes(raw),
    )
    with pytest.raises(InvalidToken):
        believe(changed, key.public_key())


@pytest.mark.parametrize("signature", [b"", b"\x00" * 64, b"\xff" * 64, b"x" * 63, b"x" * 72])
def test_an_impossible_curve_signature_is_refused(signature: bytes) -> None:
    """[RS-7518-01]."""
    key = KEYS["ES256"]
    good = take_apart(sign({"a": 1}, key, token_type="JWT"))
    bad = type(good)(good.algorithm, good.key_id, good.type, good.signing_input, good.payload, signature)
    with pytest.raises(InvalidToken):
        believe(bad, key.public_key())


def test_a_key_of_another_algorithm_is_never_tried() -> None:
    """[RS-8725-01]."""
    token = take_apart(sign({"a": 1}, KEYS["RS256"], token_type="JWT"))
    with pytest.raises(InvalidToken):
        believe(token, KEYS["PS256"].public_key())


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "....", "x" * (LONGEST_TOKEN + 1), "ä.ö.ü", "\ud800"]
)
def test_what_is_no_signed_token_is_refused(text: str) -> None:
    """[RS-7515-02] [RS-8725-04]."""
    with pytest.raises(InvalidToken):
        take_apart(Secret(text))


@given(st.text(max_size=300))
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    try:
        take_apart(Secret(text))
    except InvalidToken as refused:
        assert refused.message
