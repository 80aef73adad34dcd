"""Part of the public module `keyfob.login`: several logins of one user in one program, and the choice between them."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from keyfob.errors import Misuse
from keyfob.lazy import LazyModule

if TYPE_CHECKING:
    import copy
    import dataclasses
    from pathlib import Path
    from typing import Self

    from keyfob.client.io.vault import vault_file
    from keyfob.client.model import profile as profiles
    from keyfob.client.model.profile import Profile
else:  # few programs have several
    copy = LazyModule("copy")
    dataclasses = LazyModule("dataclasses")
    vault_file = LazyModule("keyfob.client.io.vault.vault_file")
    profiles = LazyModule("keyfob.client.model.profile")


class SeveralLogins:
    """The logins of an `App`, and the choice between them. Only an `App` with a `name` can have several logins.

    The name of each vault entry is a short name such as `work`, followed by a hash of issuer, client and API
    (`own_name`). Entries of other clients in the same folder are ignored.
    """

    _settings: Profile
    _home: Path | None
    _may_choose: bool

    @cached_property
    def profile(self) -> Profile:
        """The settings of the login in use, which is the last chosen login.

        The choice is read when this property is first used. Later choices by other processes do not affect this object.

        Raises:
            VaultUnavailable: The choice cannot be read.
        """
        if not self._may_choose:
            return self._settings
        name = vault_file.ProfileFiles(self._home).chosen()
        return self._profile_under(name if _is_short_name(name) else profiles.DEFAULT)

    def under(self, profile: str) -> Self:
        """Return an App for the login named `profile`, such as `work`. The login need not exist yet.

        Raises:
            Misuse: `profile` is not a valid name, or this App has no `name` and therefore only one login.
        """
        other = copy.copy(self)
        other.profile = self._profile_under(profile)
        return other

    def choose(self, profile: str) -> None:
        """Make `profile` the login in use, for this object and for later processes.

        Raises:
            Misuse: Any error of `under`.
            VaultUnavailable: The choice cannot be stored.
        """
        chosen = self._profile_under(profile)
        vault_file.ProfileFiles(self._home).choose(profile)
        self.profile = chosen

    def chosen(self) -> str:
        """Return the short name of the login in use, such as `work`; `default` if this App has only one login."""
        return self.profile.name.removesuffix(self._suffix) if self._may_choose else "default"

    def names(self) -> list[str]:
        """Return the short names of all stored logins of this program.

        Raises:
            Misuse: Any error of `under`.
            VaultUnavailable: The folder cannot be read.
        """
        end = self._suffix
        return [name.removesuffix(end) for name in vault_file.FileVault(self._home).entries() if name.endswith(end)]

    @property
    def _suffix(self) -> str:
        if not self._may_choose:
            raise Misuse(
                "this program supports one login only",
                hint="To allow several, use App(name=...) without profile= and vault=.",
            )
        return self._settings.name.removeprefix(profiles.DEFAULT)

    def _profile_under(self, name: str) -> Profile:
        end = self._suffix
        if not _is_short_name(name):
            most = profiles.LONGEST_SHORT_NAME
            raise Misuse(f"a login's name consists of letters, digits, dots, dashes and underscores, {most} at most")
        return dataclasses.replace(self._settings, name=f"{name}{end}")


def _is_short_name(name: str) -> bool:
    return re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{profiles.LONGEST_SHORT_NAME - 1}}}", name) is not None
