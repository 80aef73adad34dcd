"""Decide whether an authorization code may be redeemed. A code works once (RFC 6749 §4.1.3, §10.5; RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import CodeFacts
from keyfob.server.decide.token_checks import CODE
from keyfob.server.records import AuthorizationCode
from keyfob.server.wire import Outcome


@dataclass(frozen=True, slots=True)
class SpendCode:
    """The decision to issue tokens, after `code` is saved in the transaction that found the code unspent."""

    code: AuthorizationCode


@dataclass(frozen=True, slots=True)
class RefuseCode:
    """The decision to issue no tokens.

    Attributes:
        is_replay: Whether the code was redeemed before. It has then been copied, so the login that it was redeemed for
            must end.
    """

    outcome: Outcome
    is_replay: bool = False


def decide_code(facts: CodeFacts) -> SpendCode | RefuseCode:
    """Decide about a presented authorization code.

    One check fails if the code was redeemed before. If all checks before this one pass, the code has been copied, so
    the login that it was redeemed for ends (RFC 6749 §10.5). If an earlier check fails, the sender of the request may
    not be the client, so the login continues.
    """
    refused = first_failed_check(CODE, facts)
    if refused is not None:
        return RefuseCode(refused.outcome, is_replay=refused.row == "unused")
    return SpendCode(replace(facts.known, is_spent=True))
