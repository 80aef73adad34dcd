"""Check an issuer's introspection response for a token (RFC 7662 §2.2, §4)."""

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
    """The settings for introspecting opaque tokens at their issuer.

    Attributes:
        client_id: This API's client ID at the issuer, where the API is registered as a confidential client.
        credential: The client secret, or the private key for client assertions (RFC 7523 §2.2).
        endpoint: The introspection endpoint; "" means the endpoint in the issuer's metadata.
        issuer: The issuer of the opaque tokens; "" means the guard's only or first issuer.
        every: Whether JWTs are introspected too, so that revoked JWTs are refused. This costs one request for each
            token in each period of `life`.
        life: How long a response is cached, at most until the token expires. A revoked token is accepted for up to this
            time.
        most: The greatest number of cached responses.
        needs_audience: Whether responses without an audience are refused. If False, this API also accepts the issuer's
            tokens for other APIs, unless the issuer reports such tokens to this API's client as inactive.
        in_body: Whether the secret is sent in the body, for a server that does not accept Basic authentication.
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
            Misuse: The client ID is empty, the endpoint is not safe for a secret, or a limit is out of range.
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
    """Check an introspection response, and return the caller. Even an active token may be for another API.

    If the response has no `exp`, the caller's `expires_at` is the time at which the cached response expires.

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
    """Return the time until which a response may be cached, at most the token's expiry (RFC 7662 §4)."""
    return min(now + settings.life, principal.expires_at)
