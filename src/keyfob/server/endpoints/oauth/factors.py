"""Enrol, request, send and check second factors, for the password grants, the MFA API and the pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyfob.jose.sealed import NONCE_BYTES, seal, unseal
from keyfob.protocol.http import Request, Response
from keyfob.protocol.secret import Secret
from keyfob.server.decide.access import ApiAccess
from keyfob.server.decide.multifactor import (
    LOGIN_LIFETIME,
    MESSAGE_LIFETIME,
    RECOVERY_LENGTH,
    SECRET_BYTES,
    TRIES,
    TRY_BACK_AFTER,
    FactorWrong,
    decide_message,
    matching_step,
    read_recovery_code,
    write_digits,
    write_recovery_code,
)
from keyfob.server.decide.throttle import (
    MESSAGE_PAUSE,
    MESSAGES,
    MESSAGES_OF_LOGIN,
    MESSAGES_SPAN,
    Bucket,
    refill,
    spend,
    time_until_try,
)
from keyfob.server.endpoints.oauth.client_request import ClientRequest
from keyfob.server.keyed_hash import keyed_hash, write_token
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, Factor, MfaLogin, Tries, User
from keyfob.server.site import Site
from keyfob.server.wire import answer

TOKEN_BYTES: Final = 32
_TRIES_SPAN: Final = TRIES * TRY_BACK_AFTER
_PREFIX: Final = "Fe26.2*"  # the prefix of Auth0's mfa_token and oob_code
_ID_PREFIX: Final[dict[Factor, str]] = {"otp": "totp", "email": "email", "recovery-code": "recovery-code"}


async def begin_factor(
    call: ClientRequest, user: User, access: ApiAccess, grant: str, factors: Iterable[Authenticator]
) -> Response:
    """Answer that a second factor is required, and of which kind (Auth0's mfa_required)."""
    site, wire = call.site, call.site.config.wire
    token = Secret(_PREFIX + write_token(site.random(TOKEN_BYTES)))
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
    await site.store.write(lambda transaction: transaction.save_mfa_login(login))
    call.note("mfar", user_id=user.user_id, description="a second factor is due")
    active = sorted({one.factor for one in factors if one.is_active})
    kinds = {"challenge" if active else "enroll": [{"type": kind} for kind in active or site.config.factors]}
    more = {"mfa_token": token.reveal(), "mfa_requirements": kinds}
    return answer(wire, "mfa_required", headers=call.headers, more=more)


def has_tries(site: Site, transaction: Transaction, user_id: str, now: datetime) -> bool:
    """Return whether the user may try another second factor."""
    return not time_until_try(_tries(transaction, _tries_key(site, user_id), now), TRIES, _TRIES_SPAN)


async def spend_try(site: Site, user_id: str, now: datetime) -> bool:
    """Count a try of a second factor. Return False if none is left."""
    key = _tries_key(site, user_id)

    def work(transaction: Transaction) -> bool:
        bucket = _tries(transaction, key, now)
        if time_until_try(bucket, TRIES, _TRIES_SPAN):
            return False
        transaction.save_tries(Tries(key, spend(bucket).left, now, now + _TRIES_SPAN))
        return True

    return await site.store.write(work)


async def restore_tries(site: Site, user_id: str) -> None:
    """Forget the wrong codes of a user who has sent a right one, who may then get another message at once."""

    def work(transaction: Transaction) -> None:
        transaction.drop_tries(_tries_key(site, user_id))
        transaction.drop_tries(_message_key(site, f"pause {user_id}"))

    await site.store.write(work)


def _tries_key(site: Site, user_id: str) -> bytes:
    return keyed_hash(site.hash_keys.codes, f"tries factor {user_id}")


def _tries(transaction: Transaction, key: bytes, now: datetime) -> Bucket:
    known = transaction.tries(key)
    return refill(None if known is None else Bucket(known.count, known.at), TRIES, _TRIES_SPAN, now)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A second factor that is not yet active, with the secrets to show to the user once."""

    authenticator: Authenticator
    secret: bytes
    recovery_code: str | None = None


async def enrol(site: Site, user: User, factor: Factor, *, with_recovery: bool = True) -> Enrolled:
    """Add a second factor, inactive until a correct code. The first one is added with a recovery code."""
    now, random = site.now(), site.random
    secret = random(SECRET_BYTES) if factor == "otp" else b""
    name = f"{_ID_PREFIX[factor]}|dev_{write_token(random(12))}"
    encrypted = (
        seal(secret, site.hash_keys.factors, nonce=random(NONCE_BYTES), context=f"factor {name}") if secret else b""
    )
    added = Authenticator(name, user.user_id, factor, encrypted, now)
    has_code = with_recovery and "recovery-code" in site.config.factors
    code = write_recovery_code(random(RECOVERY_LENGTH)) if has_code else None

    def add(transaction: Transaction) -> str | None:
        known = transaction.authenticators(user.user_id)
        for one in known:
            if one.factor == factor and not one.is_active:
                transaction.drop_authenticator(one.authenticator_id)  # an unfinished enrolment
        transaction.save_authenticator(added)
        if code is None or any(one.factor == "recovery-code" and one.is_active for one in known):
            return None
        for one in known:
            if one.factor == "recovery-code":
                transaction.drop_authenticator(one.authenticator_id)
        transaction.save_authenticator(recovery_of(site, user.user_id, code, now))
        return code

    return Enrolled(added, secret, await site.store.write(add))


def recovery_of(site: Site, user_id: str, code: str, now: datetime, *, is_active: bool = False) -> Authenticator:
    """Return the record of a recovery code, which has a keyed hash only."""
    hashed = keyed_hash(site.hash_keys.factors, f"recovery {user_id} {code}")
    name = f"recovery-code|dev_{write_token(site.random(12))}"
    return Authenticator(name, user_id, "recovery-code", hashed, now, is_active)


def check_otp(site: Site, transaction: Transaction, user_id: str, typed: str, now: datetime) -> bool:
    """Return whether a code matches an authenticator of the user. If so, use it up and activate the authenticator."""
    for one in transaction.authenticators(user_id):
        if one.factor == "otp":
            secret = unseal(one.secret, site.hash_keys.factors, context=f"factor {one.authenticator_id}")
            step = matching_step(secret, typed, now, one.last_step)
            if step is not None:
                transaction.save_authenticator(replace(one, last_step=step))
                activate(transaction, one.authenticator_id, user_id)
                return True
    return False


def activate(transaction: Transaction, authenticator_id: str, user_id: str) -> None:
    """Activate an authenticator, and the recovery code that was added with it."""
    for one in transaction.authenticators(user_id):
        if not one.is_active and (one.authenticator_id == authenticator_id or one.factor == "recovery-code"):
            transaction.save_authenticator(replace(one, is_active=True))


def check_recovery(site: Site, transaction: Transaction, user_id: str, typed: str, fresh: Authenticator) -> bool:
    """Return whether it is the user's recovery code. If so, replace it with `fresh`."""
    hashed = keyed_hash(site.hash_keys.factors, f"recovery {user_id} {read_recovery_code(typed)}")
    for one in transaction.authenticators(user_id):
        if one.factor == "recovery-code" and one.is_active and Secret(one.secret.hex()) == Secret(hashed.hex()):
            transaction.drop_authenticator(one.authenticator_id)
            transaction.save_authenticator(fresh)
            return True
    return False


async def message_wait(site: Site, login: MfaLogin) -> timedelta:
    """Count an e-mail of a login. If too many were sent, count nothing and return the time to wait."""
    now, user_id = site.now(), login.user_id
    of_login, of_user, of_pause = (
        _message_key(site, name) for name in (f"login {login.token_hash.hex()}", f"user {user_id}", f"pause {user_id}")
    )

    def work(transaction: Transaction) -> timedelta:
        sent, known, last = map(transaction.tries, (of_login, of_user, of_pause))
        bucket = refill(None if known is None else Bucket(known.count, known.at), MESSAGES, MESSAGES_SPAN, now)
        wait = time_until_try(bucket, MESSAGES, MESSAGES_SPAN)
        if last is not None:
            wait = max(wait, last.expires_at - now)
        if sent is not None and sent.count >= MESSAGES_OF_LOGIN:
            wait = max(wait, login.expires_at - now)
        if not wait:
            transaction.save_tries(Tries(of_login, (sent.count if sent else 0) + 1, now, login.expires_at))
            transaction.save_tries(Tries(of_user, spend(bucket).left, now, now + MESSAGES_SPAN))
            transaction.save_tries(Tries(of_pause, 0, now, now + MESSAGE_PAUSE))
        return wait

    return await site.store.write(work)


def _message_key(site: Site, name: str) -> bytes:
    return keyed_hash(site.hash_keys.codes, f"messages {name}")


async def send_message(site: Site, request: Request, login: MfaLogin, user: User, authenticator_id: str) -> Secret:
    """Send a code by e-mail and return its oob_code. The code of an earlier message is no longer valid.

    Raises:
        Unreachable: The message could not be sent.
    """
    random, now = site.random, site.now()
    oob, code = Secret(_PREFIX + write_token(random(TOKEN_BYTES))), write_digits(random(8))
    sent = replace(
        login,
        oob_hash=keyed_hash(site.hash_keys.codes, oob),
        binding_hash=binding_hash(site, login.token_hash, code),
        oob_expires_at=now + MESSAGE_LIFETIME,
        authenticator_id=authenticator_id,
    )
    await site.store.write(lambda transaction: transaction.save_mfa_login(sent))
    text = (
        f"Your code is {code}. It is good for five minutes, once.\n\n"
        "If you did not just log in, somebody knows your password: change it.\n"
    )
    await site.mailer.send(user.email, f"Your code for {site.config.name}", text)
    site.note("mfas", request, user_id=user.user_id, description="a code was sent by e-mail")
    return oob


def binding_hash(site: Site, token_hash: bytes, code: str) -> bytes:
    """Return the keyed hash of a message's code, bound to its login."""
    return keyed_hash(site.hash_keys.codes, token_hash + code.strip().encode())


def check_message(
    site: Site, transaction: Transaction, login: MfaLogin, oob: Secret, typed: str, now: datetime
) -> MfaLogin | FactorWrong:
    """Check the code of a message. If it is correct, return the spent login and activate the authenticator."""
    oob_hash = keyed_hash(site.hash_keys.codes, oob)
    decision = decide_message(login, oob_hash, binding_hash(site, login.token_hash, typed), now)
    if isinstance(decision, MfaLogin) and decision.authenticator_id is not None:
        activate(transaction, decision.authenticator_id, decision.user_id)
    return decision
