"""A pending authorization request. The pages carry it encrypted, so that the server stores nothing before a login."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.errors import Malformed
from keyfob.jose.sealed import NONCE_BYTES, seal, unseal
from keyfob.protocol.fields import Fields, read_json
from keyfob.server.decide.authorization_facts import AcceptedRequest
from keyfob.server.decide.authorization_request import check_request
from keyfob.server.keyed_hash import keyed_hash, write_token
from keyfob.server.site import Site

LIFETIME: Final = timedelta(hours=1)  # Auth0's limit for a login
LONGEST: Final = 16 * 1024
_CONTEXT: Final = "authorization"


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """An accepted request that has no answer yet.

    Attributes:
        token: The encrypted request, for the pages.
        began_at: A login after this time is a login for this request.
    """

    accepted: AcceptedRequest
    token: str
    began_at: datetime


def begin(site: Site, accepted: AcceptedRequest) -> PendingRequest:
    """Return an accepted request in encrypted form."""
    now = site.now()
    content = json.dumps({**accepted.asked.write(), "began": now.timestamp()}).encode()
    encrypted = seal(content, site.hash_keys.pages, nonce=site.random(NONCE_BYTES), context=_CONTEXT)
    return PendingRequest(accepted, write_token(encrypted), now)


def resume(site: Site, token: str | None) -> PendingRequest | None:
    """Decrypt the request of a page and check it again, since the settings may have changed. Return None if too old."""
    if token is None or len(token) > LONGEST:
        return None
    try:
        encrypted = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
        fields = read_json(unseal(encrypted, site.hash_keys.pages, context=_CONTEXT), "page")
    except (ValueError, Malformed):
        return None
    began = fields.values.get("began")
    if not isinstance(began, float) or site.now() >= datetime.fromtimestamp(began, UTC) + LIFETIME:
        return None
    asked = {name: value for name, value in fields.values.items() if name != "began"}
    accepted = check_request(site.config, Fields(asked, "page"))
    if not isinstance(accepted, AcceptedRequest):
        return None
    return PendingRequest(accepted, token, datetime.fromtimestamp(began, UTC))


def sid_of(site: Site, session_hash: bytes) -> str:
    """Return the `sid` of a browser session for ID tokens. It is not a credential."""
    return write_token(keyed_hash(site.hash_keys.codes, b"sid " + session_hash)[:16])
