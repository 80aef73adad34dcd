"""Passkeys on the pages: request a passkey from the browser, and check the response (W3C WebAuthn Level 3 §7.2).

The challenge is derived from the encrypted state of the page, so opening a page stores nothing. After a valid response,
the challenge is recorded as used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from keyfob.jose.passkey import Ceremony, verify_assertion
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import Request
from keyfob.server.decide.passkey import PasskeyAnswer, ceremony, id_of, is_cloned, is_owner, read_answer, write_request
from keyfob.server.endpoints.pages.browser import BrowserRequest
from keyfob.server.endpoints.pages.sealed_login import ContinuedLogin, allowed_user, connections_of
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.ports import Transaction
from keyfob.server.records import Authenticator, User
from keyfob.server.site import Site


def ceremony_of(site: Site, browser: BrowserRequest, token: str) -> Ceremony:
    """Return the values that an authenticator must sign for a page in this browser session.

    `token` is the page's encrypted state.
    """
    challenge = keyed_hash(site.hash_keys.codes, b"passkey challenge " + browser.session_hash + token.encode())
    return ceremony(site.config.issuer, challenge)


def request_words(
    site: Site, browser: BrowserRequest, token: str, allowed: Iterable[Authenticator] = ()
) -> dict[str, object]:
    """Return the template values for a login with a passkey."""
    ids = [one.credential_id for one in allowed if one.credential_id is not None]
    return {"passkey": write_request(ceremony_of(site, browser, token), ids) if site.rp_id else ""}


async def spend_challenge(site: Site, transaction: Transaction, asked: Ceremony, until: datetime) -> bool:
    """Record a challenge as used. Return False if it was used before.

    The record is kept until `until`. Then the state of the challenge's page has expired, so the challenge is useless.
    """
    return await transaction.use_once(keyed_hash(site.hash_keys.codes, asked.challenge), until)


async def prove(
    site: Site, request: Request, browser: BrowserRequest, pending: ContinuedLogin, fields: Fields, user_id: str = ""
) -> User | None:
    """Check the response of a browser. Return the passkey's user. On failure, write an audit event and return None.

    Args:
        site: The tenant.
        request: The request, for the audit log.
        browser: The browser session whose page requested the passkey.
        pending: The login that the passkey is used for.
        fields: The form with the browser's response.
        user_id: The user whose passkey is required; "" allows any user who may log in here.
    """
    answer = read_answer(fields.optional_text("passkey") or "") if site.rp_id else None
    if answer is None:
        _refuse(site, request, pending, user_id, "no answer of an authenticator")
        return None
    asked, name, now = ceremony_of(site, browser, pending.token), id_of(answer.credential_id), site.now()

    async def load(transaction: Transaction) -> tuple[Authenticator | None, User | None]:
        found = await transaction.authenticator(name)
        return found, None if found is None else await transaction.user_by_id(found.user_id)

    known, user = await site.store.read(load)
    count = _counter_of(answer, asked, known, user_id)
    if known is None or user is None or isinstance(count, str):
        _refuse(site, request, pending, user_id or (known.user_id if known else ""), str(count))
        return None

    async def save(transaction: Transaction) -> str:
        stored = await transaction.authenticator(name)
        allowed = await allowed_user(transaction, connections_of(site, pending), known.user_id)
        if stored is None or allowed is None:
            return "the user may not log in here, or the passkey was removed"
        if is_cloned(stored.sign_count, count):
            return "the counter did not grow: the passkey may have been copied"
        if not await spend_challenge(site, transaction, asked, pending.login.expires_at):
            return "the challenge was used before"
        await transaction.save_authenticator(replace(stored, sign_count=count, used_at=now))
        return ""

    problem = await site.store.write(save)
    if problem:
        _refuse(site, request, pending, known.user_id, problem)
        return None
    site.note("gd_auth_succeed", request, client_id=pending.client_id, user_id=known.user_id, description="passkey")
    return user


def _counter_of(answer: PasskeyAnswer, asked: Ceremony, known: Authenticator | None, user_id: str) -> int | str:
    """Verify a response with the stored passkey. Return the signature counter, or the reason for refusal."""
    if known is None or (user_id and known.user_id != user_id):
        return "unknown passkey"
    if not is_owner(answer, known.user_id, is_known=bool(user_id)):
        return "another user handle"
    count = verify_assertion(answer.text, asked, known.secret)
    return "the signature does not fit the challenge or the page" if count is None else count


def _refuse(site: Site, request: Request, pending: ContinuedLogin, user_id: str, why: str) -> None:
    who = {"client_id": pending.client_id, "user_id": user_id}
    site.note("gd_webauthn_challenge_failed", request, **who, description=why)
