"""A program's own folder, and the logins in it: a user may have several, such as `work`, one of which is in use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from keyfob.client.io.vault.files import home
from keyfob.client.io.vault.vault_file import FileVault, ProfileFiles
from keyfob.client.model.profile import DEFAULT, LONGEST_SHORT_NAME
from keyfob.errors import Misuse
from keyfob.io.folders import platform_folder

_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
_SHORT_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_SHORT_NAME - 1}}}\Z")
_RESERVED: Final = "keyfob"


def program_home(program: str) -> Path:
    """Return the folder of a program's logins: `login` in the program's own, or `programs/NAME` in `KEYFOB_HOME`.

    Raises:
        Misuse: It is not the name of a program.
    """
    if not _PROGRAM.match(program) or program.endswith(".") or program.lower() == _RESERVED:
        hint = f"{_RESERVED} is reserved." if program.lower() == _RESERVED else ""
        raise Misuse(
            "a program's name consists of letters, digits, dots, dashes and underscores, 40 at most", hint=hint
        )
    if os.environ.get("KEYFOB_HOME"):
        return home() / "programs" / program
    return platform_folder("", program, unix_variable="XDG_STATE_HOME", unix_default=".local/state") / "login"


class NamedLogins:
    """The logins of one client at one issuer for one API. Those of others in the same folder are never seen."""

    def __init__(self, folder: Path | None, default: str) -> None:
        """Create it.

        Args:
            folder: The program's folder.
            default: The entry of the login `default`, which ends in a hash of issuer, client and API.
        """
        self._files = ProfileFiles(folder)
        self._vault = FileVault(folder)
        self._suffix = default.removeprefix(DEFAULT)

    def entry(self, name: str) -> str:
        """Return the vault entry of a login.

        Raises:
            Misuse: It is not a name of a login.
        """
        if not _SHORT_NAME.match(name):
            raise Misuse(
                "a login's name consists of letters, digits, dots, dashes and underscores, "
                f"{LONGEST_SHORT_NAME} at most"
            )
        return f"{name}{self._suffix}"

    def short_name(self, entry: str) -> str:
        return entry.removesuffix(self._suffix)

    def names(self) -> list[str]:
        """Return the names of the stored logins."""
        return [self.short_name(entry) for entry in self._vault.entries() if entry.endswith(self._suffix)]

    def chosen(self) -> str:
        """Return the name of the login in use."""
        name = self._files.chosen()
        return name if _SHORT_NAME.match(name) else DEFAULT

    def choose(self, name: str) -> None:
        self._files.choose(name)
