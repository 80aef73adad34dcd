"""Decide whether a login's token may be sent to an address (RFC 6750 §5.3, RFC 9728 §7.4)."""

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

Destination = Literal["ours", "first", "unproven", "strange"]


def judge_destination(profile: Profile, known: Collection[str], url: str) -> Destination:
    """Decide whether an address may receive the token.

    The first rule that applies decides:

    - The origin is in `known`, or is the issuer's: the address may receive the token. The userinfo endpoint is usually
      at the issuer's origin.
    - The profile has a resource (RFC 8707): the address may receive the token only if the resource covers it.
    - The profile has an audience, as at Auth0, with the address's origin: the address may receive the token. An
      audience with another origin proves nothing, because an audience is only a name, even if it looks like an address.
    - There are other known origins: the token is for another address.

    Args:
        profile: The login's settings.
        known: The origins to which the token has been sent before, or which the user has named.
        url: The address to call.

    Returns:
        "ours" if the address may receive the token; "strange" if the token is for another address. If no rule applies:
        "unproven" if the audience is a web address of another origin, else "first".
    """
    origin, audience = origin_of(url), profile.audience or ""
    if origin in known or _is_issuer(profile, url):
        return "ours"
    if profile.is_resource and origin_of(audience):
        return "ours" if covers(audience, url) else "strange"
    if origin and origin_of(audience) == origin:
        return "ours"
    if known:
        return "strange"
    return "unproven" if origin_of(audience) else "first"


def _is_issuer(profile: Profile, url: str) -> bool:
    return bool(origin_of(url)) and origin_of(url) == origin_of(profile.issuer)


def is_worth_keeping(profile: Profile, url: str) -> bool:
    """Return whether to store the origin of an address to which the token is sent.

    The issuer's origin is not stored, since the issuer is not an API. A resource's origin is not stored, since a stored
    origin would allow addresses outside of the resource's path.
    """
    if _is_issuer(profile, url):
        return False
    return not (profile.is_resource and covers(profile.audience or "", url))


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins to which a login's token has been sent."""

    known: tuple[str, ...] = ()

    def with_origin(self, origin: str) -> Origins:
        return self if origin in self.known else Origins((*self.known, origin))

    def write(self) -> bytes:
        return json.dumps({"origins": list(self.known)}).encode() + b"\n"

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Parse the file; damaged content counts as empty."""
        try:
            return cls(read_json(raw, "origins").texts("origins"))
        except Malformed:
            return cls()
