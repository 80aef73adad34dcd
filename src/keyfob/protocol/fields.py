"""Typed access to untrusted mappings. Error messages name the field, but never contain a received value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, cast
from urllib.parse import quote_plus, unquote_to_bytes

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.address import is_web_url

# RFC 6749 §3.1 forbids repeated parameters, but RFC 8707 §2 and RFC 8693 §2.1 allow these two to be repeated.
REPEATABLE: Final = frozenset({"resource", "audience"})
# Authlib sends the client_id of a public client twice. A repeated parameter with the same value does no harm.
FORGIVEN: Final = frozenset({"client_id"})

# Python's own limit depends on its version: 3.11 refuses about a thousand levels, 3.13 some ten thousand.
DEEPEST_JSON: Final = 32

_LONGEST_SECONDS: Final = 10 * 366 * 24 * 3600
_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


@light_dataclass(frozen=True, slots=True)
class Fields:
    """An untrusted mapping. `what` is the name of the mapping in error messages."""

    values: Mapping[str, object]
    what: str

    def _wrong(self, name: str, problem: str) -> Malformed:
        return Malformed(f"{self.what}: {name} {problem}", field=name)

    def check_version(self, readable: Collection[int]) -> None:
        """Check the member `version` of a stored document.

        Raises:
            Malformed: The version is not in `readable`. The error's field is "version" if a later version of keyfob
                wrote the document, and "" in any other case.
        """
        version = self.values.get("version")
        if isinstance(version, int) and not isinstance(version, bool):
            if version in readable:
                return
            if version > max(readable):
                raise Malformed(f"{self.what}: written by another version of this program", field="version")
        raise Malformed(f"{self.what}: its version is unknown")

    def has(self, name: str) -> bool:
        """Return whether a field is present. "" and null count as absent (RFC 6749 §3.1; Auth0's SDKs send null)."""
        return self.values.get(name) not in (None, "")

    def text(self, name: str) -> str:
        """Return a required string."""
        found = self.values.get(name)
        if isinstance(found, str) and found:
            return found
        raise self._wrong(name, "is missing" if found is None or found == "" else "is not a string")

    def optional_text(self, name: str) -> str | None:
        """Return a string, or None if the field is absent."""
        found = self.values.get(name)
        if found is None:
            return None
        if not isinstance(found, str):
            raise self._wrong(name, "is not a string")
        return found or None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; () if the field is absent."""
        found = self.values.get(name)
        if found is None:
            return ()
        if not isinstance(found, list):
            raise self._wrong(name, "is not a list")
        items = cast("list[object]", found)
        strings = tuple(item for item in items if isinstance(item, str))
        if len(strings) != len(items):
            raise self._wrong(name, "holds something that is not a string")
        return strings

    def text_or_texts(self, name: str) -> tuple[str, ...]:
        """Return a field that is a string or a list of strings, such as `aud` (RFC 7519 §4.1.3); () if absent."""
        found = self.values.get(name)
        return (found,) if isinstance(found, str) else self.texts(name)

    def optional_seconds(self, name: str) -> timedelta | None:
        """Return a duration, or None if the field is absent. Accept seconds as a number, or as a string of digits."""
        found = self.values.get(name)
        if found is None or found == "":
            return None
        if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= len(str(_LONGEST_SECONDS)):
            found = int(found)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, "is not a number of seconds")
        if not (math.isfinite(found) and 0 <= found <= _LONGEST_SECONDS):
            raise self._wrong(name, "is out of range")
        return timedelta(seconds=found)

    def seconds(self, name: str) -> timedelta:
        """Return a required duration. Accept seconds as a number, or as a string of digits."""
        found = self.optional_seconds(name)
        if found is None:
            raise self._wrong(name, "is missing")
        return found

    def optional_time(self, name: str) -> datetime | None:
        """Return a NumericDate (RFC 7519 §2) as an aware time in UTC, or None if the field is absent."""
        found = self.values.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong(name, "is not a number")
        if not (math.isfinite(found) and 0 <= found <= _LATEST):
            raise self._wrong(name, "is out of range")
        return datetime.fromtimestamp(found, UTC)

    def time(self, name: str) -> datetime:
        """Return a required NumericDate as an aware time in UTC."""
        raw = self.values.get(name)
        if type(raw) is int and 0 <= raw <= _LATEST:  # a fast path, since every access token has two integer times
            return _moment(raw)
        found = self.optional_time(name)
        if found is None:
            raise self._wrong(name, "is missing")
        return found

    def url(self, name: str) -> str:
        """Return a required URL: absolute, http or https, without white space or control characters."""
        found = self.optional_url(name)
        if found is None:
            raise self._wrong(name, "is missing")
        return found

    def optional_url(self, name: str) -> str | None:
        """Return a URL as `url` does, or None if the field is absent."""
        found = self.optional_text(name)
        if found is not None and not is_web_url(found):
            raise self._wrong(name, "is not an http(s) address")
        return found


@lru_cache(maxsize=1024)  # the same token is presented repeatedly, and several tokens have the same times
def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# The usual parameter names and one grant type, by their encoded form, so that they need not be decoded.
_USUAL: Final[dict[bytes, str]] = {
    quote_plus(text).encode(): text
    for text in (
        "audience", "client_id", "client_secret", "code", "code_verifier", "device_code", "grant_type", "redirect_uri",
        "refresh_token", "resource", "scope", "token", "urn:ietf:params:oauth:grant-type:device_code",
    )
}  # fmt: skip

# Parameters of which most requests have one of a few values, none of them secret. The decoded values are cached.
_SETTLED: Final = frozenset({"audience", "resource", "scope"})
LONGEST_CACHED: Final = 256  # bytes or characters; longer values are not cached, since anybody can send them


def read_form(text: bytes, what: str) -> Fields:
    """Parse form parameters (RFC 6749 App. B).

    Args:
        text: The body or the query.
        what: The name of the form in error messages.

    Raises:
        Malformed: The text is not UTF-8, its percent-encoding is not valid, or a parameter is repeated.
    """
    values: dict[str, object] = {}
    for pair in text.split(b"&"):
        if not pair:
            continue
        raw_name, _, raw_value = pair.partition(b"=")
        name = _USUAL.get(raw_name) or _decode(raw_name, what)
        decode = _decode_usual if name in _SETTLED and len(raw_value) <= LONGEST_CACHED else _decode
        value = _USUAL.get(raw_value) or decode(raw_value, what)
        if not value:
            continue
        if name not in values:
            values[name] = value
        elif name in REPEATABLE:
            values[name] = f"{values[name]} {value}"
        elif name not in FORGIVEN or values[name] != value:
            shown = name if name.isidentifier() and len(name) <= 40 else "a parameter"
            raise Malformed(f"{what}: {shown} was sent twice", field=name)
    return Fields(values, what)


@lru_cache(maxsize=256)
def _decode_usual(raw: bytes, what: str) -> str:
    return _decode(raw, what)


def _decode(raw: bytes, what: str) -> str:
    try:
        plain = raw if b"%" not in raw and b"+" not in raw else unquote_to_bytes(raw.replace(b"+", b" "))
        return plain.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{what}: not UTF-8") from None


def read_json(text: bytes | str, what: str) -> Fields:
    """Parse a JSON object.

    Args:
        text: The JSON text in UTF-8.
        what: The name of the object in error messages.

    Raises:
        Malformed: The text is not a JSON object, is nested too deeply, or repeats a member. Or it contains a number
            that is not finite, or a string that is not Unicode.
    """
    found = _load(text, what)
    if not isinstance(found, dict):
        raise Malformed(f"{what}: not a JSON object", code="not-json")
    return Fields(cast("dict[str, object]", found), what)


def read_json_list(text: bytes, what: str) -> tuple[Fields, ...]:
    """Parse a JSON array of objects."""
    found = _load(text, what)
    items = cast("list[object]", found) if isinstance(found, list) else [None]
    if not all(isinstance(item, dict) for item in items):
        raise Malformed(f"{what}: not a JSON array of objects", code="not-json")
    return tuple(Fields(cast("dict[str, object]", item), what) for item in items)


def _load(text: bytes | str, what: str) -> object:
    try:
        plain = text if isinstance(text, str) else text.decode()
        # Usually no white space surrounds the object. Then this is faster by a third, since no white space is searched.
        found, end = _DECODER.raw_decode(plain) if plain.startswith("{") else (None, -1)
        if end != len(plain):
            found = _DECODER.decode(plain)
        if "\\u" in plain and _LONE.search(plain):
            # Encoding fails for half of a surrogate pair, which is no character (RFC 8259 §8.2).
            _ENCODE(found).encode()
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Malformed(f"{what}: not JSON", code="not-json") from None
    # Counting all brackets is fast. Only if there are many, measure how deeply they are nested.
    if plain.count("[") + plain.count("{") > DEEPEST_JSON and _depth(found) > DEEPEST_JSON:
        raise Malformed(f"{what}: nested too deeply", code="not-json")
    return found


def _depth(value: object) -> int:
    """Return the nesting depth of a value's arrays and objects."""
    depth, level = 0, [value]
    while level := [cast("dict[str, object] | list[object]", one) for one in level if isinstance(one, (dict, list))]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(_: str) -> object:
    raise ValueError


_LONE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False).encode
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_repeats, parse_constant=_no_constant)
