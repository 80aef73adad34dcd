"""The report of `keyfob inspect` on a token, as text and as JSON. It never contains the signature."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from keyfob.cli import output
from keyfob.guard import Policy
from keyfob.jose.tokens import looks_signed, peek
from keyfob.protocol.claims import AT_JWT, OF_ACCESS_TOKENS, is_like_id_token
from keyfob.protocol.secret import Secret
from keyfob.resource.explain import Check, Explanation

TokenKind = Literal["access-token", "id-token", "signed", "encrypted", "opaque"]
KINDS: Final[dict[TokenKind, str]] = {
    "access-token": "an access token: a signed JWT",
    "id-token": "an ID token: it tells a client who logged in, and is not for an API",
    "signed": "a signed JWT whose type is not that of an access token",
    "encrypted": "an encrypted token (JWE): only its recipient can read it",
    "opaque": "an opaque token: only its issuer can read it",
}
_UNREADABLE: Final = frozenset({"encrypted", "opaque"})
_MARKS: Final = {True: "ok", False: "NO", None: "?"}
_TIMES: Final = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
_LONGEST: Final = 300
_LATEST: Final = 253402300799  # the end of the year 9999
# This stands for an unknown issuer or audience in a policy. The host name never resolves (RFC 6761 §6.4).
UNKNOWN: Final = "https://nobody.invalid/"
_ACCESS: Final = frozenset({AT_JWT, f"application/{AT_JWT}"})
_PLAIN: Final = frozenset({"", "jwt", "application/jwt"})
_OF_USERS: Final = frozenset({"email", "name", "picture"})


@dataclass(frozen=True, slots=True)
class TokenReport:
    """A token and the results of its checks.

    Attributes:
        policy: The expected issuer and audience.
        signature_bytes: The length of the token's signature; 0 if it has none.
        assumed: Which of "issuer" and "audience" were taken from the token itself, since the user did not give them.
        keys_missing: The reason why the issuer's keys are not available, or "".
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
        return any(check.name == "bound" and check.holds is False for check in self.explanation.checks)

    @property
    def signed_by(self) -> str | None:
        """The issuer whose key verified the signature; None if the signature is wrong or was not checked."""
        holds = any(check.name == "signature" and check.holds for check in self.explanation.checks)
        return self.policy.issuer if holds else None

    @property
    def accepted(self) -> bool | None:
        """Whether an API with this policy would accept the token; None if that is unknown."""
        if self.kind == "id-token" and "audience" in self.assumed:
            return False
        results = [check.holds for check in self.explanation.checks if check.name != "bound"]
        if False in results:
            return False
        return None if None in results else True


def lines(report: TokenReport) -> Iterator[str]:
    """Return the report as lines of text."""
    yield f"This looks like {KINDS[report.kind]}."
    for title, members in (("header", report.explanation.header), ("claims", report.explanation.claims)):
        if members and report.kind != "opaque" and not (report.kind == "encrypted" and title == "claims"):
            yield ""
            yield title
            yield from _table(members, report.now)
    if report.signature_bytes:
        yield ""
        yield from _signature(report)
    yield ""
    yield from _judgement(report)


def members(report: TokenReport) -> dict[str, object]:
    """Return the report as JSON members."""
    readable = report.kind != "opaque"
    claims = report.explanation.claims if report.kind not in _UNREADABLE else None
    return {
        "kind": report.kind,
        "header": report.explanation.header if readable else None,
        "claims": claims,
        "times": {name: _time_members(when, report.now) for name, when in _times(claims or {})},
        "signature_bytes": report.signature_bytes,
        "signed_by": report.signed_by,
        "issuer": None if report.policy.issuer == UNKNOWN else report.policy.issuer,
        "audience": None if report.policy.audience == UNKNOWN else report.policy.audience,
        "profile": report.policy.profile,
        "assumed": list(report.assumed),
        "checks": [{"name": check.name, "holds": check.holds, "why": check.why} for check in report.explanation.checks],
        "keys_missing": report.keys_missing or None,
        "needs_proof": report.needs_proof,
        "accepted": report.accepted,
    }


def _judgement(report: TokenReport) -> Iterator[str]:
    yield "checks of an API"
    for name, value in (("issuer", report.policy.issuer), ("audience", report.policy.audience)):
        if value != UNKNOWN:
            own = f" (from the token; --{name} compares it with yours)" if name in report.assumed else ""
            yield f"  for the {name} {value}{own}"
    is_unreadable = report.kind in _UNREADABLE
    rows = [_row(check, report) for check in report.explanation.checks if check.holds is not None or not is_unreadable]
    yield from (f"  {line}" for line in output.columns(rows))
    yield ""
    if report.keys_missing:
        yield f"The key and the signature could not be checked: {report.keys_missing}."
    match report.accepted:
        case True if report.needs_proof:
            yield (
                "An API accepts it only with a proof of the key or certificate to which it is bound, "
                "not as a plain bearer token."
            )
        case True:
            yield "An API accepts it."
        case None:
            yield "Whether an API accepts it is unknown."
        case _ if report.kind in _UNREADABLE:
            yield "Nothing more can be told of it here. An API that checks tokens itself refuses it; one that asks the"
            yield "issuer about each (RFC 7662) may take it."
        case _:
            yield from _refusal(report)


def _refusal(report: TokenReport) -> Iterator[str]:
    """Yield lines with all failed checks."""
    wrong = [check.why for check in report.explanation.checks if check.holds is False and check.name != "bound"]
    yield f"An API refuses it: {'; '.join(wrong)}." if wrong else "No API accepts it: it is an ID token."


def _signature(report: TokenReport) -> Iterator[str]:
    header = report.explanation.header or {}
    by = f"{_value(header.get('alg'))}, {report.signature_bytes} bytes, not shown"
    if report.signed_by is not None:
        yield f"signed by {report.signed_by} ({by})"
    else:
        yield f"signed, by an unknown key ({by})"


def _row(check: Check, report: TokenReport) -> tuple[str, str, str]:
    if check.name in report.assumed and check.holds:
        return "-", check.name, "there was nothing to compare it with"
    return _MARKS[check.holds], check.name, check.why


def _table(claims: Mapping[str, object], now: datetime) -> Iterator[str]:
    moments = dict(_times(claims))
    rows = [(name[:40], _moment(moments[name], now) if name in moments else _value(claims[name])) for name in claims]
    yield from (f"  {line}" for line in output.columns(rows))


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} letters)"


def _times(claims: Mapping[str, object]) -> Iterator[tuple[str, datetime]]:
    for name, value in claims.items():
        if name in _TIMES and isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LATEST:
            yield name, datetime.fromtimestamp(value, UTC)


def _moment(when: datetime, now: datetime) -> str:
    distance = when - now
    away = f"in {output.span(distance)}" if distance > timedelta() else f"{output.span(-distance)} ago"
    return f"{output.clock(when)} ({away})"


def _time_members(when: datetime, now: datetime) -> dict[str, object]:
    return {"at": output.instant(when), "in_seconds": int((when - now).total_seconds())}


def kind_of(token: Secret, client_id: str | None = None) -> TokenKind:
    """Return the likely kind of a token. The token is not verified, and no check depends on the result.

    Args:
        token: The token without a scheme such as `Bearer`.
        client_id: The client ID of a login, or None. A token whose only audience is this client is an ID token.

    Returns:
        The kind. "signed" is a JWT whose `typ` is that of neither access tokens nor ID tokens, such as a DPoP proof.
        "opaque" is a text that is not a JWT, such as a token that only its issuer can read.
    """
    header, claims = peek(token)
    if header is None or not isinstance(header.values.get("alg"), str):
        return "opaque"
    if not looks_signed(token):
        return "encrypted" if "enc" in header.values else "opaque"
    written = header.values.get("typ", "")
    token_type = written.lower() if isinstance(written, str) else "?"
    if token_type in _ACCESS:
        return "access-token"
    if token_type not in _PLAIN:
        return "signed"
    names = frozenset[str]() if claims is None else claims.values.keys()
    audience = None if claims is None else claims.values.get("aud")
    is_for_client = client_id is not None and audience in (client_id, [client_id])
    if names.isdisjoint(OF_ACCESS_TOKENS) and (is_for_client or names & _OF_USERS or is_like_id_token(names)):
        return "id-token"
    return "access-token"
