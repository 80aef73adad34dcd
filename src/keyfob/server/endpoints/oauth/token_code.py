"""Grant authorization_code: issue tokens for an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.http import Response
from keyfob.server.decide.access import account_of
from keyfob.server.decide.code import RefuseCode, SpendCode, decide_code
from keyfob.server.decide.presented import Account, CodeFacts
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.issue import TokenContent
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import AuthorizationCode, RefreshLogin, User


async def redeem_code(call: ClientRequest, grant: AuthorizationCodeGrant) -> Response:
    """Issue tokens for a code. A code works once: a second use ends the login that the first use began."""
    site = call.site
    code_hash = keyed_hash(site.hash_keys.codes, grant.code)

    async def load(transaction: Transaction) -> tuple[AuthorizationCode | None, User | None]:
        code = await transaction.code(code_hash)
        return code, None if code is None else await transaction.user_by_id(code.user_id)

    code, user = await site.store.read(load)
    account = Account(user, None)
    if code is not None:
        account = account_of(site.config, call.application, user, code.audience, code.scope)
    facts = CodeFacts(
        record=code,
        grant=grant,
        client_id=call.application.client_id,
        key_thumbprint=call.key_thumbprint,
        now=call.now,
        account=account,
    )
    decision = decide_code(facts)
    if isinstance(decision, RefuseCode):
        if decision.is_replay and code is not None:
            await site.store.write(lambda transaction: _end(transaction, code.login_id))
        user_id, login_id = ("", b"") if code is None else (code.user_id, code.login_id or b"")
        reason = "used before" if decision.is_replay else decision.outcome
        call.note("feacft", user_id=user_id, login_id=login_id.hex(), description=reason)
        return call.refuse(decision.outcome)
    found = decision.code
    assert user is not None, "the code of a deleted user fails a check"  # noqa: S101
    api = account.api
    assert api is not None  # noqa: S101
    scope, at = account.scope, found.auth_time
    content = TokenContent(call.application, api, scope, user, at, nonce=found.nonce, sid=found.sid)

    async def spend(transaction: Transaction, login: RefreshLogin) -> bool:
        again = decide_code(replace(facts, record=await transaction.code(code_hash)))
        if isinstance(again, SpendCode):
            await transaction.save_code(replace(again.code, login_id=login.login_id))
        return isinstance(again, SpendCode)

    issued = await issue_once(call, "seacft", content, spend)
    if issued is None:
        call.note("feacft", user_id=user.user_id, description="used at the same time")
        return call.refuse("authorization_code_unknown")
    return call.token_response(issued)


async def _end(transaction: Transaction, login_id: bytes | None) -> None:
    login = None if login_id is None else await transaction.refresh_by_id(login_id)
    if login is not None:
        await transaction.save_refresh(replace(login, has_ended=True))
