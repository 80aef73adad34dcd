"""Grants mfa-otp, mfa-oob and mfa-recovery-code: the second factor of a password login (Auth0)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from keyfob.protocol.grants import MfaOobGrant, MfaOtpGrant, MfaRecoveryGrant
from keyfob.protocol.http import NO_STORE, Response, json_response
from keyfob.server.decide.access import account_of
from keyfob.server.decide.multifactor import RECOVERY_LENGTH, FactorWrong, check_factor, write_recovery_code
from keyfob.server.decide.presented import Account, FactorFacts
from keyfob.server.endpoints.account_mail import Change, tell_owner
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.factor_tries import give_back_tries, has_tries, spend_try
from keyfob.server.endpoints.oauth.factors import (
    check_message,
    check_otp,
    check_recovery,
    recovery_of,
)
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.endpoints.oauth.token_password import gty
from keyfob.server.issue import TokenContent
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, MfaLogin, User
from keyfob.server.wire import Outcome

FactorGrant = MfaOobGrant | MfaOtpGrant | MfaRecoveryGrant


async def second_factor(call: ClientRequest, grant: FactorGrant) -> Response:
    """Check the second factor, and issue the tokens that the password grant requested. An mfa_token is valid once."""
    site = call.site
    token_hash = keyed_hash(site.hash_keys.codes, grant.mfa_token)

    peer = call.request.peer

    async def load(transaction: Transaction) -> tuple[MfaLogin | None, User | None, bool]:
        login = await transaction.mfa_login(token_hash)
        user = None if login is None else await transaction.user_by_id(login.user_id)
        return login, user, user is None or await has_tries(site, transaction, user.user_id, peer, call.now)

    found, user, may_try = await site.store.read(load)
    account = Account(user, None)
    if found is not None:
        account = account_of(site.config, call.application, user, found.audience, found.scope)
    facts = FactorFacts(
        record=found,
        client_id=call.application.client_id,
        now=call.now,
        lacks_code=isinstance(grant, MfaOobGrant) and grant.binding_code is None,
        account=account,
        key_thumbprint=call.key_thumbprint,
        has_tries=may_try,
    )
    login = check_factor(facts)
    if isinstance(login, FactorWrong):
        if login.outcome == "attempts_many" and user is not None:
            site.limited("second-factors", call.request, client_id=call.application.client_id, user_id=user.user_id)
        return call.refuse(login.outcome, problem="Missing required parameter: binding_code")
    assert user is not None, "the mfa_token of a deleted user fails a check"  # noqa: S101
    api = account.api
    assert api is not None  # noqa: S101
    if not await spend_try(site, user.user_id, peer, call.now):  # concurrent requests have spent the last try
        site.limited("second-factors", call.request, client_id=call.application.client_id, user_id=user.user_id)
        return call.refuse("attempts_many")
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, user.user_id, code, call.now, is_active=True)
    checked = await site.store.write(lambda transaction: _check(call, transaction, token_hash, grant, facts, fresh))
    if isinstance(checked, FactorWrong):
        call.note(_CODES[type(grant)].failure, user_id=user.user_id, description=checked.outcome)
        return call.refuse(checked.outcome)
    await give_back_tries(site, user.user_id, peer, call.now)
    if checked is not None:
        tell_owner(site, call.request, user, checked)
    content = TokenContent(call.application, api, account.scope, user, call.now, grant=gty(login.grant))
    issued = await issue_once(call, _CODES[type(grant)].success, content)  # the mfa_token was spent with the factor
    if issued is None:  # the password was changed, or the user blocked, in the meantime
        return call.refuse("mfa_token_unknown")
    recovery = {"recovery_code": code} if isinstance(grant, MfaRecoveryGrant) else {}
    return json_response(200, {**issued.write(), **recovery}, headers=NO_STORE + call.headers)


class _Codes(NamedTuple):
    """The codes of the audit events for one kind of factor."""

    success: str
    failure: str


_CODES: Final = {
    MfaOobGrant: _Codes("seoobft", "feoobft"),
    MfaOtpGrant: _Codes("seotpft", "feotpft"),
    MfaRecoveryGrant: _Codes("sercft", "fercft"),
}


async def _check(
    call: ClientRequest,
    transaction: Transaction,
    token_hash: bytes,
    grant: FactorGrant,
    facts: FactorFacts,
    fresh: Authenticator,
) -> FactorWrong | Change | None:
    """Check the second factor. If it is right, mark the factor's code and the mfa_token as used.

    Returns:
        A `FactorWrong` if the factor is wrong. A `Change` if the check has changed the user's factors, so that the user
        gets an e-mail about it. None if the factor is right and nothing changed.
    """
    facts = replace(facts, record=await transaction.mfa_login(token_hash))
    login = check_factor(facts)
    if isinstance(login, FactorWrong):
        return login
    site, spent = call.site, replace(login, is_spent=True)
    wrong: Outcome | None = None
    before = await _active(transaction, login.user_id)
    match grant:
        case MfaOtpGrant():
            if not await check_otp(site, transaction, login, grant.otp.reveal(), call.now):
                wrong = "otp_wrong"
        case MfaOobGrant():
            typed = "" if grant.binding_code is None else grant.binding_code.reveal()
            decision = await check_message(site, transaction, login, grant.oob_code, typed, call.now)
            if isinstance(decision, FactorWrong):
                wrong = decision.outcome
            else:
                spent = decision
        case MfaRecoveryGrant():
            if not await check_recovery(site, transaction, login, grant.recovery_code.reveal(), fresh):
                wrong = "recovery_code_wrong"
    refused = check_factor(replace(facts, wrong=wrong))
    if isinstance(refused, FactorWrong):
        return refused
    await transaction.save_mfa_login(spent)
    if isinstance(grant, MfaRecoveryGrant):
        return "recovery_used"
    return "factor_added" if await _active(transaction, login.user_id) > before else None


async def _active(transaction: Transaction, user_id: str) -> frozenset[str]:
    """Return the ids of the user's active second factors."""
    return frozenset(one.authenticator_id for one in await transaction.authenticators(user_id) if one.is_active)
