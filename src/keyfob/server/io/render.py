"""Render the pages and e-mails with Jinja2, and the style sheet with the tenant's colour. HTML is escaped."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import jinja2
import segno

from keyfob.server.decide.contrast import text_on, visible_on

LIGHT_CARD: Final = "#ffffff"
DARK_CARD: Final = "#1f2228"


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """Return the texts of `languages/<language>.toml` by their keys, such as `login.title`."""
    text = files("keyfob.server.io").joinpath(f"languages/{language}.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, str]] = tomllib.loads(text)
    return {f"{table}.{name}": words for table, texts in tables.items() for name, words in texts.items()}


def initials(name: str) -> str:
    """Return the first letters of the first two words of a name, for an app without an icon."""
    words = [word for word in name.split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "?"


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("keyfob.server.io", "templates"),
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["initials"] = initials
    return made


def render(name: str, words: Mapping[str, object]) -> bytes:
    """Render a template. The template calls `t("table.key", value=...)` for a text in the language `words["lang"]`."""
    texts = texts_of(str(words["lang"]))

    def t(key: str, **values: Any) -> str:  # noqa: ANN401
        return texts[key].format(**values)

    def lasting(parts: Sequence[tuple[int, str]]) -> str:
        """Return a length of time as text in the page's language. `parts` are numbers with units, as (1, "hour")."""
        units = {"minute": ("minute_long", "minutes_long"), "hour": ("hour", "hours"), "day": ("day", "days")}
        shown = [t(f"about.{units[unit][number != 1]}", number=number) for number, unit in parts if number]
        return " ".join(shown) or t("about.short")

    return _environment().get_template(name).render({**words, "t": t, "lasting": lasting}).encode()


def draw(address: str) -> str:
    """Return the QR code of a URL as a data: URL, for the `src` of an image."""
    return segno.make(address, error="m").svg_data_uri(scale=4, border=3, dark="#000", light="#fff")


@cache
def script() -> bytes:
    """Return the JavaScript of the pages that use passkeys."""
    return files("keyfob.server.io").joinpath("templates/passkey.js").read_bytes()


@lru_cache(maxsize=8)
def style(colour: str) -> bytes:
    """Return the style sheet for the tenant's colour, which `TenantConfig` has checked.

    Text on the tenant's colour and the edges of such areas get colours that have enough contrast.
    """
    sheet = files("keyfob.server.io").joinpath("templates/style.css").read_text(encoding="utf-8")
    edges = f"light-dark({visible_on(colour, LIGHT_CARD)}, {visible_on(colour, DARK_CARD)})"
    chosen = {"accent": colour, "on-accent": text_on(colour), "edge": edges}
    declared = "".join(f"  --{name}: {value};\n" for name, value in chosen.items())
    return sheet.replace("  /* the tenant's colours */\n", declared).encode()
