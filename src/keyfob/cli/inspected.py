"""A token explained, as it is shown: for a person, and for a program. Its signature is never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from keyfob.cli import output
from keyfob.guard import Policy
from keyfob.resource.explain import Check, Explanation
from keyfob.resource.token_kind import TokenKind

KINDS: Final[dict[TokenKind, str]] = {
    "access-token": "an access token: a signed JWT",
    "id-token": "an ID token: it tells a program who logged in, and is for no API",
    "signed": "a signed JWT that says it is something other than an access token",
    "encrypted": "an encrypted token (JWE): only whoever it is for can read it",
    "opaque": "an opaque token: only its issuer can say what it is",
}
_DARK: Final = frozenset({"encrypted", "opaque"})
_MARKS: Final = {True: "ok", False: "NO", None: "?"}
_TIMES: Final = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
_LONGEST: Final = 300
_LATEST: Final = 253402300799  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Inspected:
    """A token, what it was held against, and what came of that.

    Attributes:
        signature_bytes: How long its signature is; 0 where it has none.
        assumed: What nobody said, so that the token's own word was taken: "issuer", "audience".
        keys_missing: Why the issuer's keys are not at hand, or "".
    """

    kind: TokenKind
    explanation: Explanation
    policy: Policy
    now: datetime
    signature_bytes: int = 0
    assumed: tuple[str, ...] = ()
    keys_missing: str = ""

    @property
    def needs_proof(self) -> bool:
        """Whether it works only with a proof of the key that it is bound to."""
        return any(check.name == "bound" and check.holds is False for check in self.explanation.checks)

    @property
    def signed_by(self) -> str | None:
        """Whose key the signature was checked with; None where it does not hold or could not be looked at."""
        holds = any(check.name == "signature" and check.holds for check in self.explanation.checks)
        return self.policy.issuer if holds else None

    @property
    def accepted(self) -> bool | None:
        """Whether such an API would take it; None where that cannot be told."""
        if self.kind == "id-token" and "audience" in self.assumed:
            return False
        told = [check.holds for check in self.explanation.checks if check.name != "bound"]
        if False in told:
            return False
        return None if None in told else True


def lines(found: Inspected) -> Iterator[str]:
    """For a person."""
    yield f"This looks like {KINDS[found.kind]}."
    for title, members in (("header", found.explanation.header), ("claims", found.explanation.claims)):
        if members and found.kind != "opaque" and not (found.kind == "encrypted" and title == "claims"):
            yield ""
            yield title
            yield from _table(members, found.now)
    if found.signature_bytes:
        yield ""
        yield from _signature(found)
    yield ""
    yield from _judgement(found)


def members(found: Inspected) -> dict[str, object]:
    """For a program."""
    readable = found.kind != "opaque"
    claims = found.explanation.claims if found.kind not in _DARK else None
    return {
        "kind": found.kind,
        "header": found.explanation.header if readable else None,
        "claims": claims,
        "times": {name: _time_members(when, found.now) for name, when in _times(claims or {})},
        "signature_bytes": found.signature_bytes,
        "signed_by": found.signed_by,
        "issuer": None if found.policy.issuer == NOBODY else found.policy.issuer,
        "audience": None if found.policy.audience == NOBODY else found.policy.audience,
        "profile": found.policy.profile,
        "assumed": list(found.assumed),
        "checks": [{"name": check.name, "holds": check.holds, "why": check.why} for check in found.explanation.checks],
        "keys_missing": found.keys_missing or None,
        "needs_proof": found.needs_proof,
        "accepted": found.accepted,
    }


# In a policy's place for what neither anybody nor the token says; can be reached by nobody (RFC 6761 §6.4).
NOBODY: Final = "https://nobody.invalid/"


def _judgement(found: Inspected) -> Iterator[str]:
    yield "checks of an API"
    for name, value in (("issuer", found.policy.issuer), ("audience", found.policy.audience)):
        if value != NOBODY:
            own = f" (as the token says; --{name} holds it against yours)" if name in found.assumed else ""
            yield f"  for the {name} {value}{own}"
    is_dark = found.kind in _DARK
    rows = [_row(check, found) for check in found.explanation.checks if check.holds is not None or not is_dark]
    yield from (f"  {line}" for line in output.columns(rows))
    yield ""
    if found.keys_missing:
        yield f"The key and the signature could not be looked at: {found.keys_missing}."
    match found.accepted:
        case True if found.needs_proof:
            yield "An API takes it with a proof of the key or certificate it is bound to; not as a plain bearer token."
        case True:
            yield "An API takes it."
        case None:
            yield "Whether an API takes it cannot be told."
        case _ if found.kind in _DARK:
            yield "Nothing more can be told of it here. An API that checks tokens itself refuses it; one that asks the"
            yield "issuer about each (RFC 7662) may take it."
        case _:
            yield from _refusal(found)


def _refusal(found: Inspected) -> Iterator[str]:
    """Everything that is wrong, so that nobody need come twice."""
    wrong = [check.why for check in found.explanation.checks if check.holds is False and check.name != "bound"]
    yield f"An API refuses it: {'; '.join(wrong)}." if wrong else "No API takes it: it is an ID token."


def _signature(found: Inspected) -> Iterator[str]:
    header = found.explanation.header or {}
    by = f"{_value(header.get('alg'))}, {found.signature_bytes} bytes, not shown"
    if found.signed_by is not None:
        yield f"signed by {found.signed_by} ({by})"
    else:
        yield f"signed, and it is not known by whom ({by})"


def _row(check: Check, found: Inspected) -> tuple[str, str, str]:
    if check.name in found.assumed and check.holds:
        return "-", check.name, "there was nothing to hold it against"
    return _MARKS[check.holds], check.name, check.why


def _table(said: Mapping[str, object], now: datetime) -> Iterator[str]:
    moments = dict(_times(said))
    rows = [(name[:40], _moment(moments[name], now) if name in moments else _value(said[name])) for name in said]
    yield from (f"  {line}" for line in output.columns(rows))


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} letters)"


def _times(said: Mapping[str, object]) -> Iterator[tuple[str, datetime]]:
    for name, value in said.items():
        if name in _TIMES and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST:
            yield name, datetime.fromtimestamp(value, UTC)


def _moment(when: datetime, now: datetime) -> str:
    distance = when - now
    away = f"in {output.span(distance)}" if distance > timedelta() else f"{output.span(-distance)} ago"
    return f"{output.clock(when)} ({away})"


def _time_members(when: datetime, now: datetime) -> dict[str, object]:
    return {"at": output.instant(when), "in_seconds": int((when - now).total_seconds())}
