"""List the stored logins, and find a login by profile name, user or issuer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import DEFAULT, Profile
from keyfob.client.model.stored_login import StoredLogin
from keyfob.client.session.freshness import State, login_status
from keyfob.errors import KeyfobError, Misuse
from keyfob.run import run


@dataclass(frozen=True, slots=True)
class KnownLogin:
    """A profile and the state of its login.

    Attributes:
        profile: The settings; None if they are lost or damaged.
        stored: The stored login; None if there is none or it cannot be read.
        state: The login's state, or the code of the error that prevented reading the login.
        is_in_use: Whether commands use this profile if they name none.
    """

    name: str
    profile: Profile | None
    stored: StoredLogin | None
    state: State | str
    is_in_use: bool = False

    @property
    def who(self) -> str:
        """The user's name, else the subject, else (for a service account) the client ID; "" without a login."""
        if self.stored is None:
            return ""
        return self.stored.person or self.stored.subject or self.stored.client_id

    @property
    def issuer(self) -> str:
        """The issuer of the login; "" if unknown."""
        known = self.stored or self.profile
        return "" if known is None else known.issuer


def known_logins() -> list[KnownLogin]:
    """Return every profile that has settings or a login. Sends no request."""
    files, vault = ProfileFiles(), FileVault(None, Seals())
    chosen = files.chosen() or DEFAULT
    return [_known(name, files, vault, is_in_use=name == chosen) for name in sorted({*files.names(), *vault.entries()})]


def _known(name: str, files: ProfileFiles, vault: FileVault, *, is_in_use: bool) -> KnownLogin:
    profile = stored = None
    try:
        profile = files.load(name)
        stored = run(vault.load(name))
    except KeyfobError as problem:
        return KnownLogin(name, profile, None, problem.code, is_in_use)
    if stored is None:
        return KnownLogin(name, profile, None, "login-needed", is_in_use)
    is_machine = profile is not None and profile.is_machine
    state = login_status(stored, datetime.now(UTC), is_machine=is_machine).state
    return KnownLogin(name, profile, stored, state, is_in_use)


def find_login(logins: Sequence[KnownLogin], word: str) -> KnownLogin:
    """Return the login whose profile's name is `word`; if there is none, the only login with that user or issuer.

    Raises:
        Misuse: No login matches, or several do.
    """
    for login in logins:
        if login.name == word:
            return login
    fitting = [login for login in logins if word and word in {login.who, login.issuer}]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(login.name for login in fitting or logins)
    what = "several logins have this name" if fitting else "there is no such login"
    raise Misuse(what, hint=f"Stored logins: {names}" if names else "Log in first.")
