"""POST /oauth/device/code: the device authorization endpoint (RFC 8628 §3.1-3.2, RFC 7636 §4.3, Auth0)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from keyfob.errors import Malformed, Misuse
from keyfob.protocol.base64url import base64url
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.device import DeviceAnswer, DeviceRequest
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import DEVICE_CODE
from keyfob.protocol.http import Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.access import ApiAccess, NoAccess, decide_access
from keyfob.server.decide.device import is_right_challenge
from keyfob.server.decide.throttle import count_request, network_of
from keyfob.server.decide.user_code import write_user_code
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import keyed_hash, link_proof
from keyfob.server.ports import Transaction
from keyfob.server.records import DeviceLogin
from keyfob.server.settings.registered import Application
from keyfob.server.site import Site
from keyfob.server.wire import answer

DEVICE_CODE_BYTES: Final = 32
_USER_CODE_BYTES: Final = 24  # one of 16 is skipped, so the chance that fewer than 8 are left is about 10^-15
_TRIES: Final = 20


async def device_code(site: Site, request: Request) -> Response:
    """Issue a device code and a user code. As at Auth0, a request with client credentials is refused."""
    try:
        fields = read_parameters(request)
        asked = DeviceRequest.read(fields)
    except Malformed as problem:
        return malformed(site, problem)
    application = site.config.application(asked.client_id)
    may_ask = application is not None and DEVICE_CODE in application.grants and application.is_public
    if application is None or not may_ask or _authenticates(request, fields):
        site.note("fdeaz", request, client_id=asked.client_id, description="client unknown or not allowed")
        return site.refuse("client_refused")
    if not is_right_challenge(asked.code_challenge, asked.code_challenge_method):
        words = "code_challenge_method is S256, and the challenge 43 letters."
        return site.refuse("request_malformed", problem=words)
    wait = _wait(site, request)
    if wait:
        site.limited("device-logins", request, client_id=asked.client_id)
        retry = (("retry-after", str(int(wait.total_seconds()) + 1)),)
        return answer(site.config.wire, "too_many", headers=retry)
    access = decide_access(site.config, application, asked.target, asked.scope)
    if isinstance(access, NoAccess):
        site.note("fdeaz", request, client_id=asked.client_id, description=access.outcome)
        return site.refuse(access.outcome, **access.words)
    return json_response(200, (await _begin(site, request, asked, application, access)).write())


def _authenticates(request: Request, fields: Fields) -> bool:
    """Return whether the request has client credentials."""
    try:
        return Credentials.read(request.header("authorization"), fields).method != "none"
    except Malformed:
        return True


def _wait(site: Site, request: Request) -> timedelta:
    """Count one request of this network. Return the time that the network must wait; zero if the request is allowed."""
    size, span, peer = site.config.device_requests, site.config.device_lifetime, network_of(request.peer)
    counted = count_request(site.device_requests.get(peer) or 0, size, span, site.now())
    site.device_requests.put(peer, counted.full_at)
    return counted.wait


async def _begin(
    site: Site, request: Request, asked: DeviceRequest, application: Application, access: ApiAccess
) -> DeviceAnswer:
    config, now = site.config, site.now()
    for _ in range(_TRIES):
        random = site.random(DEVICE_CODE_BYTES + _USER_CODE_BYTES)
        code, user_code = Secret(base64url(random[:DEVICE_CODE_BYTES])), write_user_code(random[DEVICE_CODE_BYTES:])
        login = DeviceLogin(
            device_code_hash=keyed_hash(site.hash_keys.codes, code),
            user_code_hash=keyed_hash(site.hash_keys.codes, user_code),
            client_id=asked.client_id,
            audience=access.api.audience,
            scope=access.scope,
            peer=request.peer,
            created_at=now,
            expires_at=now + config.device_lifetime,
            challenge=asked.code_challenge,
            device_name=asked.device_name,
            device_system=asked.device_system,
        )

        async def add(transaction: Transaction, login: DeviceLogin = login) -> bool:
            return await transaction.add_device(login)

        if await site.store.write(add):
            address, link = f"{config.issuer}activate", None
            if config.device_rules(application).complete_links:
                link = f"{address}?user_code={user_code}&proof={link_proof(site.hash_keys, user_code)}"
            return DeviceAnswer(
                device_code=code,
                user_code=user_code,
                verification_uri=address,
                verification_uri_complete=link,
                expires_in=config.device_lifetime,
                interval=config.device_interval,
            )
    raise Misuse("no free user code was found; are millions of logins waiting?")
