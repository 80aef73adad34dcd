"""Grant device_code: poll for the user's decision (RFC 8628 §3.4-3.5, Auth0)."""

from __future__ import annotations

from keyfob.protocol.grants import DeviceCodeGrant
from keyfob.protocol.http import Response
from keyfob.server.decide.access import account_of
from keyfob.server.decide.device import Answer, Issue, Pace, Undecided, decide_pace, decide_poll
from keyfob.server.decide.presented import Account
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.issue import TokenContent
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, RefreshLogin, User


async def poll(call: ClientRequest, grant: DeviceCodeGrant) -> Response:
    """Answer one poll. While the login is pending, write nothing to the store."""
    site = call.site
    code_hash = keyed_hash(site.hash_keys.codes, grant.device_code)
    login, user = await site.store.read(lambda transaction: _load(transaction, code_hash))
    account = Account(user, None)
    if login is not None and user is not None:
        account = account_of(site.config, call.application, user, login.audience, login.scope)
    pace = site.paces.get(code_hash) or Pace(None, site.config.device_interval)
    decision = decide_poll(
        login,
        call.application.client_id,
        call.now,
        grant.code_verifier,
        pace=pace,
        account=account,
    )
    if isinstance(decision, Undecided):
        _, after = decide_pace(pace, call.now)
        site.paces.put(code_hash, after)
        return call.refuse(decision.outcome, interval=str(int(pace.interval.total_seconds())))
    if isinstance(decision, Answer) and decision.outcome == "verifier_wrong":
        call.note("fede", description=decision.outcome)
        return call.refuse(decision.outcome)  # a poll by an attacker does not change the client's polling state
    site.paces.drop(code_hash)
    if isinstance(decision, Answer):
        if decision.login is not None and site.config.wire == "auth0":
            # Auth0 answers expired_token only once, then invalid_grant. By RFC 8628 the answer is always expired_token.
            await site.store.write(lambda transaction: _lapse(transaction, call, grant, code_hash))
        call.note("fede", description=decision.outcome)
        return call.refuse(decision.outcome)
    assert user is not None, "the login of a deleted user fails a check"  # noqa: S101
    assert account.api is not None  # noqa: S101
    at, sid = decision.login.auth_time, decision.login.sid
    content = TokenContent(call.application, account.api, account.scope, user, at, sid=sid)

    async def spend(transaction: Transaction, _: RefreshLogin) -> bool:
        again = await transaction.device_by_code(code_hash)
        found = decide_poll(again, call.application.client_id, call.now, grant.code_verifier)
        if isinstance(found, Issue):
            await transaction.save_device(found.login)
        return isinstance(found, Issue)

    issued = await issue_once(call, "sede", content, spend)
    if issued is None:
        call.note("fede", user_id=user.user_id, description="used at the same time")
        return call.refuse("code_unknown")
    return call.token_response(issued)


async def _load(transaction: Transaction, code_hash: bytes) -> tuple[DeviceLogin | None, User | None]:
    login = await transaction.polled_device(code_hash)
    user_id = None if login is None else login.user_id
    return login, None if user_id is None else await transaction.user_by_id(user_id)


async def _lapse(transaction: Transaction, call: ClientRequest, grant: DeviceCodeGrant, code_hash: bytes) -> None:
    """Save a login as lapsed, unless another process has decided about it since the poll read it."""
    login = await transaction.device_by_code(code_hash)
    decision = decide_poll(login, call.application.client_id, call.now, grant.code_verifier)
    if isinstance(decision, Answer) and decision.login is not None:
        await transaction.save_device(decision.login)
