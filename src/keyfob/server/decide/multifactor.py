"""Second factors: one-time codes, messages, recovery codes (RFC 6238, RFC 4226 §5.3, Auth0's MFA)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from keyfob.server.decide.check_table import first_failed_check
from keyfob.server.decide.presented import FactorFacts
from keyfob.server.decide.token_checks import MFA
from keyfob.server.records import Authenticator, MfaLogin
from keyfob.server.settings.config import Mfa
from keyfob.server.wire import Outcome

STEP: Final = timedelta(seconds=30)
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # 32 letters of base32
LOGIN_LIFETIME: Final = timedelta(minutes=10)
ENROLMENT: Final = "enrolment"  # the value in place of a grant for a login that begins with an access token
ANOTHER: Final = "another factor"  # the value for a browser login in which the user proves a factor and adds another
MESSAGE_LIFETIME: Final = timedelta(minutes=5)
TRIES: Final = 10
TRY_BACK_AFTER: Final = timedelta(minutes=6)
RECOVERY_LENGTH: Final = 24
_RECOVERY_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def is_due(policy: Mfa, active: Iterable[Authenticator]) -> bool:
    """Return whether a user with these active factors must use a second factor."""
    return policy == "always" or (policy == "enrolled" and any(True for _ in active))


def is_from_before(login: MfaLogin, factors: Iterable[Authenticator]) -> bool:
    """Return whether the access token that began the login is older than one of the user's active factors.

    Such a token may have been issued for a password alone. `iat` is in whole seconds. So if token and factor were
    created in the same second, the token counts as older.
    """
    return any(one.is_active and int(one.created_at.timestamp()) >= login.created_at.timestamp() for one in factors)


def one_time_code(secret: bytes, step: int) -> str:
    """Return the code of one time step (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    at = digest[-1] & 0xF
    number = int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(now: datetime) -> int:
    """Return the current time step."""
    return int(now.timestamp() // STEP.total_seconds())


def matching_step(secret: bytes, typed: str, now: datetime, last_step: int | None) -> int | None:
    """Return the time step that the typed code belongs to, or None if there is no such step.

    Only three steps are tried: the current one, the one before, and the one after. A step that is not later than
    `last_step` is refused, since its code may have been used already (RFC 6238 §5.2).
    """
    plain = typed.replace(" ", "").encode()
    found = None
    for step in range(step_of(now) - 1, step_of(now) + 2):
        if hmac.compare_digest(plain, one_time_code(secret, step).encode()) and step > (last_step or 0):
            found = step
    return found


def write_digits(random: bytes) -> str:
    """Return a one-time code to send in a message, made from at least 8 random bytes."""
    return f"{int.from_bytes(random[:8]) % 10**DIGITS:0{DIGITS}d}"


def write_recovery_code(random: bytes) -> str:
    """Return a recovery code from at least 24 random bytes.

    The alphabet of the code has 32 letters. Since 32 divides 256, each letter is equally likely.
    """
    return "".join(_RECOVERY_ALPHABET[byte % 32] for byte in random[:RECOVERY_LENGTH])


def read_recovery_code(typed: str) -> str:
    """Return a typed recovery code in its canonical form, without spaces and dashes, in upper case."""
    return "".join(letter for letter in typed.upper()[:100] if letter.isalnum())


def base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode("ascii")


def enrolment_address(tenant: str, account: str, secret: bytes) -> str:
    """Return the otpauth URI that an authenticator app scans."""
    label = f"{quote(tenant, safe='')}:{quote(account, safe='')}"
    facts = {"secret": base32(secret), "issuer": tenant, "algorithm": "SHA1", "digits": DIGITS, "period": 30}
    return f"otpauth://totp/{label}?{urlencode(facts, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class FactorWrong:
    """The mfa_token or the second factor is refused."""

    outcome: Outcome


def find_login(login: MfaLogin | None, client_id: str, now: datetime) -> MfaLogin | FactorWrong:
    """Return the login of an mfa_token, or the reason why the token is refused."""
    return check_factor(FactorFacts(record=login, client_id=client_id, now=now))


def check_factor(facts: FactorFacts) -> MfaLogin | FactorWrong:
    """Run the checks of the MFA grants at the token endpoint. A check whose facts are not known yet passes.

    Return the login if no check fails, otherwise the error of the first check that fails.
    """
    refused = first_failed_check(MFA, facts)
    return facts.known if refused is None else FactorWrong(refused.outcome)


def decide_message(login: MfaLogin, oob_hash: bytes, binding_hash: bytes, now: datetime) -> MfaLogin | FactorWrong:
    """Check a code that was sent in a message.

    If the code is right, return the login as spent, so that the code cannot be used again. Otherwise return the error.
    """
    if login.oob_hash is None or login.binding_hash is None or login.oob_expires_at is None:
        return FactorWrong("binding_code_wrong")
    is_right = hmac.compare_digest(login.oob_hash, oob_hash) and hmac.compare_digest(login.binding_hash, binding_hash)
    if not is_right or now >= login.oob_expires_at:
        return FactorWrong("binding_code_wrong")
    return replace(login, is_spent=True, oob_hash=None, binding_hash=None)
