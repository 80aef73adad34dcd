"""Grants mfa-otp, mfa-oob and mfa-recovery-code: the second factor of a password login (Auth0)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from keyfob.protocol.grants import MfaOobGrant, MfaOtpGrant, MfaRecoveryGrant
from keyfob.protocol.http import NO_STORE, Response, json_response
from keyfob.server.decide.access import account_of
from keyfob.server.decide.multifactor import ENROLMENT, RECOVERY_LENGTH, FactorWrong, check_factor, write_recovery_code
from keyfob.server.decide.presented import Account, FactorFacts
from keyfob.server.endpoints.oauth.account_mail import tell_change
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
    """Issue the tokens of the password grant that required the second factor, once."""
    site = call.site
    token_hash = keyed_hash(site.hash_keys.codes, grant.mfa_token)

    peer = call.request.peer

    async def load(transaction: Transaction) -> tuple[MfaLogin | None, User | None, bool, bool]:
        login = await transaction.mfa_login(token_hash)
        user = None if login is None else await transaction.user_by_id(login.user_id)
        factors = () if user is None else await transaction.authenticators(user.user_id)
        may_try = user is None or await has_tries(site, transaction, user.user_id, peer, call.now)
        return login, user, may_try, any(one.is_active for one in factors)

    found, user, may_try, had_factor = await site.store.read(load)
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
    if not await spend_try(site, user.user_id, peer, call.now):  # others have spent the last one in the meantime
        site.limited("second-factors", call.request, client_id=call.application.client_id, user_id=user.user_id)
        return call.refuse("attempts_many")
    code = write_recovery_code(site.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, user.user_id, code, call.now, is_active=True)
    wrong = await site.store.write(lambda transaction: _check(call, transaction, token_hash, grant, facts, fresh))
    if wrong is not None:
        call.note(_CODES[type(grant)].failure, user_id=user.user_id, description=wrong.outcome)
        return call.refuse(wrong.outcome)
    await give_back_tries(site, user.user_id, peer, call.now)
    if isinstance(grant, MfaRecoveryGrant):
        tell_change(site, call.request, user, "recovery")
    elif login.grant == ENROLMENT or not had_factor:
        tell_change(site, call.request, user, "added")
    content = TokenContent(call.application, api, account.scope, user, call.now, grant=gty(login.grant))
    issued = await issue_once(call, _CODES[type(grant)].success, content)  # the mfa_token was spent with the factor
    if issued is None:  # the password was changed, or the user blocked, in the meantime
        return call.refuse("mfa_token_unknown")
    recovery = {"recovery_code": code} if isinstance(grant, MfaRecoveryGrant) else {}
    return json_response(200, {**issued.write(), **recovery}, headers=NO_STORE + call.headers)


class _Codes(NamedTuple):
    """The events of the audit log."""

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
) -> FactorWrong | None:
    """Check the second factor, and spend it together with the mfa_token. Return the reason if it is wrong."""
    facts = replace(facts, record=await transaction.mfa_login(token_hash))
    login = check_factor(facts)
    if isinstance(login, FactorWrong):
        return login
    site, spent = call.site, replace(login, is_spent=True)
    wrong: Outcome | None = None
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
    return None
