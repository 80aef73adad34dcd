"""What a call needs, and the denial to answer with (RFC 6750 §3.1, RFC 9470 §3, RFC 9110 §11)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    """Why a call may not pass.

    Attributes:
        status: 400, 401, 403, or 503 where the issuer cannot be asked.
        error: The code of RFC 6750, 9449 or 9470; "" where no token was shown (RFC 6750 §3.1).
        description: Words for the caller; never holds anything that was received.
        challenges: One for each scheme that would do; () at 503, where another token would not help.
        nonce: What the next proof of possession has to hold (RFC 9449 §9), where one is asked for.
    """

    status: int
    error: str
    description: str
    challenges: tuple[Challenge, ...]
    nonce: str | None = None

    def response(self) -> Response:
        """As an answer with a JSON body."""
        body = json.dumps({"error": self.error or "unauthorized", "error_description": self.description})
        headers = [("content-type", JSON), ("cache-control", "no-store"), *self.headers()]
        return Response(self.status, tuple(headers), body.encode())

    def headers(self) -> Headers:
        """The headers that carry the denial; no name comes twice, since some frameworks would lose one."""
        if not self.challenges:
            return (("retry-after", str(int(TRY_AGAIN.total_seconds()))),)
        nonce = () if self.nonce is None else (("dpop-nonce", self.nonce),)
        return (("www-authenticate", write_all(self.challenges)), *nonce)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a call needs of a token. Everything that is named has to be there.

    Attributes:
        scope: All of these scopes.
        any_of: At least one of these scopes; () asks for none. A caller who has none is told the first.
        permissions: All of these, as Auth0's `permissions` names them (RBAC); a scope of that name is not enough.
        acr: At least one of these, as the strength of the login; () takes any.
        max_age: How long ago the person may have logged in.
    """

    scope: Scope = Scope()
    any_of: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()
    max_age: timedelta | None = None

    def named(self) -> Scope:
        """The scopes that a caller would have to ask for."""
        return Scope.of((*self.scope.names, *self.any_of[:1], *self.permissions))


def require(
    *scopes: str,
    any_of: Iterable[str] = (),
    permissions: Iterable[str] = (),
    acr: str | Iterable[str] = (),
    max_age: timedelta | None = None,
) -> Requirement:
    """What a call needs; see `Requirement`.

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


def requirement_of(needs: tuple[str | Requirement, ...]) -> tuple[Requirement, ...]:
    """Bare names are scopes, and all of them are needed."""
    names = tuple(need for need in needs if isinstance(need, str))
    others = tuple(need for need in needs if isinstance(need, Requirement))
    return (require(*names), *others) if names or not others else others


@dataclass(frozen=True, slots=True)
class Lack:
    """What a principal lacks, in the words of a challenge."""

    status: int
    error: str
    words: str
    parameters: tuple[tuple[str, str], ...]


def lack(principal: Principal, needs: Iterable[Requirement], now: datetime, leeway: timedelta) -> Lack | None:
    """None when the token covers all of `needs`."""
    for need in needs:
        if not _covers(principal, need):
            return Lack(403, "insufficient_scope", _FORBIDDEN, (("scope", need.named().write()),))
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


def _step_up(need: Requirement, words: str) -> Lack:
    """Another login would help: 401, and what kind (RFC 9470 §3)."""
    age = "" if need.max_age is None else str(int(need.max_age.total_seconds()))
    asked = (("acr_values", " ".join(need.acr)), ("max_age", age))
    told = tuple((name, value) for name, value in asked if value)
    return Lack(401, "insufficient_user_authentication", words, told)
