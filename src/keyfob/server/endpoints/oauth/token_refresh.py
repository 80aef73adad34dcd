"""Grant refresh_token: a login goes on (RFC 6749 §6, RFC 9700 §4.14, Auth0)."""

from __future__ import annotations

from dataclasses import replace

from keyfob.protocol.grants import RefreshGrant
from keyfob.protocol.http import Response
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.refresh import Refuse, Renew, Shown, decide_refresh
from keyfob.server.endpoints.oauth.client_request import Call
from keyfob.server.endpoints.oauth.issuing import permitted_grounds
from keyfob.server.issue import TOKEN_ID_BYTES, Grounds
from keyfob.server.keyed_hash import SECRET_BYTES, keyed_hash, read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.records import User
from keyfob.server.wire import Outcome

Rotation = tuple[Refuse | Renew, str, TokenAnswer | None]


async def renew(call: Call, grant: RefreshGrant) -> Response:
    """New tokens for a refresh token."""
    site = call.site
    parts = read_refresh(grant.refresh_token, site.hash_keys.refresh)
    if parts is None:
        call.note("fertft", description="unknown")
        return call.refuse("refresh_unknown")
    client_id, random = call.application.client_id, site.surroundings.random
    fresh = replace(parts, generation=parts.generation + 1, secret=random(SECRET_BYTES))
    fresh_hash = keyed_hash(site.hash_keys.refresh, fresh.secret)
    secret_hash = keyed_hash(site.hash_keys.refresh, parts.secret)
    shown = Shown(parts.generation, secret_hash, client_id, grant.scope, call.key_thumbprint)
    token_id = random(TOKEN_ID_BYTES)

    def rotate(transaction: Transaction) -> Rotation:
        login = transaction.refresh_by_id(parts.login_id)
        user = None if login is None else transaction.user_by_id(login.user_id)
        decision = decide_refresh(login, shown, call.application.refresh, call.now, fresh_hash)
        user_id = "" if login is None else login.user_id
        if isinstance(decision, Refuse):
            if decision.login is not None:
                transaction.save_refresh(decision.login)
            return decision, user_id, None
        if user is None:
            return Refuse("refresh_orphaned", "unknown"), user_id, None
        api = site.config.target(decision.login.audience)
        if user.is_blocked or api is None or not api.allow_offline_access:
            return Refuse("refresh_unknown", "unknown"), user_id, None
        # Signed within the transaction: a failed signature rotates nothing.
        handed = fresh.write(site.hash_keys.refresh) if decision.rotates else None
        issued = site.mint.issue(_grounds(call, decision, user), call.now, token_id, handed, decision.login)
        transaction.save_refresh(decision.login)
        return decision, user_id, issued

    decision, user_id, issued = await site.store.write(rotate)
    if isinstance(decision, Refuse) or issued is None:
        reason = decision.reason if isinstance(decision, Refuse) else "unknown"
        call.note("ferrt" if reason == "reused" else "fertft", user_id=user_id, description=reason)
        outcome: Outcome = decision.outcome if isinstance(decision, Refuse) else "refresh_unknown"
        return call.refuse(outcome)
    call.note("sertft", user_id=user_id)
    return call.hand_over(issued)


def _grounds(call: Call, decision: Renew, user: User) -> Grounds:
    login, api = decision.login, call.site.config.target(decision.login.audience)
    assert api is not None, "looked up just before"  # noqa: S101
    grounds = Grounds(
        call.application, api, decision.scope, user, login.auth_time, grant="refresh_token", sid=login.sid
    )
    return permitted_grounds(call, grounds, user)
