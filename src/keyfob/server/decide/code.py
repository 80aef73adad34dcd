"""Spend an authorization code, once (RFC 6749 §4.1.3, §10.5; RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.pkce import fits
from keyfob.server.records import AuthorizationCode
from keyfob.server.wire import Outcome


@dataclass(frozen=True, slots=True)
class Spend:
    """Tokens are due, once, provided that `code` is saved in the transaction that found it unspent."""

    code: AuthorizationCode


@dataclass(frozen=True, slots=True)
class Refusal:
    """No tokens. `replayed`: whoever showed it could have had them before, so what came of it must end."""

    outcome: Outcome
    replayed: bool = False


def decide_code(
    code: AuthorizationCode | None,
    shown: AuthorizationCodeGrant,
    client_id: str,
    key_thumbprint: str | None,
    now: datetime,
) -> Spend | Refusal:
    """Decide what an authorization code gets.

    A code that was spent and is shown again with everything right has been copied; with anything wrong, it tells
    nothing about the one who spent it, and nothing ends (RFC 6749 §10.5).

    Args:
        code: The record that it points to.
        shown: What the program shows.
        client_id: Who shows it, proven where it can be.
        key_thumbprint: The key whose possession was proven, if any.
        now: Aware, UTC.
    """
    if code is None or code.client_id != client_id or code.redirect_uri != shown.redirect_uri:
        return Refusal("authorization_code_unknown")
    if (code.challenge is None) != (shown.code_verifier is None):
        return Refusal("verifier_wrong")  # a verifier without a challenge is a downgrade as well (RFC 9700 §4.8.2)
    if code.challenge is not None and shown.code_verifier is not None and not fits(shown.code_verifier, code.challenge):
        return Refusal("verifier_wrong")
    if code.key_thumbprint is not None and code.key_thumbprint != key_thumbprint:
        return Refusal("authorization_code_unknown")
    if code.is_spent:
        return Refusal("authorization_code_unknown", replayed=True)
    if now >= code.expires_at:
        return Refusal("authorization_code_unknown")
    return Spend(replace(code, is_spent=True))
