"""What `sealed.py` encrypts is decrypted in the same way with the few imports of `unsealed.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.jose import sealed, unsealed

SECRETS = st.binary(min_size=32, max_size=32)


@given(SECRETS, st.binary(max_size=300), st.text(max_size=20), st.binary(min_size=12, max_size=12))
def test_a_box_opens_to_the_same_either_way(master: bytes, plain: bytes, context: str, nonce: bytes) -> None:
    key = sealed.derive(master, "vault")
    box = sealed.seal(plain, key, nonce=nonce, context=context)

    assert unsealed.unseal(box, master, sealed.key_id(master), purpose="vault", context=context) == plain
    assert sealed.unseal(box, key, context=context) == plain


@given(SECRETS, st.integers(0, 60), st.integers(1, 255))
def test_a_box_that_was_touched_does_not_open(master: bytes, context: int, bits: int) -> None:
    box = bytearray(sealed.seal(b"x" * 30, sealed.derive(master, "vault"), nonce=bytes(12), context="c"))
    box[context] ^= bits

    with pytest.raises(Exception):  # noqa: B017, PT011  of any kind: the caller takes none for an answer
        unsealed.unseal(bytes(box), master, sealed.key_id(master), purpose="vault", context="c")


@pytest.mark.parametrize(
    ("name", "purpose", "context"), [("0" * 16, "vault", "c"), ("", "other", "c"), ("", "vault", "d")]
)
def test_another_key_purpose_or_context_opens_nothing(name: str, purpose: str, context: str) -> None:
    master = bytes(range(32))
    box = sealed.seal(b"x", sealed.derive(master, "vault"), nonce=bytes(12), context="c")

    with pytest.raises(Exception):  # noqa: B017, PT011  of any kind
        unsealed.unseal(box, master, name or sealed.key_id(master), purpose=purpose, context=context)
