"""The requirements on a request's token, and the denial of a request (RFC 6750 §3.1, RFC 9470 §3, RFC 9110 §11)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from keyfob.errors import Misuse
from keyfob.protocol.challenge import Challenge, write_all
from keyfob.protocol.http import JSON, Headers, Response
from keyfob.protocol.scope import Scope
from keyfob.resource.verify import Principal

TRY_AGAIN: Final = timedelta(seconds=5)
_FORBIDDEN: Final = "The token does not cover this action."
_TOO_WEAK: Final = "This action asks for a stronger login."
_TOO_OLD: Final = "This action asks for a more recent login."


@dataclass(frozen=True, slots=True)
class Denial:
    """The denial of a request, with its reason.

    Attributes:
        status: The HTTP status: 400, 401, 403, or 503 if the issuer cannot be reached.
        error: The error code of RFC 6750, 9449 or 9470; "" if the request had no token (RFC 6750 §3.1).
        description: A text for the caller, which never contains received data.
        challenges: One challenge for each accepted scheme; () with status 503, where another token would not help.
        nonce: The nonce that the next DPoP proof needs (RFC 9449 §9), if any.
    """

    status: int
    error: str
    description: str
    challenges: tuple[Challenge, ...]
    nonce: str | None = None

    def response(self) -> Response:
        """Return the HTTP response, with a JSON body."""
        body = json.dumps({"error": self.error or "unauthorized", "error_description": self.description})
        headers = [("content-type", JSON), ("cache-control", "no-store"), *self.headers()]
        return Response(self.status, tuple(headers), body.encode())

    def headers(self) -> Headers:
        """Return the headers of the denial. No name is repeated, since some frameworks drop repeated headers."""
        if not self.challenges:
            return (("retry-after", str(int(TRY_AGAIN.total_seconds()))),)
        nonce = () if self.nonce is None else (("dpop-nonce", self.nonce),)
        return (("www-authenticate", write_all(self.challenges)), *nonce)


@dataclass(frozen=True, slots=True)
class Requirement:
    """The scopes, permissions and login strength that a request needs. All fields must be satisfied.

    Attributes:
        scope: The scopes that the token must have, all of them.
        any_of: Scopes of which the token must have at least one; () requires no scope. The challenge names the first
            scope.
        permissions: The values that Auth0's claim `permissions` (RBAC) must contain, all of them. A scope of the same
            name is not enough.
        acr: The accepted values of `acr`, the strength of the login; () accepts any value.
        max_age: The longest accepted time since the user logged in; None accepts any time.
    """

    scope: Scope = Scope()
    any_of: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    max_age: timedelta | None = None

    def named(self) -> Scope:
        """Return the scopes that a client must request in order to meet the requirement."""
        return Scope.of((*self.scope.names, *self.any_of[:1], *self.permissions))


def require(
    *scopes: str,
    any_of: Iterable[str] = (),
    permissions: Iterable[str] = (),
    acr: str | Iterable[str] = (),
    max_age: timedelta | None = None,
) -> Requirement:
    """Return a requirement; the arguments are the fields of `Requirement`.

    Raises:
        Misuse: `max_age` is negative, or a scope is empty or has a space in it.
    """
    strengths = (acr,) if isinstance(acr, str) else tuple(acr)
    made = Requirement(Scope.of(scopes), tuple(any_of), tuple(permissions), strengths, max_age)
    if any(not name or " " in name for name in (*scopes, *made.any_of, *made.permissions, *made.acr)):
        raise Misuse("a scope, a permission and an acr are one word each")
    if max_age is not None and max_age < timedelta():
        raise Misuse("max_age is not negative")
    return made


@lru_cache(maxsize=256)  # a route has the same requirements at every call
def requirements_of(needs: tuple[str | Requirement, ...]) -> tuple[Requirement, ...]:
    """Return the requirements. All plain scope names become one requirement."""
    names = tuple(need for need in needs if isinstance(need, str))
    others = tuple(need for need in needs if isinstance(need, Requirement))
    return (require(*names), *others) if names else others


@dataclass(frozen=True, slots=True)
class MissingRequirement:
    """A requirement that the token does not meet, as parameters of a challenge."""

    status: int
    error: str
    description: str
    parameters: tuple[tuple[str, str], ...]


def missing_requirement(
    principal: Principal, needs: Iterable[Requirement], now: datetime, leeway: timedelta
) -> MissingRequirement | None:
    """Return the first requirement that the token does not meet, or None if it meets all."""
    for need in needs:
        if not _covers(principal, need):
            return MissingRequirement(403, "insufficient_scope", _FORBIDDEN, (("scope", need.named().write()),))
        if need.acr and principal.acr not in need.acr:
            return _step_up(need, _TOO_WEAK)
        if need.max_age is not None:
            since = principal.auth_time
            if since is None or now - since > need.max_age + leeway:
                return _step_up(need, _TOO_OLD)
    return None


def _covers(principal: Principal, need: Requirement) -> bool:
    if not need.scope.names <= principal.scope.names:
        return False
    if need.any_of and not any(name in principal.scope for name in need.any_of):
        return False
    return not need.permissions or set(need.permissions) <= set(principal.permissions)


def _step_up(need: Requirement, description: str) -> MissingRequirement:
    """Return the missing requirement for a 401 challenge that requires a new or stronger login (RFC 9470 §3)."""
    age = "" if need.max_age is None else str(int(need.max_age.total_seconds()))
    parameters = (("acr_values", " ".join(need.acr)), ("max_age", age))
    given = tuple((name, value) for name, value in parameters if value)
    return MissingRequirement(401, "insufficient_user_authentication", description, given)
