"""Part of the public module `keyfob.login`: the logins that a user has of one program, one of which is in use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from keyfob.errors import Misuse
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import copy
    import dataclasses
    from pathlib import Path
    from typing import Self

    from keyfob.client.io.vault import named_logins
    from keyfob.client.model.profile import Profile
else:  # few programs have several
    copy = LazyModule("copy")
    dataclasses = LazyModule("dataclasses")
    named_logins = LazyModule("keyfob.client.io.vault.named_logins")


class SeveralLogins:
    """The profile of an `App`, and the choice of another login. Only an `App` with a `name` has several."""

    _settings: Profile
    _home: Path | None
    _may_choose: bool

    @cached_property
    def profile(self) -> Profile:
        """The settings, and the name of the stored login: of several, the one that was last chosen.

        The choice is read on first use. It then stays the same for the life of this object.

        Raises:
            VaultUnavailable: The choice cannot be read.
        """
        return self._profile_under(self._logins.chosen()) if self._may_choose else self._settings

    def under(self, profile: str) -> Self:
        """Return the same program with another of the user's logins, such as `work`. Whether it exists is not checked.

        Raises:
            Misuse: It is not a name of a login, or this App has no `name`, and so only one login.
        """
        other = copy.copy(self)
        other.profile = self._profile_under(profile)
        return other

    def choose(self, profile: str) -> None:
        """Make it the login for later processes, and for later uses of this object.

        Raises:
            Misuse: As `under`.
            VaultUnavailable: The choice cannot be stored.
        """
        chosen = self._profile_under(profile)
        self._logins.choose(profile)
        self.profile = chosen

    def chosen(self) -> str:
        """Return the short name of the login in use, such as `work`; `default` if there is only one."""
        return self._logins.short_name(self.profile.name) if self._may_choose else "default"

    def names(self) -> list[str]:
        """Return the short names of all stored logins of this program.

        Raises:
            Misuse: As `under`.
            VaultUnavailable: The folder cannot be read.
        """
        return self._logins.names()

    @property
    def _logins(self) -> named_logins.NamedLogins:
        if not self._may_choose:
            raise Misuse(
                "this program supports one login only",
                hint="To allow several, use App(name=...) without profile= and vault=.",
            )
        return named_logins.NamedLogins(self._home, self._settings.name)

    def _profile_under(self, name: str) -> Profile:
        return dataclasses.replace(self._settings, name=self._logins.entry(name))
