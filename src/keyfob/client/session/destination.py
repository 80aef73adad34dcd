"""Decide: may a login's token be shown to an address (RFC 6750 §5.3, RFC 9728 §7.4)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Self

from keyfob.client.flows.resource_discovery import covers
from keyfob.client.model.profile import Profile
from keyfob.errors import Malformed
from keyfob.protocol.address import origin_of
from keyfob.protocol.fields import read_json

Destination = Literal["ours", "first", "strange"]


def judge_destination(profile: Profile, known: Collection[str], url: str) -> Destination:
    """Whose address that is.

    A resource (RFC 8707) is an address and decides by itself. Auth0's audience is a name, which may look like an
    address and be none; so it can speak for an origin, and not against one.

    Args:
        profile: The login. Its issuer made the token, and may always see it: /userinfo is there, as a rule.
        known: Origins that have taken the login's token before, or that the person has named.
        url: What is to be called.

    Returns:
        "ours" where the token belongs; "strange" where it is known to belong elsewhere; "first" where nothing is known.
    """
    origin, audience = origin_of(url), profile.audience or ""
    if origin in known or is_issuers(profile, url):
        return "ours"
    if profile.is_resource and origin_of(audience):
        return "ours" if covers(audience, url) else "strange"
    if origin and origin_of(audience) == origin:
        return "ours"
    return "strange" if known else "first"


def is_issuers(profile: Profile, url: str) -> bool:
    """Whether an address is the issuer's own."""
    return bool(origin_of(url)) and origin_of(url) == origin_of(profile.issuer)


def is_worth_keeping(profile: Profile, url: str) -> bool:
    """Whether it is to be remembered that an address has taken the token.

    Not of the issuer, since that says nothing about APIs, and not of what a resource says by itself: with its whole
    origin remembered, its path would count no more.
    """
    if is_issuers(profile, url):
        return False
    return not (profile.is_resource and covers(profile.audience or "", url))


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
