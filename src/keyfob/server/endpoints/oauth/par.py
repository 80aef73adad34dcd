"""POST /oauth/par: the pushed authorization request endpoint (RFC 9126)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Final

from keyfob.errors import Malformed
from keyfob.protocol.base64url import base64url
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import NO_STORE, Request, Response, json_response
from keyfob.server.decide.authorization_checks import PUSH
from keyfob.server.decide.authorization_facts import REQUEST_URI_PREFIX, PushFacts
from keyfob.server.decide.authorization_request import CallbackError, PageError, check_request
from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.limits import PUSHED_CHARACTERS
from keyfob.server.endpoints.oauth.client_request import authenticate, check_dpop
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import PushedRequest
from keyfob.server.site import Site

LIFETIME: Final = timedelta(seconds=30)
_BYTES: Final = 32
_PROBLEMS: Final = {"no_request_uri": "request_uri cannot be pushed", "proof_key": "dpop_jkt names another key"}
_CREDENTIALS: Final = {"client_secret", "client_assertion", "client_assertion_type"}


async def push(site: Site, request: Request) -> Response:
    """Run the checks of /authorize on the request, and store the request for thirty seconds."""
    try:
        fields = read_parameters(request)
    except Malformed as problem:
        return malformed(site, problem)
    call = await authenticate(site, request, fields)
    if isinstance(call, Response):
        return call
    call = await check_dpop(call)
    if isinstance(call, Response):
        return call
    refused = first_failed_check(PUSH, PushFacts(fields, call.key_thumbprint))
    if refused is not None:
        return call.refuse(refused.outcome, problem=_PROBLEMS[refused.row])
    asked = {name: value for name, value in fields.values.items() if name not in _CREDENTIALS and fields.has(name)}
    asked["client_id"] = call.application.client_id
    if call.key_thumbprint is not None:
        asked.setdefault("dpop_jkt", call.key_thumbprint)  # RFC 9449 §10.1
    if sum(len(name) + len(str(value)) for name, value in asked.items()) > PUSHED_CHARACTERS:
        return call.refuse("request_malformed", problem="the request is too long")
    checked = check_request(site.config, Fields(asked, "request"))
    if isinstance(checked, PageError):
        return call.refuse("request_malformed", problem=checked.problem)
    if isinstance(checked, CallbackError):
        return json_response(400, {"error": checked.error, "error_description": checked.description})
    address, now = REQUEST_URI_PREFIX + base64url(site.random(_BYTES)), site.now()
    hashed = keyed_hash(site.hash_keys.codes, address)
    pushed = PushedRequest(hashed, call.application.client_id, json.dumps(checked.asked.write()), now + LIFETIME)

    async def save(transaction: Transaction) -> None:
        await transaction.save_pushed(pushed)

    await site.store.write(save)
    answer = {"request_uri": address, "expires_in": int(LIFETIME.total_seconds())}
    return json_response(201, answer, headers=NO_STORE + call.headers)
