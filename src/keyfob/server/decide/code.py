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
    """The decision to issue tokens. In the transaction of this decision, the caller must save `code`."""

    code: AuthorizationCode


@dataclass(frozen=True, slots=True)
class RefuseCode:
    """The decision to issue no tokens.

    Attributes:
        is_replay: Whether the code is refused because it was redeemed before. The code has then been copied, so the
            login that it was redeemed for must end.
    """

    outcome: Outcome
    is_replay: bool = False


def decide_code(facts: CodeFacts) -> SpendCode | RefuseCode:
    """Decide about a presented authorization code.

    The checks run in order. The check `unused` fails if the code was redeemed before:

    - If `unused` is the first check that fails, the code has been copied. So the login that the code was redeemed for
      ends (RFC 6749 §10.5).
    - If an earlier check fails, somebody other than the client may have sent the request. So the login continues.
    """
    refused = first_failed_check(CODE, facts)
    if refused is not None:
        return RefuseCode(refused.outcome, is_replay=refused.row == "unused")
    return SpendCode(replace(facts.known, is_spent=True))
