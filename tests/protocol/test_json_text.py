"""JSON output is that of the standard library, whose encoder is made once."""

from __future__ import annotations

import json
from json import encoder
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.protocol import json_text
from keyfob.protocol.json_text import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner))


@given(VALUES)
def test_it_writes_what_the_standard_library_writes(value: object) -> None:
    assert write_json(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@given(VALUES)
def test_it_writes_the_same_on_an_interpreter_without_the_c_encoder(value: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(encoder, "c_make_encoder")
        plain: Callable[[object], str] = json_text._kept_encoder()

    assert plain(value).encode() == write_json(value)


@pytest.mark.parametrize("value", [{"a": b"bytes"}, {"a": {1, 2}}, object(), {(1, 2): 3}])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        write_json(value)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        write_json({"a": "\ud800"})
