"""Judge what an issuer says of an opaque token: a Principal, or why not (RFC 7662 §2.2, §4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from keyfob.errors import InvalidToken, Misuse
from keyfob.jose.keys import SigningKey
from keyfob.protocol.address import is_safe
from keyfob.protocol.secret import Secret
from keyfob.resource.policy import Policy
from keyfob.resource.verify import Principal

if TYPE_CHECKING:  # a guard that does not ask loads none of it
    from keyfob.protocol.introspection import IntrospectionAnswer

LONGEST_LIFE: Final = timedelta(minutes=5)
# `access_token` is written by some servers where RFC 7662 §2.2 means the type that the token answer names.
_TYPES: Final = frozenset({"", "bearer", "dpop", "access_token"})


@dataclass(frozen=True, slots=True)
class Introspection:
    """How the issuer is asked about tokens that only it can read.

    Attributes:
        client_id: Who asks; the issuer must know this API as a confidential program.
        credential: Its secret, or its private key (RFC 7523 §2.2).
        endpoint: Where to ask; "" means that the issuer's metadata says so.
        issuer: Whose tokens; "" means the guard's only or first issuer.
        every: Ask about JWTs too, so that a revoked one is refused. Costs a call for each token and `life`.
        life: How long an answer is believed, never beyond the token's end. A revoked token works so much longer.
        most: How many answers are kept.
        needs_audience: Refuse answers that do not tell whom the token is for. Without it, any token of the issuer
            opens this API unless the issuer itself looks at who asks.
        in_body: Send the secret in the body, for a server that takes no Basic header.
    """

    client_id: str
    credential: Secret | SigningKey
    endpoint: str = ""
    issuer: str = ""
    every: bool = False
    life: timedelta = timedelta(seconds=30)
    most: int = 10_000
    needs_audience: bool = True
    in_body: bool = False

    def __post_init__(self) -> None:
        """Refuse what could never be safe.

        Raises:
            Misuse: Nobody asks, the endpoint is not safe to tell a secret to, or a bound is out of range.
        """
        if not self.client_id:
            raise Misuse("introspection needs a client_id and its secret or key")
        if self.endpoint and not is_safe(self.endpoint):
            raise Misuse("an introspection endpoint is an https address, or plain http on this machine")
        if not timedelta() <= self.life <= LONGEST_LIFE or self.most < 0:
            raise Misuse("an introspection's answers are kept for 0 to 5 minutes")


def judge_answer(
    answer: IntrospectionAnswer | None, policy: Policy, settings: Introspection, now: datetime
) -> Principal:
    """Judge an answer. That a token lives says neither that it is for this API nor that it may be used alone.

    A token of which no end is known is taken to end with the time that the answer is believed.

    Raises:
        InvalidToken: A check failed; the message says which.
    """
    if answer is None:
        raise InvalidToken("the token is not valid, or not any more", check="active")
    _judge_kind(answer, policy, settings)
    _judge_time(answer, policy, now)
    if policy.required and not answer.members.values.keys() >= set(policy.required):
        raise InvalidToken("the token lacks a claim that this API asks for", check="required")
    subject = answer.subject or answer.client_id
    if not subject:
        raise InvalidToken("the issuer does not say whose token it is", check="claims")
    return Principal(
        policy.issuer,
        subject,
        answer.client_id,
        answer.scope,
        answer.permissions,
        answer.expires_at or now + settings.life,
        answer.members.values,
        answer.acr,
        answer.auth_time,
        answer.key_thumbprint,
        answer.certificate_thumbprint,
    )


def _judge_kind(answer: IntrospectionAnswer, policy: Policy, settings: Introspection) -> None:
    if answer.issuer and answer.issuer != policy.issuer:
        raise InvalidToken("the token is from another issuer", check="issuer")
    if policy.audience not in answer.audience and (answer.audience or settings.needs_audience):
        raise InvalidToken("the token is for another audience", check="audience")
    kind = answer.token_type.lower()
    if kind not in _TYPES:
        raise InvalidToken("the token is not an access token", check="typ")
    if kind == "dpop" and answer.key_thumbprint is None:
        raise InvalidToken("the token is bound to a key that its issuer does not name", check="bound")


def _judge_time(answer: IntrospectionAnswer, policy: Policy, now: datetime) -> None:
    if answer.expires_at is not None and now >= answer.expires_at + policy.leeway:
        raise InvalidToken("the token has expired", check="exp")
    if answer.not_before is not None and now < answer.not_before - policy.leeway:
        raise InvalidToken("the token is not valid yet", check="nbf")
    if answer.issued_at is not None and now < answer.issued_at - policy.leeway:
        raise InvalidToken("the token was issued in the future", check="iat")


def believed_until(principal: Principal, settings: Introspection, now: datetime) -> datetime:
    """How long an answer may be kept: not long, and never beyond the token's end (RFC 7662 §4)."""
    return min(now + settings.life, principal.expires_at)
