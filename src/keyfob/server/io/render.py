"""Render the pages and e-mails with Jinja2, HTML with escaping, and the style sheet with the tenant's colour."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import jinja2
import segno

from keyfob.server.decide.contrast import text_on, visible_on

LIGHT_CARD: Final = "#ffffff"
DARK_CARD: Final = "#1f2228"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("keyfob.server.io", "templates"),
        autoescape=jinja2.select_autoescape(disabled_extensions=("txt",), default=True),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(name: str, words: Mapping[str, object]) -> bytes:
    return _environment().get_template(name).render(words).encode()


def draw(address: str) -> str:
    """Return a QR code as a data: URL, for the `src` of an image."""
    return segno.make(address, error="m").svg_data_uri(scale=4, border=3, dark="#000", light="#fff")


def style(colour: str) -> bytes:
    """Return the style sheet, with a text colour and edges that can be seen beside the tenant's colour.

    `TenantConfig` has checked the colour.
    """
    sheet = files("keyfob.server.io").joinpath("templates/style.css").read_text(encoding="utf-8")
    edges = f"light-dark({visible_on(colour, LIGHT_CARD)}, {visible_on(colour, DARK_CARD)})"
    chosen = {"accent": colour, "on-accent": text_on(colour), "edge": edges}
    declared = "".join(f"  --{name}: {value};\n" for name, value in chosen.items())
    return sheet.replace("  /* the tenant's colours */\n", declared).encode()
