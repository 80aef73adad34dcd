"""Issue the tokens of a new login: sign, then spend the grant and save the refresh token in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from keyfob.protocol.grants import REFRESH_TOKEN
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.access import permissions_of, within_permissions
from keyfob.server.decide.throttle import network_of
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.password_check import is_changed
from keyfob.server.issue import TOKEN_ID_BYTES, TokenContent
from keyfob.server.keyed_hash import ID_BYTES, SECRET_BYTES, RefreshParts, keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin, User

Spend = Callable[[Transaction, RefreshLogin], Awaitable[bool]]


async def issue_once(
    call: ClientRequest, code: str, content: TokenContent, spend: Spend | None = None, *, description: str = ""
) -> TokenAnswer | None:
    """Issue tokens for a user.

    Return None if the grant is already spent, or if the user was deleted, was blocked or got a new password since the
    user was loaded. The tokens are signed first, so that the grant is not spent if signing fails.

    Args:
        call: The request.
        code: The code of the audit event to log when tokens are issued.
        content: The content of the tokens, not yet reduced to the user's permissions.
        spend: The function that spends the grant in the transaction. It returns False if the grant is already spent.
        description: The description in the audit event.
    """
    site, user = call.site, content.user
    assert user is not None, "client credentials have no login"  # noqa: S101
    permitted = with_permissions(call, content, user)
    refresh, row = _begin(call, permitted, user)
    permitted = replace(permitted, login_id=row.login_id)
    issued = site.token_issuer.issue(permitted, call.now, site.random(TOKEN_ID_BYTES), refresh, row)

    async def save(transaction: Transaction) -> int | None:
        # The password may have been changed, or the user blocked, since the user was loaded.
        if is_changed(await transaction.user_by_id(user.user_id), user):
            return None
        if spend is not None and not await spend(transaction, row):
            return None
        await transaction.save_refresh(row)
        most = site.config.refresh_limit
        return await transaction.evict_refreshes(user.user_id, row.client_id, most, renewable=refresh is not None)

    evicted = await site.store.write(save)
    if evicted:
        call.note("srrt", user_id=user.user_id, description=f"{evicted} of the oldest logins ended: too many")
    if evicted is None:
        return None
    call.note(
        code, user_id=user.user_id, audience=row.audience, login_id=row.login_id.hex(), session_id=row.sid or "",
        description=description,
    )  # fmt: skip
    return issued


def with_permissions(call: ClientRequest, content: TokenContent, user: User) -> TokenContent:
    """Return the content with the user's permissions, the scope that these permissions allow, and the token binding."""
    permissions = permissions_of(call.site.config, user, content.api)
    return replace(
        content,
        scope=within_permissions(content.scope, permissions, content.api),
        permissions=permissions,
        key_thumbprint=call.key_thumbprint,
        certificate_thumbprint=call.certificate_thumbprint,
    )


def _begin(call: ClientRequest, content: TokenContent, user: User) -> tuple[Secret | None, RefreshLogin]:
    """Return the refresh token and the record of a new login. The refresh token is None if the client may not have one.

    A login without a refresh token needs a record too, since its access tokens are active only while the record exists.
    """
    application, site, policy = call.application, call.site, call.application.refresh
    is_offline = "offline_access" in content.scope and content.api.allow_offline_access
    is_renewable = is_offline and REFRESH_TOKEN in application.grants
    parts = RefreshParts(content.login_id or site.random(ID_BYTES), 1, site.random(SECRET_BYTES))
    absolute = policy.absolute if is_renewable else content.api.token_lifetime
    longest = min(absolute, content.longest_login or absolute)
    row = RefreshLogin(
        login_id=parts.login_id,
        client_id=application.client_id,
        user_id=user.user_id,
        audience=content.api.audience,
        scope=content.scope,
        auth_time=content.auth_time or call.now,
        created_at=call.now,
        expires_at=call.now + longest,
        idle_expires_at=call.now + min(longest, policy.idle if is_renewable else content.api.token_lifetime),
        generation=parts.generation if is_renewable else 0,
        current_hashes=(keyed_hash(site.hash_keys.refresh, parts.secret),) if is_renewable else (),
        # Only a public client's refresh token is bound to its key; a confidential client authenticates (RFC 9449 §5).
        key_thumbprint=call.key_thumbprint if application.is_public else None,
        sid=content.sid,
        network=network_of(call.request.peer) or None,
        device_name=content.device_name,
    )
    return parts.write(site.hash_keys.refresh) if is_renewable else None, row
