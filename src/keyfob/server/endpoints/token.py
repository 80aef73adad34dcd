"""POST /oauth/token: device codes and refresh tokens for tokens (RFC 6749 §3.2, RFC 8628 §3.4-3.5, Auth0)."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from keyfob.errors import Malformed
from keyfob.protocol.grants import DEVICE_CODE, REFRESH_TOKEN, DeviceCodeGrant, RefreshGrant, TokenRequest
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.config import Application
from keyfob.server.decide.device import Answer, Issue, Pace, Undecided, decide_pace, decide_poll
from keyfob.server.decide.refresh import Refuse, Rotate, Shown, decide_refresh
from keyfob.server.endpoints.parameters import authenticates, malformed, read_parameters
from keyfob.server.issue import TOKEN_ID_BYTES, Grounds, mint
from keyfob.server.keyed_hash import ID_BYTES, SECRET_BYTES, RefreshParts, keyed_hash, read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin, RefreshLogin, User
from keyfob.server.site import Site

_NAMES = {DeviceCodeGrant: DEVICE_CODE, RefreshGrant: REFRESH_TOKEN}


async def token(site: Site, request: Request) -> Response:
    """Read the request, find the program, and let its grant decide."""
    try:
        fields = read_parameters(request)
        asked = TokenRequest.read(fields)
    except Malformed as problem:
        return malformed(site, problem)
    application = site.config.application(asked.client_id)
    if application is None or authenticates(request, fields):
        return site.refuse("client_unknown")
    grant = asked.grant
    if _NAMES[type(grant)] not in application.grants:
        return site.refuse("grant_refused", grant=_NAMES[type(grant)])
    match grant:
        case DeviceCodeGrant():
            return await _device(site, request, application, grant)
        case RefreshGrant():
            return await _refresh(site, request, application, grant)
        case _:  # pragma: no cover
            assert_never(grant)


async def _device(site: Site, request: Request, application: Application, grant: DeviceCodeGrant) -> Response:
    code_hash, now = keyed_hash(site.hash_keys.codes, grant.device_code.reveal()), site.now()
    login, user = await site.store.read(lambda transaction: _load(transaction, code_hash))
    decision = decide_poll(login, application.client_id, now)
    if isinstance(decision, Undecided):
        return _paced(site, code_hash)
    site.paces.drop(code_hash)
    if isinstance(decision, Answer):
        if decision.login is not None and site.config.wire == "auth0":
            lapsed = decision.login  # Auth0 says expired_token once, then invalid_grant; RFC 8628 keeps saying it
            await site.store.write(lambda transaction: transaction.save_device(lapsed))
        site.note("fede", request, client_id=application.client_id, description=decision.outcome)
        return site.refuse(decision.outcome)
    if user is None or user.is_blocked:
        return site.refuse("code_unknown")
    issued = await _spend(site, decision.login, user, application)
    if issued is None:
        return site.refuse("code_unknown")
    site.note("sede", request, client_id=application.client_id, user_id=user.user_id)
    return json_response(200, issued.write())


def _load(transaction: Transaction, code_hash: bytes) -> tuple[DeviceLogin | None, User | None]:
    login = transaction.device_by_code(code_hash)
    user_id = None if login is None else login.user_id
    return login, None if user_id is None else transaction.user_by_id(user_id)


def _paced(site: Site, code_hash: bytes) -> Response:
    before = site.paces.get(code_hash) or Pace(None, site.config.device_interval)
    outcome, after = decide_pace(before, site.now())
    site.paces.put(code_hash, after)
    return site.refuse(outcome, interval=str(int(before.interval.total_seconds())))


async def _spend(site: Site, login: DeviceLogin, user: User, application: Application) -> TokenAnswer | None:
    """Sign first, then redeem the code: a failed signature spends nothing, and of many racers one wins."""
    api, now = site.config.api(login.audience), site.now()
    if api is None or login.auth_time is None:
        return None
    random = site.surroundings.random
    parts = row = None
    if "offline_access" in login.scope and REFRESH_TOKEN in application.grants:
        parts = RefreshParts(random(ID_BYTES), 1, random(SECRET_BYTES))
        row = RefreshLogin(
            login_id=parts.login_id,
            client_id=application.client_id,
            user_id=user.user_id,
            audience=api.audience,
            scope=login.scope,
            auth_time=login.auth_time,
            created_at=now,
            expires_at=now + site.config.refresh_absolute,
            idle_expires_at=now + site.config.refresh_idle,
            generation=parts.generation,
            current_hash=keyed_hash(site.hash_keys.refresh, parts.secret),
        )
    grounds = Grounds(user, application.client_id, api, login.scope, login.auth_time)
    refresh = None if parts is None else parts.write(site.hash_keys.refresh)
    issued = mint(grounds, site.config, site.keys[0], now, random(TOKEN_ID_BYTES), refresh)

    def redeem(transaction: Transaction) -> bool:
        decision = decide_poll(transaction.device_by_code(login.device_code_hash), application.client_id, now)
        if not isinstance(decision, Issue):
            return False
        transaction.save_device(decision.login)
        if row is not None:
            transaction.save_refresh(row)
        return True

    return issued if await site.store.write(redeem) else None


async def _refresh(site: Site, request: Request, application: Application, grant: RefreshGrant) -> Response:
    parts = read_refresh(grant.refresh_token, site.hash_keys.refresh)
    if parts is None:
        site.note("fertft", request, client_id=application.client_id, description="unknown")
        return site.refuse("refresh_unknown")
    now, random = site.now(), site.surroundings.random
    fresh = replace(parts, generation=parts.generation + 1, secret=random(SECRET_BYTES))
    shown = Shown(parts.generation, keyed_hash(site.hash_keys.refresh, parts.secret))
    fresh_hash = keyed_hash(site.hash_keys.refresh, fresh.secret)
    token_id = random(TOKEN_ID_BYTES)

    def rotate(transaction: Transaction) -> tuple[Refuse | Rotate, User | None, TokenAnswer | None]:
        login = transaction.refresh_by_id(parts.login_id)
        user = None if login is None else transaction.user_by_id(login.user_id)
        decision = decide_refresh(
            login, shown, application.client_id, grant.scope, now, fresh_hash, site.config.refresh_idle
        )
        if isinstance(decision, Refuse):
            if decision.login is not None:
                transaction.save_refresh(decision.login)
            return decision, user, None
        api = site.config.api(decision.login.audience)
        if user is None or user.is_blocked or api is None:
            return Refuse("refresh_unknown", "unknown"), user, None
        grounds = Grounds(user, application.client_id, api, decision.scope, decision.login.auth_time)
        # Signed within the transaction: a failed signature rotates nothing.
        issued = mint(grounds, site.config, site.keys[0], now, token_id, fresh.write(site.hash_keys.refresh))
        transaction.save_refresh(decision.login)
        return decision, user, issued

    decision, user, issued = await site.store.write(rotate)
    user_id = user.user_id if user else ""
    if isinstance(decision, Refuse) or issued is None:
        reason = decision.reason if isinstance(decision, Refuse) else "unknown"
        code = "ferrt" if reason == "reused" else "fertft"
        site.note(code, request, client_id=application.client_id, user_id=user_id, description=reason)
        return site.refuse(decision.outcome if isinstance(decision, Refuse) else "refresh_unknown")
    site.note("sertft", request, client_id=application.client_id, user_id=user_id)
    return json_response(200, issued.write())
