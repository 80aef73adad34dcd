"""How a login stands: good, renewable or over, and until when. Does not ask anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keyfob.client.model.stored_login import Held

State = Literal["logged-in", "lapsed-but-renews", "login-needed", "offline-unknown", "vault-unavailable"]


@dataclass(frozen=True, slots=True)
class Standing:
    """All moments are by this machine's clock.

    Attributes:
        state: The last two are for whoever asked an issuer that did not answer, or could not look into the vault.
        access_until: When the access token lapses; None where nobody said.
        renews: Whether a new one can be had without the person.
        refresh_until: When that ends, where the server said so.
        ends_at: Until when the login can go on without the person; None where nobody knows.
    """

    state: State
    access_until: datetime | None
    renews: bool
    refresh_until: datetime | None
    ends_at: datetime | None


def standing(held: Held, moment: datetime, *, is_machine: bool) -> Standing:
    """Judge a login by what is kept of it."""
    access_until = None if held.expires_at is None else held.expires_at - held.skew
    has_refresh = held.refresh_token is not None
    refresh_until = held.refresh_until - held.skew if has_refresh and held.refresh_until is not None else None
    is_open = refresh_until is None or refresh_until > moment
    renews = is_machine or (has_refresh and is_open)
    is_good = access_until is None or access_until > moment
    ends_at = None if is_machine else refresh_until if renews else access_until
    state: State = "logged-in" if is_good else "lapsed-but-renews" if renews else "login-needed"
    return Standing(state, access_until, renews, refresh_until, ends_at)
