"""Spend an authorization code, once (RFC 6749 §4.1.3, §10.5; RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keyfob.server.decide.check_table import first_refusal
from keyfob.server.decide.presented import PresentedCode
from keyfob.server.decide.token_checks import CODE
from keyfob.server.records import AuthorizationCode
from keyfob.server.wire import Outcome


@dataclass(frozen=True, slots=True)
class SpendCode:
    """Tokens are due, once, provided that `code` is saved in the transaction that found it unspent."""

    code: AuthorizationCode


@dataclass(frozen=True, slots=True)
class RefuseCode:
    """No tokens are due. `is_replay`: the code has been copied, so the login that came of it must end."""

    outcome: Outcome
    is_replay: bool = False


def decide_code(presented: PresentedCode) -> SpendCode | RefuseCode:
    """Decide what an authorization code gets.

    A spent code that is presented again with everything right has been copied. With anything wrong it says nothing
    about the client that spent it, and nothing ends (RFC 6749 §10.5).
    """
    refused = first_refusal(CODE, presented)
    if refused is not None:
        return RefuseCode(refused.outcome, is_replay=refused.row == "unused")
    assert presented.record is not None, "an unknown code is refused"  # noqa: S101
    return SpendCode(replace(presented.record, is_spent=True))
