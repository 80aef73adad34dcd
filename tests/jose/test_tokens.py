"""Signed tokens taken apart and believed, or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import InvalidToken
from keyfob.jose import tokens
from keyfob.jose.algorithms import ALGORITHMS, Algorithm
from keyfob.jose.keys import SigningKey
from keyfob.jose.opaque import decrypt, encrypt, is_opaque
from keyfob.jose.tokens import LONGEST_TOKEN, believe, peek, sign, take_apart
from keyfob.protocol.fields import Fields
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


def test_a_curve_signature_has_64_bytes_though_a_longer_one_says_the_same() -> None:
    """RFC 7518 §3.4."""
    key = KEYS["ES256"]
    good = take_apart(sign({"a": 1}, key, token_type="JWT"))
    longer = good.signature[:32] + b"\0" + good.signature[32:]
    bad = type(good)(good.algorithm, good.key_id, good.type, good.signing_input, good.payload, longer)
    with pytest.raises(InvalidToken, match="signature does not hold"):
        believe(bad, key.public_key())


def test_a_key_of_another_algorithm_is_never_tried() -> None:
    """[RS-8725-01]."""
    token = take_apart(sign({"a": 1}, KEYS["RS256"], token_type="JWT"))
    with pytest.raises(InvalidToken):
        believe(token, KEYS["PS256"].public_key())
    same = SigningKey.of(KEYS["RS256"].handle, "PS256")
    with pytest.raises(InvalidToken, match="does not fit its key") as refused:
        believe(token, same.public_key())
    assert refused.value.check == "key"


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "....", "x" * (LONGEST_TOKEN + 1), "ä.ö.ü", "\ud800"]
)
def test_what_is_no_signed_token_is_refused(text: str) -> None:
    """[RS-7515-02] [RS-8725-04]."""
    with pytest.raises(InvalidToken):
        take_apart(Secret(text))


def test_a_token_is_as_long_as_the_limit_and_no_longer() -> None:
    made = (sign({"a": "x" * size}, KEYS["Ed25519"], token_type="JWT") for size in range(12_000, LONGEST_TOKEN))
    token = next(token for token in made if len(token) == LONGEST_TOKEN)
    assert believe(take_apart(token), KEYS["Ed25519"].public_key())
    with pytest.raises(InvalidToken, match=r"^the token is too long$"):
        take_apart(Secret(token.reveal() + "A"))


@pytest.mark.parametrize("text", ["e30.e30", "e30.e30.e30.e30", "e30..e30.e30.e30"])
def test_what_has_not_three_parts_is_no_signed_token(text: str) -> None:
    """An encrypted token has five."""
    with pytest.raises(InvalidToken, match=r"^the token is not a signed JWT$"):
        take_apart(Secret(text))


def test_what_can_be_shown_of_a_token_is_shown_without_an_error() -> None:
    header, payload = peek(SPOKEN)
    assert header is not None
    assert header.text("alg") == "ES256"
    assert payload is not None
    assert payload.values == {"a": 1}
    assert peek(Secret("e30")) == (Fields({}, "token"), None)
    assert peek(Secret("\ud800.e30.x")) == (None, Fields({}, "token"))


@given(st.text(max_size=300))
def test_any_text_is_taken_apart_or_refused(text: str) -> None:
    try:
        take_apart(Secret(text))
    except InvalidToken as refused:
        assert refused.message


# Its header has both letters that base64url has beside base64's: `-` and `_`.
SPOKEN = sign({"a": 1}, KEYS["ES256"], token_type="JWT", header={"kid": "~~~???ÿÿÿ>>>"})
HEADER = SPOKEN.reveal().partition(".")[0]


def test_a_header_that_was_read_once_lends_nothing_to_one_that_is_written_otherwise() -> None:
    """[RS-7515-02] What is remembered of a header is found by letters that were put into another alphabet."""
    assert {"-", "_"} <= set(HEADER)
    assert believe(take_apart(SPOKEN), KEYS["ES256"].public_key()).values == {"a": 1}

    rest = SPOKEN.reveal()[len(HEADER) :]
    for forged in (HEADER.replace("-", "+"), HEADER.replace("_", "/"), HEADER + "=", HEADER.replace("-", "!")):
        with pytest.raises(InvalidToken) as refused:
            take_apart(Secret(forged + rest))
        assert refused.value.check == "form"
    with pytest.raises(InvalidToken) as refused:
        take_apart(SPOKEN, ("RS256",))
    assert refused.value.check == "algorithm", "what is allowed is asked each time"


@given(position=st.integers(0, 10_000), letter=st.characters(min_codepoint=0x21, max_codepoint=0x7E))
@settings(deadline=None)
def test_a_forged_header_is_judged_by_itself_whatever_was_read_before(position: int, letter: str) -> None:
    take_apart(SPOKEN)
    at = position % len(HEADER)
    forged = HEADER[:at] + letter + HEADER[at + 1 :]
    text = Secret(forged + SPOKEN.reveal()[len(HEADER) :])

    def outcome() -> object:
        try:
            return take_apart(text)
        except InvalidToken as refused:
            return refused.check

    said = outcome()
    tokens._read_header.cache_clear()
    assert said == outcome()
    if forged != HEADER and isinstance(said, tokens.Unverified):
        with pytest.raises(InvalidToken):
            believe(said, KEYS["ES256"].public_key())


def test_made_up_headers_fill_no_memory_and_push_out_nothing_that_counts() -> None:
    for number in range(1000):
        made_up = sign({}, KEYS["Ed25519"], token_type="JWT", header={"kid": f"{number}"})
        assert take_apart(made_up).key_id == f"{number}"

    info = tokens._read_header.cache_info()
    assert info.maxsize is not None
    assert info.currsize <= info.maxsize <= 100
    assert believe(take_apart(SPOKEN), KEYS["ES256"].public_key()).values == {"a": 1}


ISSUER = "https://login.example/"


@pytest.mark.parametrize("size", range(4))
def test_an_opaque_token_of_any_length_is_read_by_its_issuer_alone(size: int) -> None:
    token = encrypt({"a": "x" * size}, b"k" * 32, nonce=b"n" * 12, issuer=ISSUER)
    assert is_opaque(token)
    assert decrypt(token, b"k" * 32, issuer=ISSUER).values == {"a": "x" * size}

    header, key, nonce, body, tag = token.reveal().split(".")
    assert (key, len(nonce), len(tag)) == ("", 16, 22), "RFC 7518 §5.3: 96 and 128 bits"
    others = [
        header,
        "\ud800",
        f"{header}.AAAA.{nonce}.{body}.{tag}",
        f"{header}.{key}.{nonce}.{body[:2]}!!!!{body[2:]}.{tag}",
        f"{token.reveal()}.",
        token.reveal()[:-2],
        f"{header[:-2]}.{key}.{nonce}.{body}.{tag}",
    ]
    for text in others:
        with pytest.raises(InvalidToken, match="not an opaque token of this server"):
            decrypt(Secret(text), b"k" * 32, issuer=ISSUER)
    for master, issuer in ((b"x" * 32, ISSUER), (b"k" * 32, "https://other.example/")):
        with pytest.raises(InvalidToken, match="not an opaque token of this server"):
            decrypt(token, master, issuer=issuer)


def test_an_opaque_token_is_no_longer_than_any_other() -> None:
    made = (encrypt({"a": "x" * n}, b"k" * 32, nonce=b"n" * 12, issuer=ISSUER) for n in range(12_000, LONGEST_TOKEN))
    token = next(token for token in made if len(token) >= LONGEST_TOKEN - 1)
    more = encrypt({"a": "x" * 12_300}, b"k" * 32, nonce=b"n" * 12, issuer=ISSUER)
    assert len(token) <= LONGEST_TOKEN < len(more)
    assert decrypt(token, b"k" * 32, issuer=ISSUER).has("a")
    with pytest.raises(InvalidToken):
        decrypt(more, b"k" * 32, issuer=ISSUER)
