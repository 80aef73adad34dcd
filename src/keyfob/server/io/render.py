"""Render the pages with Jinja2, with escaping, and the style sheet with the tenant's colour."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import jinja2
import segno


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("keyfob.server.io", "templates"),
        autoescape=True,
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
    """Return the style sheet. `TenantConfig` has checked the colour."""
    return files("keyfob.server.io").joinpath("templates/style.css").read_bytes().replace(b"#2454a6", colour.encode())
