"""The secrets of a run, and a search that finds them in any of the forms that software writes."""

from __future__ import annotations

import base64
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

from tests.stories.real.secrecy.kinds import KINDS

SHORT = 12  # shorter ones, as one-time codes, count only where nothing is beside them: numbers are everywhere
PART = 16  # so many letters of a long one in a row are a leak as well
_RUN = re.compile(rf"[\w.~+/=-]{{{PART},}}", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){6,}")
_ESCAPE = re.compile(r"\\u00([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})|\\([\"'/\\])")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.")


class Known:
    """Grows while a run goes on: threads that listen add what they hear, while others search.

    So each set is replaced and never changed.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, frozenset[str]] = dict.fromkeys(KINDS, frozenset())
        self._adding = threading.Lock()

    def add(self, kind: str, *values: str | bytes) -> None:
        """One more; bytes in the forms in which they are written down."""
        assert kind in KINDS, kind
        for value in values:
            found = list(_written(value)) if isinstance(value, bytes) else [value]
            for one in found:
                # Of what is shorter nobody could say whether it stands there by chance.
                assert len(one) >= 6, f"{kind} is too short to be looked for"
            with self._adding:
                self.kinds[kind] = self.kinds[kind].union(found)

    def kinds_in(self, text: str) -> set[str]:
        """Which kinds stand there as they are."""
        return {kind for kind, values in self.kinds.items() if any(value in text for value in values)}

    def found_in(self, text: str, allowed: Iterable[str] = ()) -> dict[str, set[str]]:
        """Which kinds, and in which forms; without those that may be there."""
        may = set(allowed)
        found: defaultdict[str, set[str]] = defaultdict(set)
        values = [(kind, value) for kind, all_of in self.kinds.items() if kind not in may for value in all_of]
        for form, view in _views(text):
            for kind, value in values:
                if _stands_in(value, view):
                    found[kind].add(form)
        pieces = self._pieces()
        for run in _RUN.finditer(_COLOUR.sub("", text)):
            for at in range(len(run[0]) - PART + 1):
                kinds = pieces.get(run[0][at : at + PART])
                if kinds and not kinds & may:
                    for kind in kinds:
                        found[kind].add("in part")
        return dict(found)

    def _pieces(self) -> dict[str, set[str]]:
        pieces: defaultdict[str, set[str]] = defaultdict(set)
        for kind, values in self.kinds.items():
            for value in values:
                # What a signed token says is in others as well, and is no token without its signature.
                plain = value.rpartition(".")[2] if _JWT.match(value) else value
                for at in range(len(plain) - PART + 1):
                    pieces[plain[at : at + PART]].add(kind)
        return pieces


def _written(value: bytes) -> Iterator[str]:
    yield value.decode("latin-1")
    yield value.hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(value).decode().rstrip("=")


def _stands_in(value: str, view: str) -> bool:
    if value not in view:
        return False
    return len(value) >= SHORT or re.search(rf"(?<![\w.]){re.escape(value)}(?![\w.])", view) is not None


def _views(text: str) -> Iterator[tuple[str, str]]:
    """The text, and what it says to whoever undoes the usual ways of writing, twice over."""
    plain = _COLOUR.sub("", text)
    yield "plain", plain
    yield "wrapped", re.sub(r"\s+|\\n", "", plain)
    once = dict(_undone(plain))
    yield from once.items()
    for form, view in once.items():
        for next_form, deeper in _undone(view):
            yield f"{form}, {next_form}", deeper


def _undone(text: str) -> Iterator[tuple[str, str]]:
    if "%" in text:
        yield "percent", unquote(text)
        yield "form", unquote_plus(text)
    if "\\" in text:
        yield "escaped", _ESCAPE.sub(lambda found: found[3] or chr(int(found[1] or found[2], 16)), text)
    yield "base64", "\n".join(_decoded(text))
    yield "hex", "\n".join(bytes.fromhex(found[0]).decode("latin-1") for found in _HEX.finditer(text))


def _decoded(text: str) -> Iterator[str]:
    for found in _BASE64.finditer(text):
        run = found[0].replace("-", "+").replace("_", "/")
        # Something may stand before what was encoded, with nothing between.
        for at in range(4):
            whole = run[at : at + (len(run) - at) // 4 * 4]
            rest = run[at + len(whole) :]
            yield base64.b64decode(
                whole + (rest + "==" if len(rest) == 2 else rest + "=" if len(rest) == 3 else "")
            ).decode("latin-1")
