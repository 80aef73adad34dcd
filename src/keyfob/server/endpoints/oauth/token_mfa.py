"""Grants mfa-otp, mfa-oob and mfa-recovery-code: the second factor of a password login (Auth0)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.grants import MfaOobGrant, MfaOtpGrant, MfaRecoveryGrant
from keyfob.protocol.http import NO_STORE, Response, json_response
from keyfob.server.decide.multifactor import RECOVERY_LENGTH, FactorWrong, find_login, write_recovery_code
from keyfob.server.endpoints.oauth.client_request import Call
from keyfob.server.endpoints.oauth.factors import check_message, check_otp, check_recovery, has_tries, recovery_of
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.endpoints.oauth.token_password import gty
from keyfob.server.issue import Grounds
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, MfaLogin, User
from keyfob.server.wire import Outcome

FactorGrant = MfaOobGrant | MfaOtpGrant | MfaRecoveryGrant


async def second_factor(call: Call, grant: FactorGrant) -> Response:
    """The tokens of the grant that was interrupted, once."""
    site = call.site
    token_hash = keyed_hash(site.hash_keys.codes, grant.mfa_token)
    if isinstance(grant, MfaOobGrant) and grant.binding_code is None:
        return call.refuse("request_malformed", problem="Missing required parameter: binding_code")

    def load(transaction: Transaction) -> tuple[MfaLogin | None, User | None]:
        login = transaction.mfa_login(token_hash)
        return login, None if login is None else transaction.user_by_id(login.user_id)

    found, user = await site.store.read(load)
    login = find_login(found, call.application.client_id, call.now)
    if isinstance(login, FactorWrong):
        return call.refuse(login.outcome)
    api = site.config.target(login.audience)
    if user is None or user.is_blocked or api is None or login.key_thumbprint not in {None, call.key_thumbprint}:
        return call.refuse("mfa_token_unknown")
    if not has_tries(site, user.user_id, call.now):
        call.note("gd_otp_rate_limit_exceed", user_id=user.user_id)
        return call.refuse("attempts_many")
    code = write_recovery_code(site.surroundings.random(RECOVERY_LENGTH))
    fresh = recovery_of(site, user.user_id, code, call.now, is_active=True)
    wrong: Outcome | None
    wrong = await site.store.write(lambda transaction: _check(call, transaction, token_hash, grant, fresh))
    if wrong is not None:
        call.note(_FAILED[type(grant)], user_id=user.user_id, description=wrong)
        return call.refuse(wrong)
    site.factor_tries.drop(user.user_id)
    grounds = Grounds(call.application, api, login.scope, user, call.now, grant=gty(login.grant))
    issued = await issue_once(call, grounds, lambda _, __: True)  # the mfa_token was spent with the factor
    assert issued is not None  # noqa: S101
    call.note("sepft", user_id=user.user_id)
    recovery = {"recovery_code": code} if isinstance(grant, MfaRecoveryGrant) else {}
    return json_response(200, {**issued.write(), **recovery}, headers=NO_STORE + call.headers)


_FAILED = {MfaOobGrant: "feoobft", MfaOtpGrant: "feotpft", MfaRecoveryGrant: "fercft"}


def _check(
    call: Call, transaction: Transaction, token_hash: bytes, grant: FactorGrant, fresh: Authenticator
) -> Outcome | None:
    """Spend the factor and the mfa_token together; gives what is wrong, or None."""
    login = find_login(transaction.mfa_login(token_hash), call.application.client_id, call.now)
    if isinstance(login, FactorWrong):
        return login.outcome
    spent = replace(login, is_spent=True)
    match grant:
        case MfaOtpGrant():
            if not check_otp(call.site, transaction, login.user_id, grant.otp.reveal(), call.now):
                return "otp_wrong"
        case MfaOobGrant():
            typed = "" if grant.binding_code is None else grant.binding_code.reveal()
            decision = check_message(call.site, transaction, login, grant.oob_code, typed, call.now)
            if isinstance(decision, FactorWrong):
                return decision.outcome
            spent = decision
        case MfaRecoveryGrant():
            if not check_recovery(call.site, transaction, login.user_id, grant.recovery_code.reveal(), fresh):
                return "recovery_code_wrong"
    transaction.save_mfa_login(spent)
    return None
