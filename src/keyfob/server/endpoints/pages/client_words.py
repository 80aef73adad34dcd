"""A client as shown on pages: its name, icon and maker, and whether it is the operator's own (RFC 8628 §5.4)."""

from __future__ import annotations

from keyfob.server.endpoints.pages.images import image_address
from keyfob.server.site import Site


def client_words(site: Site, client_id: str) -> dict[str, object]:
    """Return the template values about a client. For a client that is no longer registered, only the id is shown."""
    found = site.config.application(client_id)
    return {
        "application": found.name if found else client_id,
        "icon": image_address("app", found.icon, client_id) if found else "",
        "maker": (found.maker or "") if found else "",
        "is_own": found is not None and found.is_first_party,
    }
