"""JSON output (RFC 8259). It is compact, and does not escape characters outside ASCII. `fields.py` parses JSON."""

from __future__ import annotations

from collections.abc import Callable
from json import JSONEncoder, encoder
from typing import Final

_PLAIN: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _kept_encoder() -> Callable[[object], str]:
    """Return a faster form of `JSONEncoder.encode`. It creates its C encoder only once, not at every call."""
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:  # PyPy has no C encoder
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
