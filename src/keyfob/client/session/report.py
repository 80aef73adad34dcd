"""The text and JSON that commands print about a stored login: its user, its state, and the result of a logout.

keyfob's own commands and the commands that `keyfob.embed` adds to other programs print the same text and JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from keyfob.client.model.display import clock, instant
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import LoginStatus, State

if TYPE_CHECKING:
    from keyfob.client.flows.logout import LoggedOut

NOT_LOGGED_IN: Final = LoginStatus("login-needed", None, renews=False, refresh_until=None, ends_at=None)
NO_LONGER_STORED: Final = "the login was deleted here"
_STATES: Final[dict[State, str]] = {
    "logged-in": "logged in",
    "lapsed-but-renews": "logged in; the access token has expired, and the next command refreshes it",
    "login-needed": "not logged in",
    "offline-unknown": "unknown: the issuer did not respond",
    "vault-unavailable": "unknown: the vault cannot be opened",
}


def display_name(stored: StoredLogin, *, is_machine: bool) -> str:
    itself = f"{stored.client_id} (service account)" if is_machine else None
    return stored.person or stored.subject or itself or "(the issuer does not name the user)"


def account_question(before: StoredLogin, after: StoredLogin) -> str:
    """Return the question whether another user's login may replace the stored login."""
    names = [stored.person or stored.subject or "?" for stored in (before, after)]
    return f"you were logged in as {names[0]}, and now as {names[1]}; keep the new login?"


def user_members(stored: StoredLogin, *, renews: bool) -> dict[str, object]:
    """Return JSON members that describe the user of a login."""
    return {
        "issuer": stored.issuer,
        "client_id": stored.client_id,
        "audience": stored.audience,
        "subject": stored.subject,
        "name": stored.person,
        "scope": stored.scope.write(),
        "expires_at": instant(stored.expires_at),
        "renews": renews,
    }


def user_facts(stored: StoredLogin, now: datetime, *, renews: bool, login_line: str) -> list[tuple[str, str]]:
    """Return the labels and values that `whoami` prints below the user's name."""
    facts = [
        ("issuer", stored.issuer),
        ("subject", stored.subject if stored.person else None),
        ("audience", stored.audience),
        ("scope", stored.scope.write()),
        ("token", _token_words(stored, now, renews=renews, login_line=login_line)),
    ]
    return [(name, value) for name, value in facts if value]


def _token_words(stored: StoredLogin, now: datetime, *, renews: bool, login_line: str) -> str:
    after = "then renewed" if renews else "then a new login is needed"
    if stored.expires_at is None:
        return "valid until the API refuses it"
    if stored.expires_at <= now:
        return "expired; the next command refreshes it" if renews else f"expired; run {login_line}"
    return f"valid until {clock(stored.expires_at)}, {after}"


def status_words(status: LoginStatus, now: datetime) -> str:
    """Return the state as text. If the login has ended, but its access token has not expired, the text says so."""
    until = status.access_until
    if status.state == "login-needed" and until is not None and until > now:
        return f"the login has ended; its access token may be valid until {clock(until)}"
    return _STATES[status.state]


def status_facts(stored: StoredLogin, status: LoginStatus) -> list[tuple[str, str | None]]:
    """Return the labels and values that `status` prints below the state. A value of None is not printed."""
    access = "the API says otherwise" if status.access_until is None else clock(status.access_until)
    ends = "unknown: the issuer does not say" if status.ends_at is None else clock(status.ends_at)
    return [
        ("issuer", stored.issuer),
        ("who", stored.person or stored.subject),
        ("access until", access),
        ("refresh until", None if status.refresh_until is None else clock(status.refresh_until)),
        ("session ends", ends if status.renews else None),
        ("bound", _bound(stored)),
    ]


def _bound(stored: StoredLogin) -> str | None:
    if stored.certificate is not None:
        return "to this program's certificate (mTLS)"
    return "to a key of this login (DPoP)" if stored.is_bound else None


def status_members(stored: StoredLogin | None, status: LoginStatus) -> dict[str, object]:
    """Return a login's state as JSON members. `stored` is None if there is no login."""
    return {
        "issuer": stored and stored.issuer,
        "client_id": stored and stored.client_id,
        "audience": stored and stored.audience,
        "subject": stored and stored.subject,
        "name": stored and stored.person,
        "scope": stored and stored.scope.write(),
        "access_expires_at": instant(status.access_until),
        "renews": status.renews,
        "refresh_expires_at": instant(status.refresh_until),
        "session_ends_at": instant(status.ends_at),
        "bound": stored is not None and stored.is_bound,
    }


def logout_words(done: LoggedOut) -> Iterator[str]:
    """Yield the text of a logout's result: what was revoked, which tokens stay valid, and until when."""
    yield f"logged out; {NO_LONGER_STORED}"
    if done.revoked is False:
        yield f"but the server was not reached ({done.problem}): the refresh token may still be valid there"
    if not done.is_alive:
        return
    given = "the access token was revoked"
    revoked = given if done.access_revoked else "the access token was not revoked"
    until = "it expires, at a time that is unknown here" if done.alive_until is None else clock(done.alive_until)
    yield f"{revoked}; an API that verifies tokens offline accepts it until {until}"
