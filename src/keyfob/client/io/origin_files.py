"""The origins to which a login's token may be sent, and those for which `keyfob setup` lets tools get a token."""

from __future__ import annotations

import contextlib
import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from keyfob.client.io.vault.files import LATER_HINT, home, make_folder, read_private, remove, write_private
from keyfob.client.io.vault.lock import locked
from keyfob.client.model.profile import Profile
from keyfob.client.session.destination import Origins
from keyfob.errors import Misuse, VaultUnavailable
from keyfob.io import bound_origins
from keyfob.io.bound_origins import Bound

_MOST = 200  # so that the file stays below the 64 KiB that `io/bound_origins.py` reads


class OriginFiles:
    """The origins to which each login's token may be sent. No method raises.

    A login is identified by profile, issuer, client and API.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or home()) / "origins"

    def load(self, profile: Profile) -> Origins:
        with contextlib.suppress(VaultUnavailable):
            raw = read_private(self._path(profile))
            return Origins() if raw is None else Origins.read(raw)
        return Origins()

    def add(self, profile: Profile, origin: str, *, only_first: bool = False) -> bool:
        """Store an origin to which the login's token is about to be sent.

        Args:
            only_first: Whether to store the origin only if the login has no other origin yet. If several processes try
                this at the same time with different origins, one of them succeeds.

        Returns:
            True if the origin is stored now, or was stored before. False if `only_first` prevented that, or if the file
            cannot be written.
        """
        with contextlib.suppress(VaultUnavailable):
            path = self._path(profile)
            make_folder(self.folder)
            with locked(path.with_suffix(".lock")):
                before = self.load(profile)
                after = before.with_origin(origin)
                if after != before and before.known and only_first:
                    return False
                if after != before:
                    write_private(path, after.write())
                return True
        return False

    def _path(self, profile: Profile) -> Path:
        return self.folder / f"{login_key(profile)}.json"


def login_key(profile: Profile) -> str:
    """Return the hash of profile, issuer, client and API that identifies a login in files."""
    members = (profile.name, profile.issuer, profile.client_id, profile.audience or "")
    return hashlib.sha256("\n".join(members).encode()).hexdigest()[:32]


class ToolFile:
    """The origins for which tools such as git may get a token.

    A binding is the permission for one tool to get the token of one login for one origin. Every method except
    `refresh` may raise `VaultUnavailable`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._home = folder or home()
        self._path = self._home / bound_origins.NAME

    def load(self) -> list[Bound]:
        raw = read_private(self._path)
        first = (raw or b"").split(b"\n")[0].decode("ascii", "replace")
        if first.startswith(bound_origins.KIND) and first != bound_origins.MARK:
            raise VaultUnavailable(f"{self._path} was written by another version of this program", hint=LATER_HINT)
        return [] if raw is None else bound_origins.read(raw)

    def origins(self, tool: str, profile: Profile) -> list[str]:
        """Return the origins for which a tool may get this login's token."""
        key = login_key(profile)
        return [
            line.origin
            for line in self.load()
            if line.tool == tool and line.profile == profile.name and line.login == key
        ]

    def add(self, tool: str, origin: str, profile: Profile, *, replaces: bool = True) -> None:
        """Store a binding: the tool may get the login's token for the origin.

        Args:
            tool: The tool's name, such as git.
            origin: The origin that may receive the token.
            profile: The profile of the login.
            replaces: Whether to remove the tool's bindings of this origin to other logins.

        Raises:
            Misuse: The file already has 200 other bindings.
        """
        seen = bound_origins.state_of(str(self._home), profile.name)
        fresh = Bound(tool, origin, profile.name, login_key(profile), seen)
        with self._locked():
            others = [
                line
                for line in self.load()
                if (line.tool, line.origin) != (tool, origin) or (not replaces and line.profile != profile.name)
            ]
            if len(others) >= _MOST:
                raise Misuse(
                    f"there are already {_MOST} origins for tools",
                    hint="Remove some first.",
                    flags="keyfob setup TOOL URL --remove",
                )
            write_private(self._path, bound_origins.write([*others, fresh]))

    def remove(self, tool: str, origin: str) -> bool:
        """Remove every binding of a tool for an origin, to whichever login. Return whether there was one."""
        if not self._path.exists():
            return False
        with self._locked():
            before = self.load()
            after = [line for line in before if (line.tool, line.origin) != (tool, origin)]
            if after:
                write_private(self._path, bound_origins.write(after))
            else:
                remove(self._path)
            return len(after) < len(before)

    def refresh(self, profile: Profile) -> None:
        """Store the present state of the profile's settings in each binding of an origin to this login. Never raises.

        `io/bound_origins.py` ignores a binding whose stored state is not the present one.
        """
        with contextlib.suppress(VaultUnavailable):
            key, seen = login_key(profile), bound_origins.state_of(str(self._home), profile.name)
            if any(line.login == key and line.seen != seen for line in self.load()):
                with self._locked():
                    lines = self.load()
                    for line in lines:
                        line.seen = seen if line.login == key else line.seen
                    write_private(self._path, bound_origins.write(lines))

    def _locked(self) -> AbstractContextManager[None]:
        make_folder(self._home)
        return locked(self._path.with_suffix(".lock"))
