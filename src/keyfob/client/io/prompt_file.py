"""Write the file with the text for the shell's prompt, which `io/prompt_line.py` reads."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from keyfob.client.io.vault.files import home, write_private
from keyfob.errors import VaultUnavailable
from keyfob.io import prompt_line, quick


class PromptFile:
    """The file for the folder and the environment at the time when this object was created."""

    def __init__(self) -> None:
        """Read the present folder and the environment."""
        self._home = str(home())
        self._asked = os.environ.get("KEYFOB_PROFILE") or ""
        self._project = prompt_line.project_file()
        self._seen = prompt_line.seen_of(self._project)
        self._now = int(time.time())
        self._states: dict[str, str] = {}

    def watch(self, profile: str) -> None:
        """Record the profile's state. Call this before the login is read from which the line is made."""
        self._states[profile] = prompt_line.state_of(self._home, profile)

    def keep(self, profile: str, lines: tuple[str, str], until: int | None) -> None:
        """Write the line, if possible. If the login has changed since `watch`, readers ignore the line.

        Args:
            profile: The profile that the line describes.
            lines: The line, and the line that later replaces it.
            until: When the second line replaces the first, in Unix time; None for never.
        """
        if not prompt_line.is_usual() or quick.place("")[1] != self._home:
            return
        with contextlib.suppress(VaultUnavailable, OSError, ValueError):  # the file only saves time
            content = prompt_line.write(
                self._asked, self._seen, profile, self._states[profile], self._now, until, lines
            )
            prompt_line.sweep(self._home)
            write_private(Path(prompt_line.place(self._home, self._asked, self._project)), content)
