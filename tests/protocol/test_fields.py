"""Untrusted JSON has bounds of our own, the same on every Python."""

from __future__ import annotations

import pytest

from keyfob.errors import Malformed
from keyfob.protocol.fields import DEEPEST_JSON, read_json


@pytest.mark.parametrize("inner", ['{"x":%s}', "[%s]", '[{"x":%s}]'])
def test_json_is_nested_as_deeply_as_our_own_limit_says_and_no_deeper(inner: str) -> None:
    """[FT-01]: the limits of the interpreters differ."""
    per = inner.count("[") + inner.count("{")
    levels = (DEEPEST_JSON - 1) // per

    def nested(times: int) -> bytes:
        before, _, after = inner.partition("%s")
        return f'{{"x":{before * times}1{after * times}}}'.encode()

    assert read_json(nested(levels), "token").has("x")
    for times in (levels + 1, 4_000, 100_000):
        with pytest.raises(Malformed) as raised:
            read_json(nested(times), "token")
        assert raised.value.code == "not-json"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """[FT-01]"""
    assert len(read_json(b'{"keys":[' + b",".join([b'{"a":[]}'] * 200) + b"]}", "key set").values) == 1
