"""Grant device_code: poll for the user's decision (RFC 8628 §3.4-3.5, Auth0)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from keyfob.protocol.grants import DeviceCodeGrant
from keyfob.protocol.http import Response
from keyfob.server.decide.access import account_of
from keyfob.server.decide.approval import lifetime_of, scope_of
from keyfob.server.decide.device import NUMBER_TRIES, Answer, Issue, Pace, Undecided, decide_pace, decide_poll
from keyfob.server.decide.presented import Account
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.issuing import issue_once
from keyfob.server.issue import TokenContent
from keyfob.server.keyed_hash import keyed_hash, number_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, Nearness, RefreshLogin, User

_APPROVED_FROM: Final[dict[Nearness | None, str]] = {
    "same": "approved from the device's network",
    "other": "approved from another network",
    "unknown": "approved from a network that cannot be compared",
    None: "",
}


async def poll(call: ClientRequest, grant: DeviceCodeGrant) -> Response:
    """Answer one poll: issue tokens, or return an error. While the login is pending, write nothing to the store."""
    site = call.site
    code_hash = keyed_hash(site.hash_keys.codes, grant.device_code)
    login, user = await site.store.read(lambda transaction: _load(transaction, code_hash))
    account = Account(user, None)
    if login is not None and user is not None:
        scope = scope_of(site.config.device_rules(call.application), login.nearness, login.scope)
        account = account_of(site.config, call.application, user, login.audience, scope)
    hashed = None if grant.number is None else number_hash(site.hash_keys, code_hash, grant.number)
    pace = site.paces.get(code_hash) or Pace(None, site.config.device_interval)
    decision = decide_poll(
        login,
        call.application.client_id,
        call.now,
        grant.code_verifier,
        number_hash=hashed,
        pace=pace,
        account=account,
    )
    if isinstance(decision, Undecided):
        return _answer_undecided(call, decision, code_hash, pace)
    if isinstance(decision, Answer) and decision.outcome == "verifier_wrong":
        call.note("fede", description=decision.outcome)
        return call.refuse(decision.outcome)  # a poll by an attacker does not change the client's polling state
    site.paces.drop(code_hash)
    if isinstance(decision, Answer) and decision.outcome == "number_wrong":
        return await _refuse_number(call, grant, code_hash, hashed)
    if isinstance(decision, Answer):
        if decision.login is not None and site.config.wire == "auth0":
            # Auth0 answers expired_token only once, then invalid_grant. By RFC 8628 the answer is always expired_token.
            await site.store.write(lambda transaction: _lapse(transaction, call, grant, code_hash))
        call.note("fede", description=decision.outcome)
        return call.refuse(decision.outcome)
    assert user is not None, "the login of a deleted user fails a check"  # noqa: S101
    content = _content(call, decision.login, user, account)

    async def spend(transaction: Transaction, _: RefreshLogin) -> bool:
        again = await transaction.device_by_code(code_hash)
        found = decide_poll(again, call.application.client_id, call.now, grant.code_verifier, number_hash=hashed)
        if isinstance(found, Issue):
            await transaction.save_device(found.login)
        return isinstance(found, Issue)

    issued = await issue_once(call, "sede", content, spend, description=_APPROVED_FROM[decision.login.nearness])
    if issued is None:
        call.note("fede", user_id=user.user_id, description="used at the same time")
        return call.refuse("code_unknown")
    return call.token_response(issued)


def _answer_undecided(call: ClientRequest, decision: Undecided, code_hash: bytes, pace: Pace) -> Response:
    _, after = decide_pace(pace, call.now)
    call.site.paces.put(code_hash, after)
    if decision.outcome == "number_missing":
        return call.refuse_with(decision.outcome, {"number_required": True})
    if decision.outcome == "pending":  # the usual answer, whose text has no placeholder
        return call.refuse(decision.outcome)
    return call.refuse(decision.outcome, interval=str(int(pace.interval.total_seconds())))


def _content(call: ClientRequest, login: DeviceLogin, user: User, account: Account) -> TokenContent:
    """Return the content of the tokens.

    If the login was approved from another or an unknown network, the client's rule `far_lifetime` limits the lifetime
    of the tokens.
    """
    longest = lifetime_of(call.site.config.device_rules(call.application), login.nearness)
    api = account.api
    assert api is not None, "an account without an API fails a check"  # noqa: S101
    return TokenContent(
        call.application,
        api if longest is None else replace(api, token_lifetime=min(api.token_lifetime, longest)),
        account.scope,
        user,
        login.auth_time,
        sid=login.sid,
        login_id=login.login_id,
        longest_login=longest,
        device_name=login.device_name,
    )


async def _refuse_number(
    call: ClientRequest, grant: DeviceCodeGrant, code_hash: bytes, hashed: bytes | None
) -> Response:
    """Count a wrong number. Return the response, which contains the number of tries that are left.

    If no try is left, the login has ended, and the response is that for a declined login.
    """
    client_id = call.application.client_id

    async def count(transaction: Transaction) -> Answer | None:
        login = await transaction.device_by_code(code_hash)
        found = decide_poll(login, client_id, call.now, grant.code_verifier, number_hash=hashed)
        if not isinstance(found, Answer) or found.login is None:
            return None
        await transaction.save_device(found.login)
        return found

    answer = await call.site.store.write(count)
    call.note("fede", description="number_wrong")
    if answer is None or answer.login is None or answer.login.stage != "approved":
        return call.refuse("denied")
    left = NUMBER_TRIES - answer.login.number_tries
    return call.refuse_with(answer.outcome, {"number_required": True, "number_tries_left": left})


async def _load(transaction: Transaction, code_hash: bytes) -> tuple[DeviceLogin | None, User | None]:
    login = await transaction.polled_device(code_hash)
    user_id = None if login is None else login.user_id
    return login, None if user_id is None else await transaction.user_by_id(user_id)


async def _lapse(transaction: Transaction, call: ClientRequest, grant: DeviceCodeGrant, code_hash: bytes) -> None:
    """Save an expired login with the stage `lapsed`.

    The record is loaded and checked again, since another request may have changed it. If the second check finds another
    result, nothing is saved.
    """
    login = await transaction.device_by_code(code_hash)
    decision = decide_poll(login, call.application.client_id, call.now, grant.code_verifier)
    if isinstance(decision, Answer) and decision.login is not None:
        await transaction.save_device(decision.login)
