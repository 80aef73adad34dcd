"""Decide: may a login's token be shown to an address (RFC 6750 §5.3, RFC 9728 §7.4)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Self

from keyfob.client.find_issuer import covers
from keyfob.errors import Malformed
from keyfob.protocol.address import origin_of
from keyfob.protocol.fields import read_json
from keyfob.protocol.target import Target

Destination = Literal["ours", "first", "strange"]


def judge_destination(target: Target, known: Collection[str], url: str) -> Destination:
    """Whose address that is.

    A resource (RFC 8707) is an address and decides by itself. Auth0's audience is a name, which may look like an
    address and be none; so it can speak for an origin, and not against one.

    Args:
        target: The API that the login is for.
        known: Origins that have taken the login's token before, or that the person has named.
        url: What is to be called.

    Returns:
        "ours" where the token belongs; "strange" where it is known to belong elsewhere; "first" where nothing is known.
    """
    origin, audience = origin_of(url), target.audience or ""
    if origin in known:
        return "ours"
    if target.is_resource and origin_of(audience):
        return "ours" if covers(audience, url) else "strange"
    if origin and origin_of(audience) == origin:
        return "ours"
    return "strange" if known else "first"


@dataclass(frozen=True, slots=True)
class Origins:
    """Who has taken a login's token, as it is kept."""

    known: tuple[str, ...] = ()

    def with_origin(self, origin: str) -> Origins:
        """One more."""
        return self if origin in self.known else Origins((*self.known, origin))

    def write(self) -> bytes:
        """For a file."""
        return json.dumps({"origins": list(self.known)}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """From a file; what cannot be understood was never known."""
        try:
            return cls(read_json(raw, "origins").texts("origins"))
        except Malformed:
            return cls()
