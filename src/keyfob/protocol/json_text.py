"""JSON output (RFC 8259): compact, with characters outside ASCII not escaped. `fields.py` parses JSON input."""

from __future__ import annotations

from collections.abc import Callable
from json import JSONEncoder, encoder
from typing import Final

_PLAIN: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _kept_encoder() -> Callable[[object], str]:
    """Return a function like `JSONEncoder.encode` that creates its C encoder once instead of at every call."""
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:  # PyPy has none
        return _PLAIN.encode
    no_markers = no_indent = None
    sorts_keys = skips_keys = False
    allows_nan = True
    kept: Callable[[object, int], tuple[str, ...]] = make(
        no_markers, _PLAIN.default, encoder.encode_basestring, no_indent, ":", ",", sorts_keys, skips_keys, allows_nan
    )
    return lambda value: "".join(kept(value, 0))


write_text: Final = _kept_encoder()


def write_json(value: object) -> bytes:
    """Return the value as JSON in UTF-8. The value must have no circular references."""
    return write_text(value).encode()
