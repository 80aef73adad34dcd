"""Begin a login that lasts, and hand tokens over: signed first, then spent and kept in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keyfob.protocol.grants import REFRESH_TOKEN
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.access import permissions_of, within_permissions
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.issue import TOKEN_ID_BYTES, Grounds
from keyfob.server.keyed_hash import ID_BYTES, SECRET_BYTES, RefreshParts, keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import RefreshLogin, User

Spend = Callable[[Transaction, RefreshLogin | None], bool]


async def issue_once(call: ClientRequest, grounds: Grounds, spend: Spend) -> TokenAnswer | None:
    """Tokens for a person, provided that `spend` finds what they are for still unspent.

    Signed before anything is spent: a failed signature spends nothing, and of many racers one wins.

    Args:
        call: The program.
        grounds: Why; narrowed here to what the person may do.
        spend: Marks it as spent in the same transaction, or says that it was already.
    """
    site, user = call.site, grounds.user
    assert user is not None, "a program as itself has no login"  # noqa: S101
    random = site.surroundings.random
    permitted = permitted_grounds(call, grounds, user)
    refresh, row = _begin(call, permitted, user)
    issued = site.mint.issue(permitted, call.now, random(TOKEN_ID_BYTES), refresh, row)

    def keep(transaction: Transaction) -> int | None:
        if not spend(transaction, row):
            return None
        if row is None:
            return 0
        transaction.save_refresh(row)
        return transaction.evict_refreshes(user.user_id, row.client_id, site.config.refresh_limit)

    evicted = await site.store.write(keep)
    if evicted:
        call.note("srrt", user_id=user.user_id, description=f"{evicted} of the oldest logins ended: too many")
    return None if evicted is None else issued


def permitted_grounds(call: ClientRequest, grounds: Grounds, user: User) -> Grounds:
    """With the scope that the person's permissions leave, and those permissions for tokens that list them."""
    permissions = permissions_of(call.site.config, user, grounds.api)
    return replace(
        grounds,
        scope=within_permissions(grounds.scope, permissions, grounds.api),
        permissions=permissions,
        key_thumbprint=call.key_thumbprint,
        certificate_thumbprint=call.certificate_thumbprint,
    )


def _begin(call: ClientRequest, grounds: Grounds, user: User) -> tuple[Secret | None, RefreshLogin | None]:
    application, site = call.application, call.site
    lasts = "offline_access" in grounds.scope and grounds.api.allow_offline_access
    if not lasts or REFRESH_TOKEN not in application.grants or grounds.auth_time is None:
        return None, None
    random, policy = site.surroundings.random, application.refresh
    parts = RefreshParts(random(ID_BYTES), 1, random(SECRET_BYTES))
    row = RefreshLogin(
        login_id=parts.login_id,
        client_id=application.client_id,
        user_id=user.user_id,
        audience=grounds.api.audience,
        scope=grounds.scope,
        auth_time=grounds.auth_time,
        created_at=call.now,
        expires_at=call.now + policy.absolute,
        idle_expires_at=call.now + policy.idle,
        generation=parts.generation,
        current_hashes=(keyed_hash(site.hash_keys.refresh, parts.secret),),
        # A public program's refresh token is bound to its key; another's is bound to the program itself (RFC 9449 §5).
        key_thumbprint=call.key_thumbprint if application.is_public else None,
        sid=grounds.sid,
    )
    return parts.write(site.hash_keys.refresh), row
