"""GET /assets/image: the tenant's logos and favicon, and the icons of apps."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import urlencode

from keyfob.errors import Malformed
from keyfob.protocol.http import Request, Response
from keyfob.server.endpoints.oauth.parameters import read_query
from keyfob.server.settings.pictures import read_image
from keyfob.server.site import Site

PATH: Final = "/assets/image"


def image_address(name: str, value: str | None, client_id: str = "") -> str:
    """Return the address of an image for a page, or "" if there is no image.

    If this server stores the image, the address contains a hash of the image. A new image has a new address, so
    browsers may cache the image.
    """
    if value is None or not value.startswith("data:"):
        return value or ""
    version = hashlib.sha256(value.encode()).hexdigest()[:12]
    return f"{PATH}?{urlencode({'name': name, **({'app': client_id} if client_id else {}), 'v': version})}"


async def show(site: Site, request: Request) -> Response:
    try:
        fields = read_query(request)
        name, client_id = fields.optional_text("name"), fields.optional_text("app")
    except Malformed:
        return site.refuse("not_found")
    config = site.config
    application = config.application(client_id or "")
    named = {"logo": config.logo, "logo_dark": config.logo_dark, "favicon": config.favicon}
    found = read_image(application.icon if application else named.get(name or ""))
    if found is None:
        return site.refuse("not_found")
    headers = (
        ("content-type", found.media_type),
        ("cache-control", "public, max-age=86400"),
        # A picture in SVG may have scripts. They do not run on a page, nor when the picture is opened by itself.
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    )
    return Response(200, headers, found.content)
