"""GET and POST /authorize: a program sends a person here through the browser (RFC 6749 §3.1, §4.1; RFC 9126 §4)."""

from __future__ import annotations

import json
from dataclasses import replace

from keyfob.errors import Malformed
from keyfob.protocol.authorization import AuthorizationAnswer
from keyfob.protocol.fields import Fields, read_form
from keyfob.protocol.http import Request, Response
from keyfob.server.decide.authorization_request import (
    Accepted,
    Standing,
    Told,
    Unproven,
    check_request,
    next_step,
)
from keyfob.server.endpoints.pages.browser import Visit, callback_headers, callback_page, go_to, page, visit
from keyfob.server.endpoints.pages.transactions import Transaction, begin, sid_of
from keyfob.server.keyed_hash import keyed_hash, write_token
from keyfob.server.ports import Transaction as StoreTransaction
from keyfob.server.records import AuthorizationCode, Consent
from keyfob.server.site import Site

CODE_BYTES = 32
_SWEPT = 20


async def authorize(site: Site, request: Request) -> Response:
    """Check the request, then see what the person must still do. Nothing is stored for a mere visit."""
    who = await visit(site, request)
    try:
        fields = read_form(request.query.encode() if request.method != "POST" else request.body, "request")
        pushed = await _pushed(site, fields)
    except Malformed as problem:
        return unproven(site, who, problem.message.partition(": ")[2] or problem.message)
    if pushed is None:
        return unproven(site, who, "The request was left with us too long ago, or by somebody else.")
    checked = check_request(site.config, pushed)
    if isinstance(checked, Unproven):
        site.note("f", request, description=checked.problem)
        return unproven(site, who, checked.problem)
    if isinstance(checked, Told):
        site.note("f", request, client_id=pushed.text("client_id"), description=checked.error)
        return tell(site, request, who, checked)
    transaction = begin(site, checked)
    standing = await standing_of(site, who, checked)
    match next_step(checked, standing, site.now()):
        case "login":
            return go_to(site, who, f"/u/login?state={transaction.token}")
        case "consent":
            return go_to(site, who, f"/u/consent?state={transaction.token}")
        case "issue":
            return await issue_code(site, request, who, transaction, standing)
        case error:
            return refuse(site, request, who, transaction, error, error.replace("_", " ").capitalize())


async def _pushed(site: Site, fields: Fields) -> Fields | None:
    """The parameters, from where the program left them if it did (RFC 9126 §4); None where that is not so any more."""
    address = fields.optional_text("request_uri")
    if address is None:
        return fields
    hashed = keyed_hash(site.hash_keys.codes, address)
    found = await site.store.read(lambda transaction: transaction.pushed(hashed))
    if found is None or found.client_id != fields.optional_text("client_id") or site.now() >= found.expires_at:
        return None
    return Fields(json.loads(found.parameters), "request")


async def standing_of(site: Site, who: Visit, accepted: Accepted) -> Standing:
    """Who is logged in at that browser, and what they have allowed that program before."""
    record = who.record
    if record is None or record.user_id is None:
        return Standing()
    user_id, api = record.user_id, accepted.reach.api

    def load(transaction: StoreTransaction) -> Standing:
        user = transaction.user_by_id(user_id)
        if user is None or user.is_blocked or user.connection not in accepted.application.connections:
            return Standing()
        consent = transaction.consent(user_id, accepted.application.client_id, api.audience)
        return Standing(user_id, record.auth_time, consent)

    return await site.store.read(load)


async def issue_code(
    site: Site, request: Request, who: Visit, transaction: Transaction, standing: Standing, *, consented: bool = False
) -> Response:
    """A code for the program, carried by the browser."""
    accepted, now, code = transaction.accepted, site.now(), write_token(site.surroundings.random(CODE_BYTES))
    asked, application = accepted.asked, accepted.application
    assert standing.user_id is not None, "only who is logged in gets here"  # noqa: S101
    assert standing.auth_time is not None  # noqa: S101
    kept = AuthorizationCode(
        code_hash=keyed_hash(site.hash_keys.codes, code),
        client_id=application.client_id,
        redirect_uri=asked.redirect_uri,
        challenge=asked.code_challenge,
        audience=accepted.reach.api.audience,
        scope=accepted.reach.scope,
        user_id=standing.user_id,
        auth_time=standing.auth_time,
        created_at=now,
        expires_at=now + site.config.code_lifetime,
        nonce=asked.nonce,
        key_thumbprint=asked.key_thumbprint,
        sid=sid_of(site, who.session_hash),
    )
    before = standing.consent.scope.names if standing.consent else frozenset[str]()
    consent = Consent(
        kept.user_id, kept.client_id, kept.audience, replace(kept.scope, names=kept.scope.names | before), now
    )

    def save(store: StoreTransaction) -> None:
        store.sweep(now, _SWEPT)
        store.save_code(kept)
        if consented:
            store.save_consent(consent)

    await site.store.write(save)
    site.note("s", request, client_id=application.client_id, user_id=kept.user_id)
    return _answer(site, request, who, asked.redirect_uri, asked.response_mode, AuthorizationAnswer(asked.state, code))


def refuse(
    site: Site, request: Request, who: Visit, transaction: Transaction, error: str, description: str
) -> Response:
    """Tell the program why there is no code."""
    asked = transaction.accepted.asked
    site.note("f", request, client_id=asked.client_id, description=error)
    told = Told(asked.redirect_uri, asked.response_mode or "query", asked.state, error, description)
    return tell(site, request, who, told)


def tell(site: Site, request: Request, who: Visit, told: Told) -> Response:
    """An error, to a callback that has been proven."""
    answer = AuthorizationAnswer(told.state, None, told.error, told.description)
    return _answer(site, request, who, told.redirect_uri, told.response_mode, answer)


def _answer(
    site: Site, request: Request, who: Visit, redirect_uri: str, mode: str | None, answer: AuthorizationAnswer
) -> Response:
    # RFC 9207 says who answers; Auth0 does not.
    full = replace(answer, issuer=site.config.issuer) if site.config.wire == "rfc" else answer
    if mode == "form_post":
        return callback_page(site, who, redirect_uri, full.write())
    status = 303 if request.method == "POST" else 302  # never one that would send a password on (RFC 9700 §4.12)
    return Response(status, callback_headers(site, who, full.address(redirect_uri)))


def unproven(site: Site, who: Visit, problem: str) -> Response:
    """A page for the person: where to send them back to is not proven (RFC 9700 §4.11.2)."""
    return page(site, who, "problem.html", {"problem": problem}, 400)
