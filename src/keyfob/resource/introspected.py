"""Check an issuer's introspection answer about an opaque token (RFC 7662 §2.2, §4)."""

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

if TYPE_CHECKING:  # not loaded by a guard without introspection
    from keyfob.protocol.introspection import IntrospectionAnswer

IntrospectionOutcome = Principal | InvalidToken

LONGEST_LIFE: Final = timedelta(minutes=5)
# Some servers write `access_token` where RFC 7662 §2.2 means the `token_type` of the token response.
_TYPES: Final = frozenset({"", "bearer", "dpop", "access_token"})


@dataclass(frozen=True, slots=True)
class Introspection:
    """How the issuer is asked about opaque tokens.

    Attributes:
        client_id: This API's client ID; it must be registered there as a confidential client.
        credential: The client's secret, or its private key (RFC 7523 §2.2).
        endpoint: The introspection endpoint; "" takes it from the issuer's metadata.
        issuer: The issuer of the opaque tokens; "" means the guard's only or first issuer.
        every: Ask about JWTs too, so that revoked ones are refused. Costs one call for each token in each `life`.
        life: How long an answer is cached, at most until the token expires. A revoked token works that much longer.
        most: The number of cached answers.
        needs_audience: Refuse answers without an audience. Otherwise any token of the issuer is valid for this API,
            unless the issuer itself checks which client asks.
        in_body: Send the secret in the body, for a server that does not accept Basic authentication.
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
        """Refuse unsafe settings.

        Raises:
            Misuse: There is no client ID, the endpoint is not safe for a secret, or a bound is out of range.
        """
        if not self.client_id:
            raise Misuse("introspection needs a client_id and its secret or key")
        if self.endpoint and not is_safe(self.endpoint):
            raise Misuse("an introspection endpoint is an https address, or plain http on this machine")
        if not timedelta() <= self.life <= LONGEST_LIFE or self.most < 0:
            raise Misuse("an introspection's answers are kept for 0 to 5 minutes")


def check_answer(
    answer: IntrospectionAnswer | None, policy: Policy, settings: Introspection, now: datetime
) -> Principal:
    """Return the caller. An active token may still be for another API, or bound to a key.

    If the answer does not say when the token expires, it expires with the cached answer.

    Raises:
        InvalidToken: A check failed; the message names it.
    """
    if answer is None:
        raise InvalidToken("the token is not valid, or not any more", check="active")
    _check_kind(answer, policy, settings)
    _check_time(answer, policy, now)
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


def _check_kind(answer: IntrospectionAnswer, policy: Policy, settings: Introspection) -> None:
    if answer.issuer and answer.issuer != policy.issuer:
        raise InvalidToken("the token is from another issuer", check="issuer")
    if policy.audience not in answer.audience and (answer.audience or settings.needs_audience):
        raise InvalidToken("the token is for another audience", check="audience")
    kind = answer.token_type.lower()
    if kind not in _TYPES:
        raise InvalidToken("the token is not an access token", check="typ")
    if kind == "dpop" and answer.key_thumbprint is None:
        raise InvalidToken("the token is bound to a key that its issuer does not name", check="bound")


def _check_time(answer: IntrospectionAnswer, policy: Policy, now: datetime) -> None:
    if answer.expires_at is not None and now >= answer.expires_at + policy.leeway:
        raise InvalidToken("the token has expired", check="exp")
    if answer.not_before is not None and now < answer.not_before - policy.leeway:
        raise InvalidToken("the token is not valid yet", check="nbf")
    if answer.issued_at is not None and now < answer.issued_at - policy.leeway:
        raise InvalidToken("the token was issued in the future", check="iat")


def believed_until(principal: Principal, settings: Introspection, now: datetime) -> datetime:
    """Return how long an answer may be cached: at most until the token expires (RFC 7662 §4)."""
    return min(now + settings.life, principal.expires_at)
