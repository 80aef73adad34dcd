"""An authorization request on its way through the pages: sealed, so that nothing need be stored for a mere visit."""

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

LIFETIME: Final = timedelta(hours=1)  # as long as Auth0 lets a login take
LONGEST: Final = 16 * 1024
_CONTEXT: Final = "authorization"


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """One request that a person is busy with.

    Attributes:
        token: It, sealed, as the pages carry it.
        began_at: A login after this moment counts as one for this request.
    """

    accepted: AcceptedRequest
    token: str
    began_at: datetime


def begin(site: Site, accepted: AcceptedRequest) -> PendingRequest:
    """A request that has been checked, sealed."""
    now = site.now()
    content = json.dumps({**accepted.asked.write(), "began": now.timestamp()}).encode()
    box = seal(content, site.hash_keys.pages, nonce=site.surroundings.random(NONCE_BYTES), context=_CONTEXT)
    return PendingRequest(accepted, write_token(box), now)


def resume(site: Site, token: str | None) -> PendingRequest | None:
    """The request that a page carries, checked again: an application may have changed since. None: not ours, or old."""
    if token is None or len(token) > LONGEST:
        return None
    try:
        box = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
        fields = read_json(unseal(box, site.hash_keys.pages, context=_CONTEXT), "page")
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
    """A browser session's name in ID tokens; it opens nothing."""
    return write_token(keyed_hash(site.hash_keys.codes, b"sid " + session_hash)[:16])
