"""Write the file with the prompt's line that `io/prompt_line.py` reads."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from keyfob.client.io.vault.files import home, write_private
from keyfob.errors import VaultUnavailable
from keyfob.io import prompt_line, quick


class PromptFile:
    """The line for the folder and the environment at the time when this object was created."""

    def __init__(self) -> None:
        """Read the present folder and the environment."""
        self._home = str(home())
        self._asked = os.environ.get("KEYFOB_PROFILE") or ""
        self._project = prompt_line.project_file()
        self._seen = prompt_line.seen_of(self._project)
        self._now = int(time.time())
        self._states: dict[str, str] = {}

    def watch(self, profile: str) -> None:
        """Record the state of the profile that the line will describe, before its login is read."""
        self._states[profile] = prompt_line.state_of(self._home, profile)

    def keep(self, profile: str, lines: tuple[str, str], until: int | None) -> None:
        """Write the line, if possible. If the login has changed since `watch`, the line is invalid.

        Args:
            profile: The profile that the line describes.
            lines: The line, and the line that later replaces it.
            until: The time of the replacement, in seconds; None for never.
        """
        if not prompt_line.is_usual() or quick.place("")[1] != self._home:
            return
        with contextlib.suppress(VaultUnavailable, OSError, ValueError):  # the file only saves time
            content = prompt_line.write(
                self._asked, self._seen, profile, self._states[profile], self._now, until, lines
            )
            prompt_line.sweep(self._home)
            write_private(Path(prompt_line.place(self._home, self._asked, self._project)), content)
