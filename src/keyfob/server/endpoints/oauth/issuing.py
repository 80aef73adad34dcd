"""Issue the tokens of a new login: sign them, then spend the grant and save the refresh token in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keyfob.protocol.grants import REFRESH_TOKEN
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.access import permissions_of, within_permissions
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.issue import TOKEN_ID_BYTES, TokenContent
from keyfob.server.keyed_hash import ID_BYTES, SECRET_BYTES, RefreshParts, keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin, User

Spend = Callable[[Transaction, RefreshLogin | None], bool]


async def issue_once(call: ClientRequest, content: TokenContent, spend: Spend) -> TokenAnswer | None:
    """Issue tokens for a user, or return None if the grant is already spent.

    The tokens are signed before the grant is spent, so that a failed signature spends nothing.

    Args:
        call: The request.
        content: The content of the tokens, before it is reduced to the user's permissions.
        spend: Spend the grant in the transaction. Return False if it is already spent.
    """
    site, user = call.site, content.user
    assert user is not None, "client credentials have no login"  # noqa: S101
    permitted = with_permissions(call, content, user)
    refresh, row = _begin(call, permitted, user)
    issued = site.token_issuer.issue(permitted, call.now, site.random(TOKEN_ID_BYTES), refresh, row)

    def save(transaction: Transaction) -> int | None:
        if not spend(transaction, row):
            return None
        if row is None:
            return 0
        transaction.save_refresh(row)
        return transaction.evict_refreshes(user.user_id, row.client_id, site.config.refresh_limit)

    evicted = await site.store.write(save)
    if evicted:
        call.note("srrt", user_id=user.user_id, description=f"{evicted} of the oldest logins ended: too many")
    return None if evicted is None else issued


def with_permissions(call: ClientRequest, content: TokenContent, user: User) -> TokenContent:
    """Return the content with the user's permissions, its scope reduced to them, and the keys that bind the token."""
    permissions = permissions_of(call.site.config, user, content.api)
    return replace(
        content,
        scope=within_permissions(content.scope, permissions, content.api),
        permissions=permissions,
        key_thumbprint=call.key_thumbprint,
        certificate_thumbprint=call.certificate_thumbprint,
    )


def _begin(call: ClientRequest, content: TokenContent, user: User) -> tuple[Secret | None, RefreshLogin | None]:
    application, site = call.application, call.site
    is_offline = "offline_access" in content.scope and content.api.allow_offline_access
    if not is_offline or REFRESH_TOKEN not in application.grants or content.auth_time is None:
        return None, None
    policy = application.refresh
    parts = RefreshParts(site.random(ID_BYTES), 1, site.random(SECRET_BYTES))
    row = RefreshLogin(
        login_id=parts.login_id,
        client_id=application.client_id,
        user_id=user.user_id,
        audience=content.api.audience,
        scope=content.scope,
        auth_time=content.auth_time,
        created_at=call.now,
        expires_at=call.now + policy.absolute,
        idle_expires_at=call.now + policy.idle,
        generation=parts.generation,
        current_hashes=(keyed_hash(site.hash_keys.refresh, parts.secret),),
        # Only a public client's refresh token is bound to its key; a confidential client authenticates (RFC 9449 §5).
        key_thumbprint=call.key_thumbprint if application.is_public else None,
        sid=content.sid,
    )
    return parts.write(site.hash_keys.refresh), row
