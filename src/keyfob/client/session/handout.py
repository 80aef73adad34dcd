"""Decide which access token `keyfob agent` may hand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.client.model.agent_messages import AgentAnswer, AgentRequest
from keyfob.client.model.presets import STANDARD_SCOPES
from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Refused
from keyfob.protocol.scope import Scope

# A token with a longer lifetime would be worth as much to an attacker as the login.
LONGEST: Final = timedelta(hours=24)
_OF_EVERY_LOGIN: Final = Scope.of(STANDARD_SCOPES)
_HINT: Final = "Start the agent with that login"


@dataclass(frozen=True, slots=True)
class Offer:
    """The tokens that an agent may hand out.

    Attributes:
        audiences: The APIs whose tokens may be handed out; if empty, only the login's API.
        scope: The largest scope that a token may have; None for the scope of the login.
    """

    profile: Profile
    audiences: frozenset[str] = frozenset()
    scope: Scope | None = None


def choose_offer(request: AgentRequest, offers: Sequence[Offer]) -> Offer:
    """Return the offered login that fits a request.

    Raises:
        Refused: No offered login fits, or several offered logins fit.
    """
    fitting = [offer for offer in offers if _fits(request, offer.profile)]
    if not fitting:
        raise Refused(
            "the agent offers no such login", code="agent-refused", hint=f"{_HINT}.", flags="keyfob agent NAME"
        )
    if len(fitting) > 1:
        names = ", ".join(offer.profile.name for offer in fitting)
        raise Refused(f"several logins fit: {names}", code="agent-refused", hint="Set KEYFOB_PROFILE to one of them.")
    return fitting[0]


def _fits(request: AgentRequest, profile: Profile) -> bool:
    pairs = (
        (request.profile, profile.name),
        (request.issuer, profile.issuer),
        (request.client_id, profile.client_id),
        (request.audience, profile.audience),
    )
    return all(wanted is None or wanted == offered for wanted, offered in pairs)


def check_offer(offer: Offer, stored: StoredLogin) -> None:
    """Check that the agent may hand out the tokens of a login.

    Raises:
        Refused: The tokens are for another API, exceed the offered scope, or are bound to the login's DPoP key.
    """
    name = offer.profile.name
    if offer.audiences and stored.audience not in offer.audiences:
        raise Refused(f"the login {name} is for another API", code="agent-refused")
    beyond = Scope() if offer.scope is None else stored.scope - offer.scope - _OF_EVERY_LOGIN
    if beyond and offer.scope is not None:
        raise Refused(
            f"the token of {name} has more scope than the agent may hand out: {beyond.write()}",
            code="agent-refused",
            hint="Log in under another profile with that scope only.",
            flags=f"keyfob login --profile NAME --scope '{offer.scope.write()}'",
        )
    if stored.is_bound:
        raise Refused(
            f"the token of {name} is bound to a key or certificate, which the agent does not hand out",
            code="token-bound",
            hint="Log in under another profile without DPoP and certificate.",
            flags="--dpop off",
        )


def hand_out(request: AgentRequest, offer: Offer, stored: StoredLogin, now: datetime) -> AgentAnswer:
    """Return an answer with the login's access token, but without refresh token, key or revocation endpoint.

    Args:
        stored: The login with a valid access token.
        now: The present time by this machine's clock.

    Raises:
        Refused: Any error of `check_offer`; or the token lacks a requested scope, or its lifetime is too long.
    """
    check_offer(offer, stored)
    missing = request.scope - stored.scope - _OF_EVERY_LOGIN
    if missing:
        raise Refused(f"the token of {offer.profile.name} lacks scope: {missing.write()}", code="agent-refused")
    if stored.expires_at is None or stored.expires_at - stored.skew - now > LONGEST:
        raise Refused(
            f"the token of {offer.profile.name} is valid for more than a day", code="agent-refused",
            hint="Set a shorter token lifetime at the issuer.",
        )  # fmt: skip
    profile = offer.profile
    login = StoredLogin(
        issuer=stored.issuer,
        client_id=stored.client_id,
        audience=stored.audience,
        token_endpoint=stored.token_endpoint,
        revocation_endpoint=None,
        access_token=stored.access_token,
        expires_at=stored.expires_at,
        scope=stored.scope,
        obtained_at=stored.obtained_at,
        subject=stored.subject,
        person=stored.person,
        skew=stored.skew,
    )
    return AgentAnswer(profile.name, login, is_resource=profile.is_resource)
