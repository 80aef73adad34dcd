"""Grant refresh_token: issue new tokens for a refresh token (RFC 6749 §6, RFC 9700 §4.14, Auth0)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.grants import RefreshGrant
from keyfob.protocol.http import Response
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.access import account_of
from keyfob.server.decide.presented import Account, PresentedRefreshToken
from keyfob.server.decide.refresh import Refuse, Renew, decide_refresh
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.issue import TOKEN_ID_BYTES, TokenContent
from keyfob.server.keyed_hash import keyed_hash, next_refresh, read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin, User


async def renew(call: ClientRequest, grant: RefreshGrant) -> Response:
    site = call.site
    parts = read_refresh(grant.refresh_token, site.hash_keys.refresh)
    if parts is None:
        unreadable = decide_refresh(None, None, call.application.refresh, call.now, b"")
        assert isinstance(unreadable, Refuse)  # noqa: S101
        call.note("fertft", description=unreadable.reason)
        return call.refuse(unreadable.outcome)
    fresh = next_refresh(parts, site.hash_keys.refresh)
    fresh_hash = keyed_hash(site.hash_keys.refresh, fresh.secret)
    secret_hash = keyed_hash(site.hash_keys.refresh, parts.secret)
    client_id = call.application.client_id
    presented = PresentedRefreshToken(parts.generation, secret_hash, client_id, grant.scope, call.key_thumbprint)
    token_id = site.random(TOKEN_ID_BYTES)

    async def rotate(transaction: Transaction) -> tuple[Refuse | TokenAnswer, RefreshLogin | None]:
        found = await transaction.refresh_with_user(parts.login_id)
        login, account = (None, None) if found is None else (found[0], _account(call, *found))
        decision = decide_refresh(login, presented, call.application.refresh, call.now, fresh_hash, account)
        if isinstance(decision, Refuse):
            if decision.login is not None:
                await transaction.save_refresh(decision.login)
            return decision, login
        assert account is not None, "an unknown token fails a check"  # noqa: S101
        # Signed within the transaction, so that a failed signature rotates nothing.
        renewed = fresh.write(site.hash_keys.refresh) if decision.rotates else None
        content = _content(call, decision, account)
        issued = site.token_issuer.issue(content, call.now, token_id, renewed, decision.login)
        await transaction.save_refresh(decision.login)
        return issued, login

    decision, login = await site.store.write(rotate)
    # The token was authenticated, so its login existed, even if the store has deleted it since.
    who = {"login_id": parts.login_id.hex(), "user_id": login.user_id if login else ""}
    if isinstance(decision, Refuse):
        call.note("ferrt" if decision.reason == "reused" else "fertft", **who, description=decision.reason)
        return call.refuse(decision.outcome)
    call.note("sertft", **who, audience=login.audience if login else "")
    return call.token_response(decision)


def _account(call: ClientRequest, login: RefreshLogin, user: User | None) -> Account:
    """Return the login's user, API and scope, as far as the current settings still allow them.

    If the API no longer allows offline access, the result has no API. The checks then refuse the refresh.
    """
    account = account_of(call.site.config, call.application, user, login.audience, login.scope)
    return account if account.api and account.api.allow_offline_access else Account(user, None)


def _content(call: ClientRequest, decision: Renew, account: Account) -> TokenContent:
    login, user, api = decision.login, account.user, account.api
    assert user is not None, "the login of a deleted user fails a check"  # noqa: S101
    assert api is not None  # noqa: S101
    longest = login.expires_at - call.now
    return TokenContent(
        call.application,
        # A token does not outlive its login.
        api if api.token_lifetime <= longest else replace(api, token_lifetime=longest),
        decision.scope,
        user,
        login.auth_time,
        account.permissions,
        grant="refresh_token",
        sid=login.sid,
        key_thumbprint=call.key_thumbprint,
        certificate_thumbprint=call.certificate_thumbprint,
        login_id=login.login_id,
    )
