"""Enrol, request, send and check second factors, for the password grants, the MFA API and the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from keyfob.errors import Unreachable
from keyfob.jose.sealed import NONCE_BYTES, seal, unseal_any
from keyfob.protocol.base64url import base64url
from keyfob.protocol.http import Request, Response
from keyfob.protocol.language import accepted_language
from keyfob.protocol.secret import Secret
from keyfob.server.decide.access import ApiAccess
from keyfob.server.decide.multifactor import (
    ANOTHER,
    ENROLMENT,
    LOGIN_LIFETIME,
    MESSAGE_LIFETIME,
    RECOVERY_LENGTH,
    SECRET_BYTES,
    FactorWrong,
    decide_message,
    find_login,
    is_from_before,
    matching_step,
    read_recovery_code,
    write_digits,
    write_recovery_code,
)
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.endpoints.oauth.code_mail import code_mail
from keyfob.server.endpoints.oauth.factor_tries import end_message_pause
from keyfob.server.endpoints.password_check import is_changed
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, Factor, MfaLogin, User
from keyfob.server.site import Site
from keyfob.server.wire import Outcome, answer

TOKEN_BYTES: Final = 32
_PREFIX: Final = "Fe26.2*"  # the prefix of Auth0's mfa_token and oob_code
_ID_PREFIX: Final[dict[Factor, str]] = {"otp": "totp", "email": "email", "recovery-code": "recovery-code"}


async def begin_factor(
    call: ClientRequest, user: User, access: ApiAccess, grant: str, factors: Iterable[Authenticator]
) -> Response | None:
    """Return the response that requires a second factor and lists kinds of factors (Auth0's mfa_required).

    If the user has an active factor, the list contains the kinds of the user's factors. Otherwise, it contains the
    kinds that the user may enrol.

    Return None if the user was deleted, was blocked or got a new password after the password was verified.
    """
    site, wire = call.site, call.site.config.wire
    token = Secret(_PREFIX + base64url(site.random(TOKEN_BYTES)))
    login = MfaLogin(
        token_hash=keyed_hash(site.hash_keys.codes, token),
        user_id=user.user_id,
        client_id=call.application.client_id,
        audience=access.api.audience,
        scope=access.scope,
        grant=grant,
        created_at=call.now,
        expires_at=call.now + LOGIN_LIFETIME,
        key_thumbprint=call.key_thumbprint,
    )
    if not await site.store.write(lambda transaction: save_factor_due(transaction, login, user)):
        return None
    call.note("mfar", user_id=user.user_id)
    active = {one.factor for one in factors if one.is_active}
    usable = sorted(active - {"passkey"}) if active else site.factors  # a passkey is used in a browser only
    kinds = {"challenge" if active else "enroll": [{"type": kind} for kind in usable]}
    more = {"mfa_token": token.reveal(), "mfa_requirements": kinds}
    return answer(wire, "mfa_required", headers=call.headers, more=more)


async def save_factor_due(transaction: Transaction, login: MfaLogin, user: User) -> bool:
    """Save a login that still needs a second factor, and return True.

    If the user was deleted, was blocked or got a new password since `user` was loaded, save nothing and return False.
    """
    if is_changed(await transaction.user_by_id(user.user_id), user):
        return False
    await transaction.save_mfa_login(login)
    return True


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A second factor that is not yet active, with the secrets to show to the user once.

    Attributes:
        secret: The secret for the user's authenticator app; empty for e-mail.
        recovery_code: The recovery code that was added with the factor; None if none was added.
    """

    authenticator: Authenticator
    secret: bytes
    recovery_code: str | None = None


async def enrol(
    site: Site, user: User, factor: Factor, login: MfaLogin, *, with_recovery: bool = True
) -> Enrolled | FactorWrong:
    """Store a new, inactive second factor for a login. A correct code in the same login activates it.

    Args:
        site: The tenant.
        user: The user of the login.
        factor: The kind of the factor.
        login: The login that enrols the factor. If it began with an access token, this function also stores the login.
        with_recovery: Whether to add a recovery code too, if the user has none.

    Returns:
        The new factor. A `FactorWrong` if the login has been used already, or if another factor of the user has become
        active since the login began.
    """
    now, random = site.now(), site.random
    secret = random(SECRET_BYTES) if factor == "otp" else b""
    name = f"{_ID_PREFIX[factor]}|dev_{base64url(random(12))}"
    encrypted = (
        seal(secret, site.hash_keys.factors[0], nonce=random(NONCE_BYTES), context=f"factor {name}") if secret else b""
    )
    begun, end = login.token_hash, login.expires_at
    added = Authenticator(name, user.user_id, factor, encrypted, now, login_hash=begun, expires_at=end)
    has_code = with_recovery and "recovery-code" in site.config.factors
    code = write_recovery_code(random(RECOVERY_LENGTH)) if has_code else None

    async def add(transaction: Transaction) -> FactorWrong | str | None:
        known = await transaction.authenticators(user.user_id)
        if login.grant == ENROLMENT:
            if is_from_before(login, known):
                return FactorWrong("already_enrolled")
            await transaction.save_mfa_login(login)
        else:
            found = find_login(await transaction.mfa_login(login.token_hash), login.client_id, now)
            if isinstance(found, FactorWrong):
                return found
            if login.grant != ANOTHER and any(one.is_active for one in known):
                return FactorWrong("already_enrolled")
        for one in known:
            if one.login_hash == login.token_hash and one.factor in {factor, "recovery-code"}:
                await transaction.drop_authenticator(one.authenticator_id)  # an unfinished enrolment of the same login
        await transaction.save_authenticator(added)
        if code is None or any(one.factor == "recovery-code" and one.is_active for one in known):
            return None
        recovery = recovery_of(site, user.user_id, code, now)
        await transaction.save_authenticator(replace(recovery, login_hash=begun, expires_at=end))
        return code

    saved = await site.store.write(add)
    return saved if isinstance(saved, FactorWrong) else Enrolled(added, secret, saved)


def recovery_of(site: Site, user_id: str, code: str, now: datetime, *, is_active: bool = False) -> Authenticator:
    """Return a new record for a recovery code. The record contains a keyed hash of the code, not the code."""
    hashed = keyed_hash(site.hash_keys.recovery, f"recovery {user_id} {code}")
    name = f"recovery-code|dev_{base64url(site.random(12))}"
    return Authenticator(name, user_id, "recovery-code", hashed, now, is_active)


async def check_otp(site: Site, transaction: Transaction, login: MfaLogin, typed: str, now: datetime) -> bool:
    """Return whether a code matches an authenticator that this login may use.

    A login may use the authenticator whose enrolment it began. Unless the login began with an access token, it may also
    use the user's active authenticators. If the code matches, mark it as used and activate the authenticator.
    """
    for one in await transaction.authenticators(login.user_id):
        is_usable = one.is_active and login.grant != ENROLMENT
        if one.factor == "otp" and (is_usable or one.is_unproven_of(login.token_hash, now)):
            secret = unseal_any(one.secret, site.hash_keys.factors, context=f"factor {one.authenticator_id}")
            step = matching_step(secret, typed, now, one.last_step)
            if step is not None:
                await transaction.save_authenticator(replace(one, last_step=step))
                await activate(site, transaction, one.authenticator_id, login)
                return True
    return False


async def activate(site: Site, transaction: Transaction, authenticator_id: str, login: MfaLogin) -> None:
    """Activate an authenticator whose enrolment the login began, and the recovery code that was added with it.

    If the authenticator is active already, nothing changes. Otherwise:

    - Any other factor or recovery code of the user that is not active is deleted, since an attacker could have enrolled
      it.
    - With the setting `enrolment_ends_logins`, the user's earlier sessions and logins end, since they may have begun
      with a password alone.
    """
    known = [one for one in await transaction.authenticators(login.user_id) if not one.is_active]
    own = [one for one in known if one.login_hash == login.token_hash]
    if authenticator_id not in {one.authenticator_id for one in own}:
        return  # the authenticator was active before
    for one in known:
        if one in own and (one.authenticator_id == authenticator_id or one.factor == "recovery-code"):
            proven = replace(one, is_active=True, created_at=site.now(), login_hash=None, expires_at=None)
            await transaction.save_authenticator(proven)
        else:
            await transaction.drop_authenticator(one.authenticator_id)
    if site.config.enrolment_ends_logins:
        await transaction.end_logins(login.user_id)


async def check_recovery(
    site: Site, transaction: Transaction, login: MfaLogin, typed: str, fresh: Authenticator
) -> bool:
    """Return whether the typed text is the user's recovery code. If it is, replace the code by `fresh`."""
    hashed = keyed_hash(site.hash_keys.recovery, f"recovery {login.user_id} {read_recovery_code(typed)}")
    for one in await transaction.authenticators(login.user_id):
        is_usable = one.factor == "recovery-code" and one.is_active and login.grant != ENROLMENT
        if is_usable and Secret(one.secret.hex()) == Secret(hashed.hex()):
            await transaction.drop_authenticator(one.authenticator_id)
            await transaction.save_authenticator(fresh)
            return True
    return False


async def send_message(
    site: Site, request: Request, login: MfaLogin, user: User, authenticator_id: str
) -> Secret | Outcome:
    """Send a code by e-mail. Return the oob_code, or the outcome if no code was sent.

    A new code makes the code of an earlier message invalid. After a failure to send, the usual pause before the next
    message does not apply.
    """
    if site.mailer is None:
        return "mail_off"
    random, now = site.random, site.now()
    oob, code = Secret(_PREFIX + base64url(random(TOKEN_BYTES))), write_digits(random(8))

    async def keep(transaction: Transaction) -> bool:
        found = find_login(await transaction.mfa_login(login.token_hash), login.client_id, now)
        if isinstance(found, FactorWrong):
            return False
        sent = replace(
            found,
            oob_hash=keyed_hash(site.hash_keys.codes, oob),
            binding_hash=binding_hash(site, login.token_hash, code),
            oob_expires_at=now + MESSAGE_LIFETIME,
            authenticator_id=authenticator_id,
        )
        await transaction.save_mfa_login(sent)
        return True

    if not await site.store.write(keep):
        return "mfa_token_refused"
    mail = code_mail(site, login.client_id, code, accepted_language(request.header("accept-language") or ""))
    who = {"client_id": login.client_id, "user_id": user.user_id}
    try:
        await site.mailer.send(user.email, mail.subject, mail.text, mail.html)
    except Unreachable as problem:
        await end_message_pause(site, user.user_id)
        site.note("gd_send_email_failure", request, **who, description=problem.message)
        return "mail_unsent"
    site.note("gd_send_email", request, **who)
    return oob


def binding_hash(site: Site, token_hash: bytes, code: str) -> bytes:
    """Return one keyed hash of a login's `token_hash` and the code in its message.

    Since the hash includes the login, the code is right for this login only.
    """
    return keyed_hash(site.hash_keys.codes, token_hash + code.strip().encode())


async def check_message(
    site: Site, transaction: Transaction, login: MfaLogin, oob: Secret, typed: str, now: datetime
) -> MfaLogin | FactorWrong:
    """Check the code of a message.

    If the code is right, activate the authenticator, and return the login, marked as used. The caller must save the
    login. If the code is wrong, return the error.
    """
    oob_hash = keyed_hash(site.hash_keys.codes, oob)
    decision = decide_message(login, oob_hash, binding_hash(site, login.token_hash, typed), now)
    if isinstance(decision, MfaLogin) and decision.authenticator_id is not None:
        await activate(site, transaction, decision.authenticator_id, decision)
    return decision
