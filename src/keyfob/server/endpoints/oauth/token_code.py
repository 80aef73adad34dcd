"""Grant authorization_code: what the browser brought back, for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.grants import AuthorizationCodeGrant
from keyfob.protocol.http import Response
from keyfob.server.decide.code import Refusal, Spend, decide_code
from keyfob.server.endpoints.oauth.client_request import Call
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.issue import Grounds
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import AuthorizationCode, RefreshLogin, User


async def redeem_code(call: Call, grant: AuthorizationCodeGrant) -> Response:
    """Tokens, once. A code shown twice ends what came of it."""
    site = call.site
    code_hash = keyed_hash(site.hash_keys.codes, grant.code)

    def load(transaction: Transaction) -> tuple[AuthorizationCode | None, User | None]:
        code = transaction.code(code_hash)
        return code, None if code is None else transaction.user_by_id(code.user_id)

    code, user = await site.store.read(load)
    decision = decide_code(code, grant, call.application.client_id, call.key_thumbprint, call.now)
    if isinstance(decision, Refusal):
        if decision.replayed and code is not None:
            await site.store.write(lambda transaction: _end(transaction, code.login_id))
        call.note("feacft", description="used before" if decision.replayed else decision.outcome)
        return call.refuse(decision.outcome)
    found = decision.code
    api = site.config.target(found.audience)
    if user is None or user.is_blocked or api is None:
        return call.refuse("authorization_code_unknown")
    grounds = Grounds(call.application, api, found.scope, user, found.auth_time, nonce=found.nonce, sid=found.sid)

    def spend(transaction: Transaction, login: RefreshLogin | None) -> bool:
        again = decide_code(
            transaction.code(code_hash), grant, call.application.client_id, call.key_thumbprint, call.now
        )
        if isinstance(again, Spend):
            transaction.save_code(replace(again.code, login_id=None if login is None else login.login_id))
        return isinstance(again, Spend)

    issued = await issue_once(call, grounds, spend)
    if issued is None:
        call.note("feacft", description="used at the same time")
        return call.refuse("authorization_code_unknown")
    call.note("seacft", user_id=user.user_id)
    return call.hand_over(issued)


def _end(transaction: Transaction, login_id: bytes | None) -> None:
    login = None if login_id is None else transaction.refresh_by_id(login_id)
    if login is not None:
        transaction.save_refresh(replace(login, has_ended=True))
