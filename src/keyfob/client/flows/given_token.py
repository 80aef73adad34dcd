"""A login made of an access token that keyfob did not request, such as a CI system's (RFC 6750, RFC 9068 §2.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from keyfob.client.model.profile import Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.errors import Malformed, Misuse, Refused
from keyfob.jose.tokens import peek
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.metadata import ServerMetadata
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret

LARGEST: Final = 64 * 1024
_HINT: Final = "Send the access token alone, or JSON with a member access_token."


def read_given_token(given: Secret, profile: Profile, metadata: ServerMetadata, now: datetime) -> StoredLogin:
    """Return a login without refresh token, which ends when the given access token expires.

    The claims of a JWT are read to detect a wrong token early. The signature is not verified, since the API verifies
    it.

    Args:
        given: The token, or a JSON object with `access_token` and optionally `expires_at` and `scope`.
        profile: The profile of the new login.
        metadata: The issuer's metadata.
        now: The present time.

    Raises:
        Misuse: `given` has no access token, or the token is bound to a key.
        Refused: The token has expired, or was issued by another issuer or for another API.
    """
    token, members = _split(given)
    claims = peek(token)[1] or Fields({}, "access token")
    if claims.values.get("cnf") is not None or (members.optional_text("token_type") or "Bearer").lower() != "bearer":
        raise Misuse("this token is bound to a key, so it cannot be used here", code="token-bound", hint=_HINT)
    try:
        _check(claims, profile)
        expires_at = _expiry(members) or claims.optional_time("exp")
        scope = Scope.optional(members) or Scope.optional(claims) or profile.scope
        subject = claims.optional_text("sub")
    except Malformed:
        raise Misuse("a claim of the token has a wrong type", hint=_HINT) from None
    if expires_at is not None and expires_at <= now:
        raise Refused("this token has expired", hint="Get a new one.")
    return StoredLogin(
        issuer=metadata.issuer,
        client_id=profile.client_id,
        audience=profile.audience,
        token_endpoint=metadata.token_endpoint,
        revocation_endpoint=metadata.revocation_endpoint,
        access_token=token,
        expires_at=expires_at,
        scope=scope,
        obtained_at=now,
        subject=subject,
    )


def _split(given: Secret) -> tuple[Secret, Fields]:
    text = given.reveal().strip()
    members = Fields({}, "token")
    if text.startswith("{"):
        try:
            members = read_json(text.encode(), "token")
            text = members.text("access_token")
        except Malformed:
            raise Misuse("stdin contains no access token", hint=_HINT) from None
        if members.has("refresh_token"):
            raise Misuse(
                "a refresh token is not accepted: two programs that use one end each other's login", hint=_HINT
            )
    if not text or len(text) > LARGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise Misuse("stdin contains no access token", hint=_HINT)
    return Secret(text), members


def _check(claims: Fields, profile: Profile) -> None:
    issuer, audiences = claims.optional_text("iss"), claims.text_or_texts("aud")
    if issuer is not None and issuer != profile.issuer:
        raise Refused(
            "this token was issued by another issuer",
            hint="Log in with the token's issuer, exactly as it writes itself.",
        )
    if profile.audience is not None and audiences and profile.audience not in audiences:
        raise Refused(
            "this token is for another API", hint="Log in with the token's API as audience.", flags="--audience API"
        )


def _expiry(members: Fields) -> datetime | None:
    """Parse `expires_at`, in the format of `keyfob token --json`; None if absent."""
    said = members.optional_text("expires_at")
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        raise Malformed("token: expires_at is not a time", field="expires_at") from None
    if found.tzinfo is None:
        raise Malformed("token: expires_at has no time zone", field="expires_at")
    return found
