"""Logos and icons. tenant.toml names their files; the settings contain them as data: URLs (RFC 2397)."""

from __future__ import annotations

import base64
import re
from typing import Final, NamedTuple

from keyfob.errors import Misuse
from keyfob.protocol.address import is_web_url

LARGEST_BYTES: Final = 48 * 1024
_DATA: Final = re.compile(r"data:(image/[a-z+]{1,20});base64,([A-Za-z0-9+/]+={0,2})\Z")
# The first bytes of each type that all browsers show.
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
)
_TYPES: Final = "It is a PNG, JPEG, GIF, WebP, ICO or SVG."


class Image(NamedTuple):
    media_type: str
    content: bytes


def is_file_name(value: str) -> bool:
    """Return whether the value of a logo is a file name, not a URL."""
    return not value.startswith(("/", "data:")) and "://" not in value


def write_image(content: bytes) -> str:
    """Return the content of an image file as a data: URL.

    Raises:
        Misuse: The file is too large, or not an image. The caller puts the key's name before the message.
    """
    if len(content) > LARGEST_BYTES:
        raise Misuse("is a file of more than 48 kB", hint="Make the picture smaller: it is shown 48 pixels high.")
    found = next((kind for signature, kind in _SIGNATURES if content.startswith(signature)), None)
    if found is None and content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        found = "image/webp"
    if found is None and b"<svg" in content[:1000]:
        found = "image/svg+xml"
    if found is None:
        raise Misuse("is not a picture that browsers show", hint=_TYPES)
    return f"data:{found};base64,{base64.b64encode(content).decode('ascii')}"


def read_image(address: str | None) -> Image | None:
    """Return the image of a data: URL, or None for any other URL."""
    found = None if address is None else _DATA.match(address)
    if found is None:
        return None
    try:
        return Image(found[1], base64.b64decode(found[2], validate=True))
    except ValueError:
        return None


def check_picture(name: str, value: str | None) -> None:
    """Check the value of a logo or an icon.

    Raises:
        Misuse: The value is neither an image as a data: URL nor a web address.
    """
    if value is None or value.startswith("/") or is_web_url(value) or read_image(value) is not None:
        return
    hint = "Such as logo.svg, a file beside tenant.toml, or https://example.com/logo.svg"
    raise Misuse(f"{name} is neither a picture nor a web address", hint=hint)
