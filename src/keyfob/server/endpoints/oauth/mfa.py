"""Auth0's MFA API: /mfa/authenticators, /mfa/associate, /mfa/challenge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import InvalidToken, Malformed
from keyfob.protocol.http import NO_STORE, Request, Response, json_response
from keyfob.protocol.multifactor import AssociateRequest, ChallengeRequest
from keyfob.protocol.secret import Secret
from keyfob.server.decide.multifactor import (
    ENROLMENT,
    LOGIN_LIFETIME,
    FactorWrong,
    base32,
    enrolment_address,
    find_login,
    is_from_before,
)
from keyfob.server.endpoints.account_mail import tell_owner
from keyfob.server.endpoints.oauth.client_request import authenticate
from keyfob.server.endpoints.oauth.factor_tries import message_wait
from keyfob.server.endpoints.oauth.factors import enrol, send_message
from keyfob.server.endpoints.oauth.own_tokens import check_active, check_binding, verify_own
from keyfob.server.endpoints.oauth.parameters import malformed, read_parameters
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, MfaLogin, User
from keyfob.server.settings.config import ENROLL, READ_AUTHENTICATORS, REMOVE_AUTHENTICATORS
from keyfob.server.site import Site
from keyfob.server.wire import answer, retry_after

_TYPES: Final = {"otp": "otp", "email": "oob", "recovery-code": "recovery-code"}


@dataclass(frozen=True, slots=True)
class MfaUser:
    """The user of the mfa_token or access token in a request to the MFA API.

    Attributes:
        factors: The active factors, and the factors that were added with this token. The API lists all of them except
            passkeys.
        login: The login of the mfa_token. For an access token, a new login that can only prove a new factor.
    """

    user: User
    factors: tuple[Authenticator, ...]
    login: MfaLogin

    @property
    def shown(self) -> tuple[Authenticator, ...]:
        return tuple(one for one in self.factors if one.factor in _TYPES)

    @property
    def has_access_token(self) -> bool:
        return self.login.grant == ENROLMENT


async def list_authenticators(site: Site, request: Request) -> Response:
    """GET /mfa/authenticators: list the user's second factors."""
    mfa_user = await _mfa_user(site, request, READ_AUTHENTICATORS)
    if isinstance(mfa_user, Response):
        return mfa_user
    return json_response(200, [_described(one, mfa_user.user) for one in mfa_user.shown])


async def remove_authenticator(site: Site, request: Request) -> Response:
    """DELETE /mfa/authenticators/{id}: delete a second factor. This requires an access token, not an mfa_token."""
    mfa_user = await _mfa_user(site, request, REMOVE_AUTHENTICATORS)
    if isinstance(mfa_user, Response):
        return mfa_user
    name = request.path.rpartition("/")[2].replace("%7C", "|").replace("%7c", "|")
    if not mfa_user.has_access_token:
        return site.refuse("mfa_token_refused")
    if name not in {one.authenticator_id for one in mfa_user.shown}:
        return site.refuse("not_found")
    await site.store.write(lambda transaction: transaction.drop_authenticator(name))
    site.note("gd_unenroll", request, user_id=mfa_user.user.user_id, description=name.partition("|")[0])
    if any(one.is_active for one in mfa_user.factors if one.authenticator_id == name):
        tell_owner(site, request, mfa_user.user, "factor_removed")
    return Response(204, NO_STORE)


async def associate(site: Site, request: Request) -> Response:
    """POST /mfa/associate: add a second factor. An mfa_token can only add the user's first factor."""
    try:
        asked = AssociateRequest.read(read_parameters(request))
    except Malformed as problem:
        return malformed(site, problem)
    mfa_user = await _mfa_user(site, request, ENROLL)
    if isinstance(mfa_user, Response):
        return mfa_user
    if not mfa_user.has_access_token and any(one.is_active for one in mfa_user.factors):
        return site.refuse("already_enrolled")
    factor = asked.factor
    if factor is None or factor not in site.factors:
        return site.refuse("mail_off" if factor in site.config.factors else "challenge_unsupported")
    if factor == "email" and mfa_user.has_access_token:
        return site.refuse("challenge_unsupported")  # this factor can be added only in a login with a password
    wait = await message_wait(site, mfa_user.login, request.peer) if factor == "email" else timedelta()
    if wait:
        return answer(site.config.wire, "too_many", headers=retry_after(wait))
    enrolled = await enrol(site, mfa_user.user, factor, mfa_user.login)
    if isinstance(enrolled, FactorWrong):
        return site.refuse("already_enrolled" if enrolled.outcome == "already_enrolled" else "mfa_token_refused")
    codes = {"recovery_codes": [enrolled.recovery_code]} if enrolled.recovery_code else {}
    if factor == "otp":
        address = enrolment_address(site.config.name, mfa_user.user.email, enrolled.secret)
        shown = {"authenticator_type": "otp", "secret": base32(enrolled.secret), "barcode_uri": address}
    else:
        name = enrolled.authenticator.authenticator_id
        oob = await send_message(site, request, mfa_user.login, mfa_user.user, name)
        if not isinstance(oob, Secret):
            return site.refuse(oob)
        shown = {"authenticator_type": "oob", "binding_method": "prompt", "oob_channel": "email"}
        shown |= {"oob_code": oob.reveal()}
    site.note("gd_start_enroll", request, user_id=mfa_user.user.user_id, description=factor)
    return json_response(200, {**shown, **codes})


async def challenge(site: Site, request: Request) -> Response:
    """POST /mfa/challenge: choose the second factor. If the factor is e-mail, send a code."""
    try:
        fields = read_parameters(request)
        asked = ChallengeRequest.read(fields)
    except Malformed as problem:
        return malformed(site, problem)
    call = await authenticate(site, request, fields)
    if isinstance(call, Response):
        return call
    mfa_user = await _by_mfa_token(site, asked.mfa_token, call.application.client_id)
    if mfa_user is None:
        return site.refuse("mfa_token_refused")
    kinds = asked.kinds or ("otp", "oob")
    if not set(kinds) <= {"otp", "oob"}:
        return site.refuse("challenge_unsupported")
    usable = [
        one
        for one in mfa_user.shown
        if one.is_active and _TYPES[one.factor] in kinds and asked.authenticator_id in {None, one.authenticator_id}
    ]
    if not usable:
        return site.refuse("association_required")
    chosen = min(usable, key=lambda one: kinds.index(_TYPES[one.factor]))
    if chosen.factor == "otp":
        return json_response(200, {"challenge_type": "otp"})
    if site.mailer is None:
        return site.refuse("mail_off")
    wait = await message_wait(site, mfa_user.login, request.peer)
    if wait:
        return answer(site.config.wire, "too_many", headers=retry_after(wait))
    oob = await send_message(site, request, mfa_user.login, mfa_user.user, chosen.authenticator_id)
    if not isinstance(oob, Secret):
        return site.refuse(oob)
    return json_response(200, {"challenge_type": "oob", "oob_code": oob.reveal(), "binding_method": "prompt"})


def _described(one: Authenticator, user: User) -> dict[str, object]:
    shown: dict[str, object] = {"id": one.authenticator_id, "authenticator_type": _TYPES[one.factor]}
    shown["active"] = one.is_active
    if one.factor == "email":
        name, _, host = user.email.partition("@")
        shown |= {"oob_channel": "email", "name": f"{name[:2]}{'*' * max(1, len(name) - 2)}@{host}"}
    return shown


async def _mfa_user(site: Site, request: Request, scope: str) -> MfaUser | Response:
    """Return the user of the request's token: an mfa_token, or an access token for the MFA API with the scope `scope`.

    If the request has no such token, return the error response.
    """
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    token = Secret(value.strip())
    if scheme.lower() not in {"bearer", "dpop"} or not value.strip():
        return site.refuse("mfa_token_refused")
    found = await _by_mfa_token(site, token, None) if scheme.lower() == "bearer" else None
    if found is not None:
        return found
    try:
        claims = verify_own(site, token, site.config.mfa_api.audience)
        await check_binding(site, request, scheme.lower(), claims, token)
        await check_active(site, claims)
    except InvalidToken:
        return site.refuse("mfa_token_refused")
    if scope not in claims.scope:
        return site.refuse("scope_missing", scope=scope)

    now = site.now()
    login = MfaLogin(
        token_hash=keyed_hash(site.hash_keys.codes, token),
        user_id=claims.subject,
        client_id=claims.client_id,
        audience=site.config.mfa_api.audience,
        scope=claims.scope,
        grant=ENROLMENT,
        created_at=claims.issued_at,
        expires_at=min(claims.expires_at, now + LOGIN_LIFETIME),
        key_thumbprint=claims.key_thumbprint,
    )

    async def load(transaction: Transaction) -> MfaUser | None:
        found = await _user_of(transaction, login, now)
        return None if found is None or is_from_before(login, found.factors) else found

    return await site.store.read(load) or site.refuse("mfa_token_refused")


async def _by_mfa_token(site: Site, token: Secret, client_id: str | None) -> MfaUser | None:
    token_hash, now = keyed_hash(site.hash_keys.codes, token), site.now()

    async def load(transaction: Transaction) -> MfaUser | None:
        known = await transaction.mfa_login(token_hash)
        login = find_login(known, client_id or (known.client_id if known else ""), now)
        # An access token that began an enrolment is no mfa_token: its scope is checked at each request.
        if isinstance(login, FactorWrong) or login.grant == ENROLMENT:
            return None
        return await _user_of(transaction, login, now)

    return await site.store.read(load)


async def _user_of(transaction: Transaction, login: MfaLogin, now: datetime) -> MfaUser | None:
    user = await transaction.user_by_id(login.user_id)
    if user is None or user.is_blocked:
        return None
    known = await transaction.authenticators(user.user_id)
    own = tuple(one for one in known if one.is_active or one.is_unproven_of(login.token_hash, now))
    return MfaUser(user, own, login)
